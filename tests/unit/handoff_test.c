/*
 * handoff_test.c: PROXY headers byte for byte as in HAProxy's proxy-protocol.txt, and through a
 * decoder of its own; XCLIENT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "proxy/handoff.h"

static struct client_address make(const char *text, uint16_t port)
{
    struct client_address address = {.port = port};
    address.family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    assert_int_equal(inet_pton(address.family, text, address.bytes), 1);
    return address;
}

struct header_case {
    const char *client;
    uint16_t client_port;
    const char *server;
    uint16_t server_port;
    const char *v1;
    const char *v2;
    size_t v2_length;
};

#define TEXT(literal) literal, sizeof(literal) - 1
#define SIGNATURE "\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A"

static const struct header_case header_cases[] = {
    {"255.255.255.255", 65535, "255.255.255.255", 65535,
     "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
     TEXT(SIGNATURE "\x21\x11\x00\x0C\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
    {"192.0.2.1", 56324, "198.51.100.11", 25, "PROXY TCP4 192.0.2.1 198.51.100.11 56324 25\r\n",
     TEXT(SIGNATURE "\x21\x11\x00\x0C\xc0\x00\x02\x01\xc6\x33\x64\x0b\xdc\x04\x00\x19")},
    {"2001:db8::1", 1, "2001:db8::ffff", 2525, "PROXY TCP6 2001:db8::1 2001:db8::ffff 1 2525\r\n",
     TEXT(SIGNATURE "\x21\x21\x00\x24"
                    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\xff\xff"
                    "\x00\x01\x09\xdd")},
};

static void test_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof header_cases / sizeof *header_cases; i++) {
        const struct header_case *c = &header_cases[i];
        struct client_address client = make(c->client, c->client_port);
        struct client_address server = make(c->server, c->server_port);
        char v1[HANDOFF_HEADER_MAX + 1] = "";
        unsigned char v2[HANDOFF_HEADER_MAX];
        assert_int_equal(handoff_proxy1(&client, &server, v1), strlen(c->v1));
        assert_string_equal(v1, c->v1);
        assert_int_equal(handoff_proxy2(&client, &server, v2), c->v2_length);
        assert_memory_equal(v2, c->v2, c->v2_length);
    }
}

static void test_probe(void **state)
{
    (void)state;
    char v1[HANDOFF_HEADER_MAX + 1] = "";
    unsigned char v2[HANDOFF_HEADER_MAX];
    handoff_proxy1(NULL, NULL, v1);
    assert_string_equal(v1, "PROXY TCP4 127.0.0.1 127.0.0.1 1 1\r\n");
    assert_int_equal(handoff_proxy2(NULL, NULL, v2), 16);
    assert_memory_equal(v2, SIGNATURE "\x20\x00\x00\x00", 16);
}

/* What cannot be told must not be told wrong. */
static void test_impossible(void **state)
{
    (void)state;
    struct client_address unknown = {0};
    struct client_address v4 = make("192.0.2.1", 1);
    struct client_address v6 = make("2001:db8::1", 1);
    char v1[HANDOFF_HEADER_MAX];
    unsigned char v2[HANDOFF_HEADER_MAX];
    char xclient[HANDOFF_XCLIENT_MAX];
    assert_int_equal(handoff_proxy1(&v4, &v6, v1), 0);
    assert_int_equal(handoff_proxy2(&v4, &v6, v2), 0);
    assert_int_equal(handoff_proxy1(&unknown, &unknown, v1), 0);
    assert_int_equal(handoff_proxy2(&unknown, &unknown, v2), 0);
    assert_int_equal(handoff_proxy1(&v4, NULL, v1), 0);
    assert_int_equal(handoff_proxy2(&v4, NULL, v2), 0);
    assert_int_equal(handoff_xclient(&unknown, "h", 1, " NAME ADDR", xclient), 0);
    assert_int_equal(handoff_xclient(&v4, "h", 1, " NAME", xclient), 0);
    assert_int_equal(handoff_xclient(&v4, "h", 1, " ADDR REVERSE_NAME", xclient), 0);
    assert_int_equal(handoff_xclient(&v4, "h", 1, "", xclient), 0);
}

struct xclient_case {
    const char *client;
    const char *helo;
    int esmtp;
    const char *attributes;
    const char *result;
};

#define ALL " NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT"
#define HEAD "XCLIENT NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE] "

static const struct xclient_case xclient_cases[] = {
    {"192.0.2.1", "mx.example", 1, ALL,
     HEAD "ADDR=192.0.2.1 PORT=2525 PROTO=ESMTP HELO=mx.example\r\n"},
    {"2001:db8::1", "[192.0.2.9]", 0, ALL,
     HEAD "ADDR=IPV6:2001:db8::1 PORT=2525 PROTO=SMTP HELO=[192.0.2.9]\r\n"},
    {"192.0.2.1", NULL, 0, ALL, HEAD "ADDR=192.0.2.1 PORT=2525 PROTO=SMTP\r\n"},
    {"192.0.2.1", "", 0, ALL, HEAD "ADDR=192.0.2.1 PORT=2525 PROTO=SMTP\r\n"},
    {"192.0.2.1", "a b+c=d\r\n\xff", 1, ALL,
     HEAD "ADDR=192.0.2.1 PORT=2525 PROTO=ESMTP HELO=a+20b+2Bc+3Dd+0D+0A+FF\r\n"},
    {"192.0.2.1", "mx", 1, " NAME ADDR", "XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.1\r\n"},
    {"192.0.2.1", "mx", 1, "NAME  ADDR HELOX XHELO",
     "XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.1\r\n"},
};

static void test_xclient(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof xclient_cases / sizeof *xclient_cases; i++) {
        const struct xclient_case *c = &xclient_cases[i];
        struct client_address client = make(c->client, 2525);
        char out[HANDOFF_XCLIENT_MAX] = "";
        size_t length = handoff_xclient(&client, c->helo, c->esmtp, c->attributes, out);
        assert_string_equal(out, c->result);
        assert_int_equal(length, strlen(c->result));
    }
}

/* Postfix refuses attribute values over 255 bytes. */
static void test_long_helo(void **state)
{
    (void)state;
    struct client_address client = make("192.0.2.1", 1);
    char helo[1001];
    char out[HANDOFF_XCLIENT_MAX];
    for (int c = 'x'; c != 0; c = c == 'x' ? '=' : 0) {
        memset(helo, c, sizeof helo - 1);
        helo[sizeof helo - 1] = '\0';
        size_t length = handoff_xclient(&client, helo, 1, " NAME ADDR HELO", out);
        const char *value = strstr(out, "HELO=") + 5;
        assert_int_equal(out + length - 2 - value, 255);
        assert_memory_equal(out + length - 2, "\r\n", 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),    cmocka_unit_test(test_probe),
        cmocka_unit_test(test_impossible), cmocka_unit_test(test_xclient),
        cmocka_unit_test(test_long_helo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
