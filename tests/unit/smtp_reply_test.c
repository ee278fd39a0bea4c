/*
 * smtp_reply_test.c: replies of a backend, whole, in parts, and broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/smtp_reply.h"

#define TEXT(literal) literal, sizeof(literal) - 1

struct reply_case {
    const char *text;
    size_t length;
    enum smtp_reply_status status;
    int code;
    size_t taken;
    const char *normalized;
};

static const struct reply_case cases[] = {
    {TEXT("250 ok\r\n"), SMTP_REPLY_DONE, 250, 8, "250 ok\r\n"},
    {TEXT("250 ok\n"), SMTP_REPLY_DONE, 250, 7, "250 ok\r\n"},
    {TEXT("250\r\n"), SMTP_REPLY_DONE, 250, 5, "250\r\n"},
    {TEXT("250\n"), SMTP_REPLY_DONE, 250, 4, "250\r\n"},
    {TEXT("250 \r\n"), SMTP_REPLY_DONE, 250, 6, "250 \r\n"},
    {TEXT("250-a\r\n250 b\r\n"), SMTP_REPLY_DONE, 250, 14, "250-a\r\n250 b\r\n"},
    {TEXT("250-a\n250\n"), SMTP_REPLY_DONE, 250, 10, "250-a\r\n250\r\n"},
    {TEXT("354 go\r\n250 next\r\n"), SMTP_REPLY_DONE, 354, 8, "354 go\r\n"},
    {TEXT("550 a\rb\r\r\n"), SMTP_REPLY_DONE, 550, 10, "550 a b \r\n"},
    {TEXT("599 x\r\n"), SMTP_REPLY_DONE, 599, 7, "599 x\r\n"},
    {TEXT("200 x\r\n"), SMTP_REPLY_DONE, 200, 7, "200 x\r\n"},
    {TEXT(""), SMTP_REPLY_MORE, 0, 0, ""},
    {TEXT("2"), SMTP_REPLY_MORE, 0, 0, ""},
    {TEXT("250"), SMTP_REPLY_MORE, 0, 0, ""},
    {TEXT("250 ok\r"), SMTP_REPLY_MORE, 0, 0, ""},
    {TEXT("250-ok\r\n"), SMTP_REPLY_MORE, 0, 0, ""},
    {TEXT("250-ok\r\n25"), SMTP_REPLY_MORE, 0, 0, ""},
    {TEXT("\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("25\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("H"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("HTTP/1.1 400 Bad\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("2500 ok\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("250_ok\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("250\rok\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("199 x\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("6"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("000 x\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("250-a\r\n251 b\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("250-a\r\n\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("250 a\0b\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT("250-a\r\n250 a\0"), SMTP_REPLY_BAD, 0, 0, ""},
    {TEXT(" 250 a\r\n"), SMTP_REPLY_BAD, 0, 0, ""},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct reply_case *c = &cases[i];
        char *text = malloc(c->length);
        memcpy(text, c->text, c->length);
        struct smtp_reply reply;
        assert_int_equal(smtp_reply_parse(text, c->length, &reply), c->status);
        if (c->status == SMTP_REPLY_DONE) {
            assert_int_equal(reply.code, c->code);
            assert_int_equal(reply.length, c->taken);
            char out[64] = "";
            assert_int_equal(smtp_reply_normalize(text, &reply, out), strlen(c->normalized));
            assert_string_equal(out, c->normalized);
        } else if (c->status == SMTP_REPLY_BAD) {
            assert_non_null(reply.error);
        }
        free(text);
    }
}

/* A reply that never ends is given up at the limit, whether its lines are short or endless. */
static void test_limit(void **state)
{
    (void)state;
    size_t capacity = SMTP_REPLY_MAX + 16;
    char *text = malloc(capacity);
    struct smtp_reply reply;
    memset(text, 'x', capacity);
    memcpy(text, "250 ", 4);
    assert_int_equal(smtp_reply_parse(text, SMTP_REPLY_MAX - 1, &reply), SMTP_REPLY_MORE);
    assert_int_equal(smtp_reply_parse(text, SMTP_REPLY_MAX, &reply), SMTP_REPLY_BAD);
    text[SMTP_REPLY_MAX - 1] = '\n';
    assert_int_equal(smtp_reply_parse(text, SMTP_REPLY_MAX, &reply), SMTP_REPLY_DONE);
    for (size_t i = 0; i + 8 <= capacity; i += 8) {
        memcpy(text + i, "250-abc\n", 8);
    }
    assert_int_equal(smtp_reply_parse(text, SMTP_REPLY_MAX - 8, &reply), SMTP_REPLY_MORE);
    assert_int_equal(smtp_reply_parse(text, SMTP_REPLY_MAX + 8, &reply), SMTP_REPLY_BAD);
    assert_string_equal(reply.error, "reply is too long");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
