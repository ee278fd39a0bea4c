/*
 * prefix_test.c: patterns of cidr_table(5), rule by rule, and prefixes as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "policy/prefix.h"

static const struct {
    const char *text;
    const char *result; /* as text; or what the message must have, behind a '!' */
} rows[] = {
    {"192.0.2.17", "192.0.2.17/32"},
    {"192.0.2.17/32", "192.0.2.17/32"},
    {"198.51.100.0/24", "198.51.100.0/24"},
    {"0.0.0.0/0", "0.0.0.0/0"},
    {"128.0.0.0/1", "128.0.0.0/1"},
    {"255.255.255.255", "255.255.255.255/32"},
    {"[192.0.2.1]", "192.0.2.1/32"},
    {"[192.0.2.0]/24", "192.0.2.0/24"},
    {"[192.0.2.0/24]", "192.0.2.0/24"},
    {"2001:db8::/32", "2001:db8::/32"},
    {"2001:DB8:0:0:0:0:0:1", "2001:db8::1/128"},
    {"[2001:db8::1]", "2001:db8::1/128"},
    {"[2001:db8::]/32", "2001:db8::/32"},
    {"[2001:db8::/32]", "2001:db8::/32"},
    {"::", "::/128"},
    {"::/0", "::/0"},
    {"::1", "::1/128"},
    {"8000::/1", "8000::/1"},
    {"1:0:0:2::/64", "1:0:0:2::/64"},
    {"1:0:0:2:0:0:0:3", "1:0:0:2::3/128"},
    {"1:0:0:2:3:0:0:4", "1::2:3:0:0:4/128"},
    {"1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7/128"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"},
    {"::ffff:192.0.2.1", "192.0.2.1/32"},
    {"::ffff:c000:201", "192.0.2.1/32"},
    {"::ffff:192.0.2.0/120", "192.0.2.0/24"},
    {"::ffff:0:0/96", "0.0.0.0/0"},
    {"::fffe:0:0/95", "::fffe:0:0/95"},
    {"::192.0.2.1", "::c000:201/128"},
    {"192.0.2.1/24",
     "!\"192.0.2.1/24\" has host bits that are not 0: perhaps \"192.0.2.0/24\" (the "
     "network) or \"192.0.2.1/32\" (the host) is meant"},
    {"2001:db8::1/32", "!perhaps \"2001:db8::/32\" (the network) or \"2001:db8::1/128\""},
    {"::ffff:192.0.2.1/120", "!has host bits"},
    {"1.2.3.4/0", "!perhaps \"0.0.0.0/0\""},
    {"2001:db8:0:0:1::/64", "!perhaps \"2001:db8::/64\""},
    {"192.0.2", "!bad address in \"192.0.2\""},
    {"192.0.02.1", "!bad address"},
    {"192.0.2.256", "!bad address"},
    {"192.0.2.0/", "!bad length (0 to 32)"},
    {"192.0.2.0/33", "!bad length (0 to 32)"},
    {"192.0.2.0/256", "!bad length"},
    {"192.0.2.0/288", "!bad length"},
    {"192.0.2.0/2x", "!bad length"},
    {"192.0.2.0/+8", "!bad length"},
    {"192.0.2.0/255.255.255.0", "!bad length"},
    {"2001:db8::/129", "!bad length (0 to 128)"},
    {"2001:db8:::", "!bad address"},
    {"fe80::1%eth0", "!bad address"},
    {"mail.example.org", "!bad address in \"mail.example.org\": specify an IPv4 or IPv6 address"},
    {"", "!bad address"},
    {"/24", "!bad address"},
    {"[192.0.2.1", "!missing ']'"},
    {"[192.0.2.1]x", "!only /LENGTH may follow ']'"},
    {"[192.0.2.0/24]/24", "!bad"},
    {"[]", "!bad address"},
    {"192.0.2.1]", "!bad address"},
    {"11111111111111111111111111111111111111111111111111111111111111", "!11...\""},
};

static void patterns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct prefix prefix;
        char error[256] = "";
        char text[PREFIX_TEXT_SIZE] = "";
        size_t length = strlen(rows[i].text);
        char *exact = malloc(length > 0 ? length : 1);

        assert_non_null(exact);
        memcpy(exact, rows[i].text, length);
        int status = prefix_parse(exact, length, &prefix, error, sizeof(error));
        if (status == 0)
            prefix_format(&prefix, text);
        if (rows[i].result[0] == '!' ? status == 0 || strstr(error, rows[i].result + 1) == NULL
                                     : status != 0 || strcmp(text, rows[i].result) != 0)
            fail_msg("%s: \"%s\", \"%s\"", rows[i].text, text, error);
        free(exact);
    }
}

static void nul(void **state)
{
    (void)state;
    struct prefix prefix;
    char error[256];

    assert_int_equal(prefix_parse("192.0.2.1\0x", 11, &prefix, error, sizeof(error)), -1);
    assert_int_equal(prefix_parse("192.0.2.0\0/24", 13, &prefix, error, sizeof(error)), -1);
}

/* Every prefix of addresses with many zeros, against inet_ntop(3), and there and back. */
static void formats(void **state)
{
    (void)state;
    uint32_t seed = 1;

    for (int round = 0; round < 20000; round++) {
        struct prefix prefix = {.ipv6 = round % 2 != 0};
        struct prefix again;
        uint8_t bytes[16];
        char text[PREFIX_TEXT_SIZE];
        char address[INET6_ADDRSTRLEN];
        char expected[PREFIX_TEXT_SIZE];
        char error[256];

        for (int i = 0; i < 16; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (seed >> 20) % 3 != 0 ? 0 : (uint8_t)(seed >> 24);
        }
        prefix.length = (uint8_t)((seed >> 8) % (prefix.ipv6 ? 129 : 33));
        prefix.address = prefix_address_cut(prefix_address_read(bytes, prefix.ipv6), prefix.length);
        prefix_format(&prefix, text);
        uint64_t halves[] = {__builtin_bswap64(prefix.address.high),
                             __builtin_bswap64(prefix.address.low)};
        assert_non_null(
            inet_ntop(prefix.ipv6 ? AF_INET6 : AF_INET, halves, address, sizeof(address)));
        snprintf(expected, sizeof(expected), "%s/%u", address, prefix.length);
        if (!prefix.ipv6 || strchr(address, '.') == NULL) /* inet_ntop mixes the notations */
            assert_string_equal(text, expected);
        assert_int_equal(prefix_parse(text, strlen(text), &again, error, sizeof(error)), 0);
        if (again.ipv6 == prefix.ipv6) { /* else it was an IPv4-mapped one */
            assert_int_equal(again.length, prefix.length);
            assert_true(again.address.high == prefix.address.high &&
                        again.address.low == prefix.address.low);
        }
    }
}

static void common(void **state)
{
    (void)state;
    struct prefix_address zero = {0, 0};

    assert_int_equal(prefix_common(zero, zero), 128);
    for (unsigned bit = 0; bit < 128; bit++) {
        struct prefix_address one = {bit < 64 ? UINT64_C(1) << (63 - bit) : 0,
                                     bit < 64 ? 0 : UINT64_C(1) << (127 - bit)};
        struct prefix_address all = {UINT64_MAX, UINT64_MAX};

        assert_int_equal(prefix_common(zero, one), bit);
        assert_int_equal(prefix_common(zero, prefix_address_cut(one, bit)), 128);
        assert_int_equal(prefix_common(zero, prefix_address_cut(one, bit + 1)), bit);
        assert_int_equal(prefix_common(all, prefix_address_cut(all, bit)), bit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(nul),
        cmocka_unit_test(formats),
        cmocka_unit_test(common),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
