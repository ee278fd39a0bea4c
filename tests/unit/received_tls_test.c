/*
 * received_tls_test.c: the header in all its forms, and with hostile texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "proxy/received_tls.h"
#include "tests/unit/received_fixture.h"

static const struct tls_summary tls13_client = {
    .peer = TLS_PEER_TRUSTED,
    .protocol = "TLSv1.3",
    .cipher = "TLS_AES_128_GCM_SHA256",
    .cipher_bits = 128,
    .cipher_algorithm_bits = 128,
    .key_exchange = "X25519MLKEM768",
    .server_signature = "RSA-PSS (2048 bits)",
    .server_digest = "SHA256",
    .client_signature = "RSA-PSS (3072 bits)",
    .client_digest = "SHA384",
    .client_cn = "client.test",
    .client_issuer = "Some CA",
};

static const struct tls_summary tls13_resumed = {
    .resumed = true,
    .protocol = "TLSv1.3",
    .cipher = "TLS_AES_256_GCM_SHA384",
    .cipher_bits = 256,
    .cipher_algorithm_bits = 256,
    .key_exchange = "secp256r1",
};

static const struct tls_summary no_exchange = {
    .protocol = "TLSv1.3",
    .cipher = "TLS_AES_256_GCM_SHA384",
    .cipher_bits = 256,
    .cipher_algorithm_bits = 256,
    .server_signature = "ED25519",
};

static const struct tls_summary tls10 = {
    .peer = TLS_PEER_UNTRUSTED,
    .protocol = "TLSv1",
    .cipher = "DES-CBC3-SHA",
    .cipher_bits = 112,
    .cipher_algorithm_bits = 168,
    .client_cn = "a\\b) (c\r\n\xe4",
    .client_issuer = "((",
};

struct header_case {
    const char *zone;
    struct received_tls values;
    const char *result;
};

#define FROM "Received-TLS: from mx.client.example ([192.0.2.1]) by mx.example\r\n"
#define DATE "; Sun, 22 Nov 2026 01:30:54 +0000 (UTC)\r\n"

static const struct header_case cases[] = {
    {"UTC0",
     {"mx.client.example", &v4, "mx.example", &tls13, false, NOON},
     FROM "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
          "\t key-exchange x25519 server-signature ECDSA (prime256v1) server-digest SHA256)\r\n"
          "\t(No client certificate requested)" DATE},
    {"UTC0",
     {"mx.client.example", &v4, "mx.example", &tls13_client, true, NOON},
     FROM "\t(using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits)\r\n"
          "\t key-exchange X25519MLKEM768 server-signature RSA-PSS (2048 bits) server-digest "
          "SHA256\r\n"
          "\t client-signature RSA-PSS (3072 bits) client-digest SHA384)\r\n"
          "\t(Client CN \"client.test\", Issuer \"Some CA\" (verified OK))" DATE},
    {"UTC0",
     {"mx.client.example", &v4, "mx.example", &tls13_resumed, true, NOON},
     FROM "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
          "\t key-exchange secp256r1)\r\n"
          "\t(Client did not present a certificate)" DATE},
    {"UTC0",
     {"mx.client.example", &v4, "mx.example", &no_exchange, false, NOON},
     FROM "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
          "\t server-signature ED25519)\r\n"
          "\t(No client certificate requested)" DATE},
    {"UTC0",
     {"mx.client.example", &v4, "mx.example", &tls10, true, NOON},
     FROM "\t(using TLSv1 with cipher DES-CBC3-SHA (112/168 bits))\r\n"
          "\t(Client CN \"a?b? (c?\?\?)\", Issuer \"(())\" (not verified))" DATE},
    {"UTC0", {"mx.client.example", &v4, "mx.example", NULL, true, NOON}, FROM "\t(no TLS)" DATE},
    {"XYZ-5:30",
     {NULL, &v6, "mx.example", NULL, false, NOON},
     "Received-TLS: from unknown ([IPv6:2001:db8::1]) by mx.example\r\n"
     "\t(no TLS); Sun, 22 Nov 2026 07:00:54 +0530 (XYZ)\r\n"},
    {"EST5:30",
     {"x)\r\nby (y\\ [1:2]_-.\x01\xff=", &v4, "mx.example", NULL, false, 1},
     "Received-TLS: from x?\?\?by?\?y?\?[1:2]_-.?\?\? ([192.0.2.1]) by mx.example\r\n"
     "\t(no TLS); Wed, 31 Dec 1969 18:30:01 -0530 (EST)\r\n"},
    {"<+0030>-0:30",
     {"", &(const struct client_address){0}, "mx.example", NULL, false, 9 * 86400},
     "Received-TLS: from unknown ([unknown]) by mx.example\r\n"
     "\t(no TLS); Sat, 10 Jan 1970 00:30:00 +0030 (+0030)\r\n"},
};

static void test_layout(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[RECEIVED_TLS_MAX + 1] = "";
        setenv("TZ", cases[i].zone, 1);
        tzset();
        size_t length = received_tls_format(&cases[i].values, out);
        assert_string_equal(out, cases[i].result);
        assert_int_equal(length, strlen(cases[i].result));
    }
}

/* The longest texts: the header is whole, and no line is near the limit of RFC 5322. */
static void test_longest(void **state)
{
    (void)state;
    char name[1001];
    memset(name, 'h', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (int c = 0; c < 3; c++) {
        struct tls_summary summary = tls13_client;
        memset(summary.client_cn, "(x)"[c], sizeof summary.client_cn - 1);
        memset(summary.client_issuer, "(x)"[c], sizeof summary.client_issuer - 1);
        memset(summary.protocol, 'p', sizeof summary.protocol - 1);
        memset(summary.cipher, 'p', sizeof summary.cipher - 1);
        memset(summary.key_exchange, 'p', sizeof summary.key_exchange - 1);
        memset(summary.server_signature, 'p', sizeof summary.server_signature - 1);
        memset(summary.server_digest, 'p', sizeof summary.server_digest - 1);
        memset(summary.client_signature, 'p', sizeof summary.client_signature - 1);
        memset(summary.client_digest, 'p', sizeof summary.client_digest - 1);
        summary.cipher_bits = summary.cipher_algorithm_bits = -2147483647;
        struct client_address address = {.family = AF_INET6};
        memset(address.bytes, 0xff, sizeof address.bytes);
        struct received_tls values = {name, &address, name, &summary, true, NOON};
        char out[RECEIVED_TLS_MAX + 1] = "";
        size_t length = received_tls_format(&values, out);
        assert_true(length + 18 <= RECEIVED_TLS_RESERVE);
        assert_int_equal(strlen(out), length);
        assert_string_equal(out + length - 2, "\r\n");
        int depth = 0;
        size_t start = 0;
        for (size_t i = 0; i < length; i++) {
            depth += out[i] == '(';
            depth -= out[i] == ')';
            assert_true(depth >= 0);
            if (out[i] == '\n') {
                assert_true(i - start < 998);
                assert_true(i + 1 == length || out[i + 1] == '\t');
                start = i + 1;
            }
        }
        assert_int_equal(depth, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
