/*
 * proxy_header_test.c: PROXY headers as HAProxy and others send them, in pieces, and what is not
 * one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "proxy/handoff.h"
#include "proxy/proxy_header.h"

#define TEXT(literal) literal, sizeof(literal) - 1
#define SIGNATURE "\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A"
#define V4_ADDRESSES "\xc0\x00\x02\x01\xc6\x33\x64\x0b\xdc\x04\x00\x19"
#define V6_ADDRESSES                                                                               \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                                   \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\xff\xff\xdc\x04\x00\x19"
#define MAPPED_ADDRESSES                                                                           \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"                                                 \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x0b\xdc\x04\x00\x19"
#define HALF_MAPPED                                                                                \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"                                                 \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\xff\xff\xdc\x04\x00\x19"

struct good_case {
    const char *bytes;
    size_t length;
    enum proxy_header_kind kind;
    const char *client; /* "address:port" */
    const char *server;
};

static const struct good_case good_cases[] = {
    {TEXT("PROXY TCP4 192.0.2.1 198.51.100.11 56324 25\r\n"), PROXY_HEADER_PROXIED,
     "192.0.2.1:56324", "198.51.100.11:25"},
    {TEXT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), PROXY_HEADER_PROXIED,
     "255.255.255.255:65535", "255.255.255.255:65535"},
    {TEXT("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), PROXY_HEADER_PROXIED, "0.0.0.0:0", "0.0.0.0:0"},
    {TEXT("PROXY TCP6 2001:db8::1 2001:DB8:0:0::ffff 1 2525\r\n"), PROXY_HEADER_PROXIED,
     "2001:db8::1:1", "2001:db8::ffff:2525"},
    {TEXT("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:640b 1 2\r\n"), PROXY_HEADER_PROXIED,
     "192.0.2.1:1", "198.51.100.11:2"},
    {TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     PROXY_HEADER_PROXIED, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535"},
    {TEXT("PROXY UNKNOWN\r\n"), PROXY_HEADER_UNKNOWN, "unknown:0", "unknown:0"},
    /* the longest line that the specification knows */
    {TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     PROXY_HEADER_UNKNOWN, "unknown:0", "unknown:0"},
    {TEXT(SIGNATURE "\x21\x11\x00\x0c" V4_ADDRESSES), PROXY_HEADER_PROXIED, "192.0.2.1:56324",
     "198.51.100.11:25"},
    {TEXT(SIGNATURE "\x21\x21\x00\x24" V6_ADDRESSES), PROXY_HEADER_PROXIED, "2001:db8::1:56324",
     "2001:db8::ffff:25"},
    {TEXT(SIGNATURE "\x21\x21\x00\x24" MAPPED_ADDRESSES), PROXY_HEADER_PROXIED, "192.0.2.1:56324",
     "198.51.100.11:25"},
    {TEXT(SIGNATURE "\x21\x21\x00\x24" HALF_MAPPED), PROXY_HEADER_PROXIED, "192.0.2.1:56324",
     "2001:db8::ffff:25"},
    /* TLVs, also broken ones, are skipped */
    {TEXT(SIGNATURE "\x21\x11\x00\x13" V4_ADDRESSES "\x03\x00\x04\x01\x02\x03\x04"),
     PROXY_HEADER_PROXIED, "192.0.2.1:56324", "198.51.100.11:25"},
    {TEXT(SIGNATURE "\x21\x11\x00\x0f" V4_ADDRESSES "\x20\xff\xff"), PROXY_HEADER_PROXIED,
     "192.0.2.1:56324", "198.51.100.11:25"},
    {TEXT(SIGNATURE "\x20\x00\x00\x00"), PROXY_HEADER_LOCAL, "unknown:0", "unknown:0"},
    {TEXT(SIGNATURE "\x20\x11\x00\x0c" V4_ADDRESSES), PROXY_HEADER_LOCAL, "unknown:0", "unknown:0"},
    {TEXT(SIGNATURE "\x20\x31\x00\x01x"), PROXY_HEADER_LOCAL, "unknown:0", "unknown:0"},
    {TEXT(SIGNATURE "\x21\x00\x00\x00"), PROXY_HEADER_UNKNOWN, "unknown:0", "unknown:0"},
    {TEXT(SIGNATURE "\x21\x00\x00\x03xyz"), PROXY_HEADER_UNKNOWN, "unknown:0", "unknown:0"},
};

static void check_address(const struct client_address *address, const char *expected)
{
    char text[CLIENT_ADDRESS_TEXT_MAX];
    char all[CLIENT_ADDRESS_TEXT_MAX + 8];

    snprintf(all, sizeof all, "%s:%u", client_address_text(address, text), address->port);
    assert_string_equal(all, expected);
}

/* Parse a copy of exactly LENGTH bytes, so that a sanitizer sees reading behind them. */
static enum proxy_header_result parse(const char *bytes, size_t length, struct proxy_header *header)
{
    char *copy = malloc(length > 0 ? length : 1);
    enum proxy_header_result result;

    assert_non_null(copy);
    memcpy(copy, bytes, length);
    result = proxy_header_parse(copy, length, header);
    free(copy);
    return result;
}

static void check_good(const struct good_case *c, const char *bytes, size_t length)
{
    struct proxy_header header;

    assert_int_equal(parse(bytes, length, &header), PROXY_HEADER_DONE);
    assert_int_equal(header.length, c->length);
    assert_int_equal(header.kind, c->kind);
    assert_null(header.error);
    check_address(&header.client, c->client);
    check_address(&header.server, c->server);
}

/* Each header, cut off everywhere, whole, and with the client's words behind it. */
static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_cases / sizeof *good_cases; i++) {
        const struct good_case *c = &good_cases[i];
        char more[PROXY_HEADER_MAX + 16];
        struct proxy_header header;

        for (size_t length = 0; length < c->length; length++)
            assert_int_equal(parse(c->bytes, length, &header), PROXY_HEADER_MORE);
        check_good(c, c->bytes, c->length);
        memcpy(more, c->bytes, c->length);
        memcpy(more + c->length, "EHLO a\r\n", 8);
        check_good(c, more, c->length + 8);
    }
}

struct bad_case {
    const char *bytes;
    size_t length;
    size_t seen; /* as soon as so many bytes are there it must be clear */
    const char *error;
};

#define V1(line) TEXT(line), sizeof(line) - 1

static const struct bad_case bad_cases[] = {
    {TEXT("EHLO a\r\n"), 1, "unrecognized protocol header"},
    {TEXT("\x16\x03\x01"), 1, "unrecognized protocol header"},
    {TEXT("\n"), 1, "unrecognized protocol header"},
    {TEXT("PROXYTCP4"), 6, "unrecognized protocol header"},
    {TEXT("proxy TCP4"), 1, "unrecognized protocol header"},
    {TEXT("\r\n\r\n\0\r\nQUIX\n"), 11, "unrecognized protocol header"},
    {V1("PROXY \r\n"), "bad or missing protocol type"},
    {V1("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), "bad or missing protocol type"},
    {V1("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"), "bad or missing protocol type"},
    {V1("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"), "bad or missing protocol type"},
    {V1("PROXY UNKNOWNX\r\n"), "bad or missing protocol type"},
    {V1("PROXY TCP4\r\n"), "bad or missing client address"},
    {V1("PROXY TCP4 \r\n"), "bad or missing client address"},
    {V1("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"), "bad or missing client address"},
    {V1("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n"), "bad or missing client address"},
    {V1("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"), "bad or missing client address"},
    {V1("PROXY TCP4 ::1 ::1 1 2\r\n"), "bad or missing client address"},
    {V1("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"), "bad or missing client address"},
    {V1("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"), "bad or missing client address"},
    {V1("PROXY TCP6 0000:0000:0000:0000:0000:0000:0000:0000:0000:0000 ::1 1 2\r\n"),
     "bad or missing client address"},
    {V1("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"), "bad or missing server address"},
    {V1("PROXY TCP4 1.2.3.4\r\n"), "bad or missing server address"},
    {V1("PROXY TCP4 1.2.3.4 256.2.3.4 1 2\r\n"), "bad or missing server address"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4\r\n"), "bad or missing client port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"), "bad or missing client port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 99999 2\r\n"), "bad or missing client port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 000001 2\r\n"), "bad or missing client port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"), "bad or missing client port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"), "bad or missing client port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), "bad or missing server port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n"), "bad or missing server port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"), "bad or missing server port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"), "bad or missing server port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\t\r\n"), "bad or missing server port"},
    {V1("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), "the line does not end in CRLF"},
    {TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX"), 32, "a CR within the line"},
    {TEXT(SIGNATURE "\x11\x11\x00\x0c" V4_ADDRESSES), 16, "unrecognized protocol version"},
    {TEXT(SIGNATURE "\x31\x11\x00\x0c" V4_ADDRESSES), 16, "unrecognized protocol version"},
    {TEXT(SIGNATURE "\x22\x11\x00\x0c" V4_ADDRESSES), 16, "bad command in proxy header"},
    {TEXT(SIGNATURE "\x2f\x11\x00\x0c" V4_ADDRESSES), 16, "bad command in proxy header"},
    {TEXT(SIGNATURE "\x21\x12\x00\x0c" V4_ADDRESSES), 16, "unsupported network protocol"},
    {TEXT(SIGNATURE "\x21\x22\x00\x24" V6_ADDRESSES), 16, "unsupported network protocol"},
    {TEXT(SIGNATURE "\x21\x31\x00\xd8"), 16, "unsupported network protocol"},
    {TEXT(SIGNATURE "\x21\x10\x00\x0c" V4_ADDRESSES), 16, "unsupported network protocol"},
    {TEXT(SIGNATURE "\x21\x01\x00\x00"), 16, "unsupported network protocol"},
    {TEXT(SIGNATURE "\x21\x11\x00\x0b" V4_ADDRESSES), 16, "short address field"},
    {TEXT(SIGNATURE "\x21\x21\x00\x23" V6_ADDRESSES), 16, "short address field"},
    {TEXT(SIGNATURE "\x21\x11\x00\x00"), 16, "short address field"},
    {TEXT(SIGNATURE "\x21\x11\x02\x09" V4_ADDRESSES), 16, "protocol header too long"},
    {TEXT(SIGNATURE "\x20\x00\xff\xff"), 16, "protocol header too long"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++) {
        const struct bad_case *c = &bad_cases[i];
        struct proxy_header header;

        for (size_t length = 0; length <= c->length; length++) {
            enum proxy_header_result result = parse(c->bytes, length, &header);
            if (result != (length < c->seen ? PROXY_HEADER_MORE : PROXY_HEADER_BAD))
                fail_msg("case %zu, %zu bytes: result %d", i, length, (int)result);
        }
        assert_string_equal(header.error, c->error);
        assert_int_equal(header.client.family, 0);
        assert_int_equal(header.length, 0);
    }
}

/* Nothing that does not end is waited for beyond the limits. */
static void test_limits(void **state)
{
    (void)state;
    char bytes[PROXY_HEADER_MAX + 1];
    struct proxy_header header;

    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes, "PROXY UNKNOWN", 13);
    assert_int_equal(parse(bytes, PROXY_HEADER_V1_MAX - 1, &header), PROXY_HEADER_MORE);
    assert_int_equal(parse(bytes, PROXY_HEADER_V1_MAX, &header), PROXY_HEADER_BAD);
    memcpy(bytes + PROXY_HEADER_V1_MAX - 2, "\r\n", 2);
    assert_int_equal(parse(bytes, PROXY_HEADER_V1_MAX, &header), PROXY_HEADER_DONE);
    memcpy(bytes + PROXY_HEADER_V1_MAX - 2, " \r\n", 3);
    assert_int_equal(parse(bytes, PROXY_HEADER_V1_MAX + 1, &header), PROXY_HEADER_BAD);

    memcpy(bytes, SIGNATURE "\x21\x11\x02\x08" V4_ADDRESSES, 28);
    assert_int_equal(parse(bytes, PROXY_HEADER_MAX - 1, &header), PROXY_HEADER_MORE);
    assert_int_equal(parse(bytes, PROXY_HEADER_MAX, &header), PROXY_HEADER_DONE);
    assert_int_equal(header.length, PROXY_HEADER_MAX);
}

/* What gatepost writes it can read. */
static void test_encoder(void **state)
{
    (void)state;
    struct client_address client = {.family = AF_INET6, .port = 1, .bytes = {0x20, 1, [15] = 1}};
    struct client_address server = {.family = AF_INET6, .port = 25, .bytes = {0x20, 1, [15] = 2}};
    unsigned char v2[HANDOFF_HEADER_MAX];
    char v1[HANDOFF_HEADER_MAX];
    struct proxy_header header;

    for (int version = 1; version <= 2; version++) {
        size_t length = version == 1 ? handoff_proxy1(&client, &server, v1)
                                     : handoff_proxy2(&client, &server, v2);
        assert_int_equal(proxy_header_parse(version == 1 ? (void *)v1 : v2, length, &header),
                         PROXY_HEADER_DONE);
        assert_int_equal(header.length, length);
        assert_memory_equal(&header.client, &client, sizeof client);
        assert_memory_equal(&header.server, &server, sizeof server);
    }
    assert_int_equal(proxy_header_parse(v2, handoff_proxy2(NULL, NULL, v2), &header),
                     PROXY_HEADER_DONE);
    assert_int_equal(header.kind, PROXY_HEADER_LOCAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_encoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
