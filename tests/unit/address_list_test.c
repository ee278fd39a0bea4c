/*
 * address_list_test.c: match lists: what they match, what is wrong with them, and long ones against
 * the plainest way to ask them; and what mynetworks is by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/address_list.h"
#include "policy/prefix.h"
#include "policy/text.h"

static char directory[] = "/tmp/address_list_test.XXXXXX";
static char findings[65536];

static void note(void *ctx, enum diag_severity severity, const char *text)
{
    size_t length = strlen(findings);

    (void)ctx;
    snprintf(findings + length, sizeof findings - length, "%s: %s\n",
             severity == DIAG_ERROR ? "error" : "warning", text);
}

/* VALUE with each @ replaced by the directory with the files. The caller frees. */
static char *fill_in(const char *value)
{
    struct text text = {0};

    text_add_string(&text, "");
    for (; *value != '\0'; value++) {
        if (*value == '@')
            text_add_string(&text, directory);
        else
            text_add_char(&text, *value);
    }
    return text_take(&text);
}

static struct address_list *load(const char *value, enum address_list_names names)
{
    struct diag diag = {.sink = note};
    char *filled = fill_in(value);

    findings[0] = '\0';
    struct address_list *list =
        address_list_load("mynetworks", filled, "gatepost.cf, line 7", names, &diag);
    free(filled);
    return list;
}

static const struct {
    const char *name;
    const char *content;
} files[] = {
    {"networks", "# ours\n192.0.2.0/24, 198.51.100.0/24\n  [2001:db8::]/32\n\n!203.0.113.7\n"
                 "203.0.113.0/24\n"},
    {"outer", "10.0.0.0/8\n@/networks\n"},
    {"loop", "10.0.0.0/8\n@/loop\n"},
    {"comment", "10.0.0.0/8 # the office\n"},
    {"broken", "10.0.0.0/8\n192.0.2.1/33 mx.example.com\n"},
    {"table", "192.0.2.0/24 OK\n# x\n2001:db8::/32 REJECT but it counts\n"},
    {"if", "if 192.0.2.0/24\n"},
    {"negated", "!192.0.2.0/24 OK\n"},
    {"no_result", "192.0.2.0/24\n"},
    {"empty", ""},
};

static int make_files(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[256];
        char *content = fill_in(files[i].content);

        snprintf(path, sizeof path, "%s/%s", directory, files[i].name);
        FILE *file = fopen(path, "w");
        if (file == NULL || fputs(content, file) < 0 || fclose(file) != 0)
            return -1;
        free(content);
    }
    return 0;
}

static int remove_files(void **state)
{
    char path[256];

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i].name);
        unlink(path);
    }
    return rmdir(directory);
}

struct match_case {
    const char *value;
    const char *in; /* addresses, separated by blanks */
    const char *out;
};

static const struct match_case match_cases[] = {
    {"", "", "127.0.0.1 ::1"},
    {"127.0.0.1", "127.0.0.1", "127.0.0.2 ::1 ::7f00:1"},
    {"127.0.0.0/8 [::1]/128", "127.0.0.1 127.255.255.255 ::1", "128.0.0.0 126.255.255.255 ::2"},
    {"[::1], [2001:db8::/32],[192.0.2.1]\n[198.51.100.0]/24",
     "::1 2001:db8:ffff:: 192.0.2.1 198.51.100.255", "::2 2001:db9:: 192.0.2.2"},
    {"2001:db8::1 fe80::/10 ::", "2001:db8::1 fe80::1 ::", "2001:db8::2 ::1"},
    {"!192.0.2.1 192.0.2.0/24", "192.0.2.0 192.0.2.2", "192.0.2.1 192.0.3.0"},
    {"192.0.2.0/24 !192.0.2.1", "192.0.2.0 192.0.2.1", "192.0.3.0"},
    {"!!192.0.2.1", "192.0.2.1", "192.0.2.2"},
    {"!192.0.2.0/24", "", "192.0.2.1 10.0.0.1 ::1"},
    {"10.0.0.0/8 !10.1.0.0/16 !11.1.2.0/24 11.1.0.0/16 11.1.2.3", "10.1.0.1 10.2.0.1 11.1.3.1",
     "11.1.2.3 11.1.2.4 11.2.0.0"},
    {"192.0.2.1 !192.0.2.1", "192.0.2.1", ""},
    {"!192.0.2.1 192.0.2.1", "", "192.0.2.1"},
    {"::ffff:192.0.2.0/120", "192.0.2.1 ::ffff:192.0.2.1", "192.0.3.1"},
    {"192.0.2.1", "::ffff:192.0.2.1", "::192.0.2.1"},
    {"0.0.0.0/0", "192.0.2.1 0.0.0.0", "::1"},
    {"::/0", "::1", "192.0.2.1"},
    {"static:all", "192.0.2.1 ::1", ""},
    {"!192.0.2.1 static:all", "192.0.2.2 ::1", "192.0.2.1"},
    {"!static:all 192.0.2.1", "", "192.0.2.1 ::1"},
    {"@/networks", "192.0.2.1 198.51.100.1 2001:db8::1 203.0.113.8", "203.0.113.7 10.0.0.1"},
    {"!@/networks 192.0.2.1 203.0.113.7 10.0.0.1", "203.0.113.7 10.0.0.1", "192.0.2.1 203.0.113.8"},
    {"@/outer", "10.1.2.3 192.0.2.1", "203.0.113.7"},
    {"@/empty", "", "10.1.2.3"},
    {"cidr:@/table", "192.0.2.1 2001:db8::1", "10.0.0.1"},
    {"!cidr:@/table 192.0.0.0/16", "192.0.3.1", "192.0.2.1 2001:db8::1"},
    {"mail.example.com 192.0.2.1 .example.org localhost", "192.0.2.1", "127.0.0.1"},
};

static void check_each(const struct match_case *c, const char *addresses, bool expected)
{
    struct address_list *list = load(c->value, ADDRESS_LIST_NAMES_WARN);
    const char *element;
    size_t length;

    if (list == NULL)
        fail_msg("%s: %s", c->value, findings);
    while ((element = text_next(&addresses, " ", false, &length)) != NULL) {
        char *text = text_copy_n(element, length);
        int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
        uint8_t bytes[16];

        assert_int_equal(inet_pton(family, text, bytes), 1);
        if (address_list_match(list, family, bytes) != expected)
            fail_msg("%s: %s", c->value, text);
        free(text);
    }
    assert_false(address_list_match(list, AF_UNIX, (const uint8_t *)"0123456789abcdef"));
    assert_false(address_list_match(list, 0, (const uint8_t *)"0123456789abcdef"));
    address_list_free(list);
}

static void test_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof match_cases / sizeof *match_cases; i++) {
        check_each(&match_cases[i], match_cases[i].in, true);
        check_each(&match_cases[i], match_cases[i].out, false);
    }
}

struct error_case {
    const char *value;
    const char *error; /* what must be in it */
};

#define HERE "gatepost.cf, line 7: mynetworks: "

static const struct error_case error_cases[] = {
    {"192.0.2.1/24", HERE "\"192.0.2.1/24\" has host bits that are not 0"},
    {"192.0.2.256", HERE "bad address in \"192.0.2.256\""},
    {"192.0.2", "bad address"},
    {"10.0.0.0/33", "bad length (0 to 32)"},
    {"[::1", "missing ']'"},
    {"[::1]x", "only /LENGTH may follow ']'"},
    {"2001:db8::/129", "bad length (0 to 128)"},
    {"2001:db8:::1", "bad address"},
    {"example.com/24", "bad address"},
    {"{192.0.2.1/32}", "bad address"},
    {"!", "\"!\": nothing follows"},
    {"192.0.2.1, ! ,192.0.2.2", "nothing follows"},
    {"hash:/etc/postfix/x", "this kind of table cannot be used here"},
    {"!cdb:/etc/postfix/x", "this kind of table cannot be used here"},
    {"cidr:{ {192.0.2.1 OK} }", "this kind of table cannot be used here"},
    {"cidr:relative", "this kind of table cannot be used here"},
    {"inline:{ 192.0.2.1=OK }", "this kind of table cannot be used here"},
    {"tcp:127.0.0.1:99", "this kind of table cannot be used here"},
    {"!bad.example.com 192.0.2.1", "looks no host names up, and would not make"},
    {"!@/broken", "would not make this exception"},
    {"@/missing", "No such file"},
    {"@", "a directory"},
    {"@/broken", "@/broken, line 2: bad length (0 to 32) in \"192.0.2.1/33\""},
    {"@/comment", "@/comment, line 1: \"#\": a comment must be on a line of its own"},
    {"@/loop", "too many files that name files"},
    {"cidr:@/if", "@/if, line 1: \"if\": negated patterns and if"},
    {"cidr:@/negated", "\"!192.0.2.0/24\": negated patterns and if"},
    {"cidr:@/no_result", "no result"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof error_cases / sizeof *error_cases; i++) {
        char *expected = fill_in(error_cases[i].error);

        assert_null(load(error_cases[i].value, ADDRESS_LIST_NAMES_WARN));
        if (strncmp(findings, "error: ", 7) != 0 || strstr(findings, expected) == NULL)
            fail_msg("%s: %s", error_cases[i].value, findings);
        free(expected);
    }
}

static void test_names(void **state)
{
    struct address_list *list;
    char many[4096] = "";

    (void)state;
    list = load("mail.example.com", ADDRESS_LIST_NAMES_WARN);
    assert_non_null(list);
    assert_string_equal(findings, "warning: " HERE "\"mail.example.com\" matches nobody: it is not "
                                  "an address, and gatepost looks no host names up\n");
    assert_int_equal(address_list_size(list), 0);
    address_list_free(list);
    assert_null(load("mail.example.com", ADDRESS_LIST_NAMES_REFUSE));
    assert_string_equal(findings, "error: " HERE "\"mail.example.com\": not an address: gatepost "
                                  "looks no host names up\n");
    for (int i = 0; i < 200; i++)
        strcat(many, "!a 1.1 ");
    assert_null(load(many, ADDRESS_LIST_NAMES_WARN));
    size_t lines = 0;
    for (const char *p = findings; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 100);
}

/* --- a long list ----------------------------------------------------------------------------- */

#define MANY 3000

static uint64_t random_state = 1;

static uint32_t next_random(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 32);
}

struct plain {
    struct prefix prefix;
    bool no;
};

/* Few different bits, so that many are within others. */
static struct prefix random_prefix(void)
{
    struct prefix prefix = {.ipv6 = next_random() % 2, .length = (uint8_t)(next_random() % 17)};

    prefix.address.high = (uint64_t)(next_random() % 8192) << 48;
    if (prefix.length == 0)
        prefix.address.high = 0;
    else
        prefix.address.high &= UINT64_MAX << (64 - prefix.length);
    return prefix;
}

static bool plain_match(const struct plain *all, size_t count, bool ipv6,
                        struct prefix_address address)
{
    for (size_t i = 0; i < count; i++)
        if (all[i].prefix.ipv6 == ipv6 &&
            prefix_common(all[i].prefix.address, address) >= all[i].prefix.length)
            return !all[i].no;
    return false;
}

static void test_long(void **state)
{
    (void)state;
    for (size_t count = 1; count <= MANY; count = count * 3 + 1) {
        struct plain all[MANY];
        struct text value = {0};

        for (size_t i = 0; i < count; i++) {
            char text[PREFIX_TEXT_SIZE];

            all[i] = (struct plain){.prefix = random_prefix(), .no = next_random() % 3 == 0};
            prefix_format(&all[i].prefix, text);
            text_format(&value, "%s%s ", all[i].no ? "!" : "", text);
        }
        struct address_list *list = load(value.data, ADDRESS_LIST_NAMES_REFUSE);
        assert_non_null(list);
        for (int i = 0; i < 20000; i++) {
            bool ipv6 = next_random() % 2;
            uint8_t bytes[16] = {(uint8_t)(next_random() % 32), (uint8_t)next_random(), 1};

            if (address_list_match(list, ipv6 ? AF_INET6 : AF_INET, bytes) !=
                plain_match(all, count, ipv6, prefix_address_read(bytes, ipv6)))
                fail_msg("%zu networks: %d.%d", count, bytes[0], bytes[1]);
        }
        address_list_free(list);
        text_free(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
