/*
 * capabilities_test.c: from the backend's EHLO reply to the client's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/capabilities.h"
#include "proxy/extensions.h"
#include "proxy/smtp_reply.h"

struct reply_case {
    const char *backend;
    struct capabilities_view view;
    const char *client;
};

static const char postfix[] = "250-backend.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n"
                              "250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n"
                              "250-AUTH=PLAIN LOGIN\r\n250-XCLIENT NAME ADDR proto\r\n"
                              "250-XFORWARD NAME ADDR\r\n250-ENHANCEDSTATUSCODES\r\n"
                              "250-8BITMIME\r\n250 CHUNKING\r\n";

static const struct reply_case cases[] = {
    {postfix,
     {"mx.example", true, true, 0, false},
     "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n"
     "250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 CHUNKING\r\n"},
    {postfix,
     {"mx.example", false, false, 2048, false},
     "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10237952\r\n250-VRFY\r\n250-ETRN\r\n"
     "250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n"
     "250-8BITMIME\r\n250 CHUNKING\r\n"},
    {"250 b\r\n", {"mx", false, false, 0, false}, "250 mx\r\n"},
    {"250 b\r\n", {"mx", true, false, 0, false}, "250-mx\r\n250 STARTTLS\r\n"},
    {"250-b\n250-SIZE 0\n250 8BITMIME\n",
     {"mx", true, false, 5, false},
     "250-mx\r\n250-SIZE\r\n250-STARTTLS\r\n250 8BITMIME\r\n"},
    {"250-b\r\n250-8BITMIME\r\n250 SIZE\r\n",
     {"mx", true, false, 5, false},
     "250-mx\r\n250-8BITMIME\r\n250-SIZE\r\n250 STARTTLS\r\n"},
    {"250-b\r\n250 size 2000\r\n", {"mx", false, false, 2048, false}, "250-mx\r\n250 SIZE 1\r\n"},
    {"250-b\r\n250 SIZE 99999999999999999999\r\n",
     {"mx", false, false, 0, false},
     "250-mx\r\n250 SIZE 18446744073709551615\r\n"},
    {"250-b\r\n250-VRFY\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 DSN\r\n",
     {"mx", true, false, 0, false},
     "250-mx\r\n250-VRFY\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 DSN\r\n"},
    {"250-b\r\n250-etrn\r\n250-DSN\r\n250 VRFY\r\n",
     {"mx", true, false, 0, false},
     "250-mx\r\n250-etrn\r\n250-STARTTLS\r\n250-DSN\r\n250 VRFY\r\n"},
    {"250-b\r\n250-starttls\r\n250-xClient ADDR\r\n250-XFORWARD\r\n250 DSN\r\n",
     {"mx", false, false, 0, false},
     "250-mx\r\n250 DSN\r\n"},
    {"250-b\r\n250-not a? keyword\r\n250-?\r\n250-A_B\r\n250-X\x01\r\n250-\xc3\xa4\r\n"
     "250-A=B\r\n250-\r\n250- DSN\r\n250-OK\tx \r\n250 -X\r\n",
     {"mx", false, false, 0, false},
     "250-mx\r\n250-not a? keyword\r\n250 OK x\r\n"},
    {"250-b\r\n250-REQUIRETLS\r\n250-DSN\r\n250 requiretls x\r\n",
     {"mx", false, true, 0, false},
     "250-mx\r\n250 DSN\r\n"},
    {"250-b\r\n250-REQUIRETLS\r\n250 SIZE 5000\r\n",
     {"mx", false, true, 2048, true},
     "250-mx\r\n250-SIZE 2952\r\n250 REQUIRETLS\r\n"},
    {"250-b\r\n250-AUTHX\r\n250-AUTH\r\n250 auth PLAIN\r\n",
     {"mx", false, true, 0, false},
     "250-mx\r\n250 AUTHX\r\n"},
};

static void test_reply(void **state)
{
    (void)state;
    struct capabilities *capabilities = malloc(sizeof *capabilities);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *out = calloc(1, CAPABILITIES_REPLY_MAX + 1);
        capabilities_parse(capabilities, cases[i].backend, strlen(cases[i].backend));
        size_t length = capabilities_reply(capabilities, &cases[i].view, out);
        assert_string_equal(out, cases[i].client);
        assert_int_equal(length, strlen(cases[i].client));
        free(out);
    }
    free(capabilities);
}

static void test_learned(void **state)
{
    (void)state;
    struct capabilities *capabilities = malloc(sizeof *capabilities);
    capabilities_parse(capabilities, postfix, strlen(postfix));
    assert_true(capabilities->known && capabilities->pipelining &&
                capabilities->extensions ==
                    (EXTENSION_SIZE | EXTENSION_EIGHTBIT | EXTENSION_CHUNKING));
    assert_true(capabilities->size && capabilities->size_limit == 10240000);
    assert_true(capabilities->xclient);
    assert_string_equal(capabilities->xclient_attributes, " NAME ADDR PROTO");
    capabilities_parse(capabilities, "250-b\r\n250 XCHUNKING\r\n", 22);
    assert_true(capabilities->known);
    assert_false(capabilities->pipelining || capabilities->extensions != 0 || capabilities->size ||
                 capabilities->xclient);
    free(capabilities);
}

static void test_unknown(void **state)
{
    (void)state;
    struct capabilities *capabilities = calloc(1, sizeof *capabilities);
    char *out = calloc(1, CAPABILITIES_REPLY_MAX + 1);
    struct capabilities_view view = {.hostname = "mx", .starttls = true};
    capabilities_reply(capabilities, &view, out);
    assert_string_equal(out, "250-mx\r\n250 STARTTLS\r\n");
    free(out);
    free(capabilities);
}

/* More and longer keywords than fit: what is left is still a reply. */
static void test_bounds(void **state)
{
    (void)state;
    struct capabilities *capabilities = malloc(sizeof *capabilities);
    char *text = malloc(100000);
    char *name = malloc(70000);
    char *out = malloc(CAPABILITIES_REPLY_MAX);
    memset(name, 'n', 69999);
    name[69999] = '\0';
    struct capabilities_view view = {.hostname = name, .starttls = true};
    for (size_t width = 1; width < 700; width = width * 2 + 1) {
        size_t length = 0;
        while (length + width + 6 < 100000) {
            memcpy(text + length, "250-", 4);
            memset(text + length + 4, 'K', width);
            memcpy(text + length + 4 + width, "\r\n", 2);
            length += width + 6;
        }
        capabilities_parse(capabilities, text, length);
        assert_true(capabilities->text_length <= sizeof capabilities->text);
        size_t produced = capabilities_reply(capabilities, &view, out);
        struct smtp_reply reply;
        assert_int_equal(smtp_reply_parse(out, produced, &reply), SMTP_REPLY_DONE);
        assert_int_equal(reply.length, produced);
    }
    memcpy(text, "250-b\r\n250 XCLIENT", 18);
    size_t length = 18;
    while (length < 400) {
        memcpy(text + length, " ATTRIBUTE", 10);
        length += 10;
    }
    memcpy(text + length, "\r\n", 2);
    capabilities_parse(capabilities, text, length + 2);
    assert_true(capabilities->xclient);
    assert_int_equal(strlen(capabilities->xclient_attributes), 120);
    free(out);
    free(name);
    free(text);
    free(capabilities);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_learned),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
