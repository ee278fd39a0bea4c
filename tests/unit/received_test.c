/*
 * received_test.c: gatepost's own Received field in all its forms and with hostile texts, and ids.
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

#include "proxy/message_id.h"
#include "proxy/received.h"
#include "tests/unit/received_fixture.h"

#define DATE "Sun, 22 Nov 2026 01:30:54 +0000 (UTC)\r\n"

struct field_case {
    struct received values;
    const char *result;
};

#define BY "\tby mx.example (gatepost) with "

static const struct field_case cases[] = {
    {{"c.example", &v4, "mx.example", &tls13, false, true, false, false, "ID1", "r@d.example",
      NOON},
     "Received: from c.example (unknown [192.0.2.1])\r\n"
     "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
     "\t key-exchange x25519 server-signature ECDSA (prime256v1) server-digest SHA256)\r\n"
     "\t(No client certificate requested)\r\n" BY "ESMTPS id ID1\r\n"
     "\tfor <r@d.example>; " DATE},
    {{NULL, &v6, "mx.example", NULL, false, false, false, false, "ID1", NULL, NOON},
     "Received: from unknown (unknown [IPv6:2001:db8::1])\r\n" BY "SMTP id ID1;\r\n\t" DATE},
    {{"x)\r\nby (y\\ ;\xff", &v4, "mx.example", NULL, true, true, true, false, "ID1",
      "a) by evil; (@d", NOON},
     "Received: from x?\?\?by?\?y?\?\?? (unknown [192.0.2.1])\r\n" BY "ESMTPA id ID1;\r\n\t" DATE},
    {{"c", &v4, "mx.example", NULL, true, true, false, false, "ID1", "\"a b\"@d", NOON},
     "Received: from c (unknown [192.0.2.1])\r\n" BY "ESMTP id ID1;\r\n\t" DATE},
    {{"c", &v4, "mx.example", NULL, true, true, false, true, "ID1", "\xc3\xa4@d", NOON},
     "Received: from c (unknown [192.0.2.1])\r\n" BY "UTF8SMTP id ID1;\r\n\t" DATE},
    {{"c", &v4, "mx.example", NULL, true, true, false, true, "ID1", "", NOON},
     "Received: from c (unknown [192.0.2.1])\r\n" BY "UTF8SMTP id ID1;\r\n\t" DATE},
};

static void test_layout(void **state)
{
    (void)state;
    setenv("TZ", "UTC0", 1);
    tzset();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[RECEIVED_MAX + 1] = "";
        size_t length = received_format(&cases[i].values, out);
        assert_string_equal(out, cases[i].result);
        assert_int_equal(length, strlen(out));
    }
}

/* RFC 3848 and RFC 6531 section 4.3. */
static void test_protocols(void **state)
{
    static const char *const names[] = {"ESMTP",    "ESMTPA",    "ESMTPS",    "ESMTPSA",
                                        "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"};

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct received values = {.summary = (i & 2) != 0 ? &tls13 : NULL,
                                  .authenticated = (i & 1) != 0,
                                  .utf8 = (i & 4) != 0,
                                  .esmtp = true};
        assert_string_equal(received_protocol(&values), names[i]);
        values.esmtp = false;
        assert_string_equal(received_protocol(&values), "SMTP");
    }
}

/* The longest texts: nothing is cut in the midst, and no line is near the limit of RFC 5322. */
static void test_longest(void **state)
{
    struct tls_summary summary = tls13;
    struct client_address address = {.family = AF_INET6};
    char name[1001];
    char recipient[RECEIVED_RECIPIENT_MAX + 2];
    char id[MESSAGE_ID_MAX];
    char out[RECEIVED_MAX + 1] = "";
    uint64_t last = 0;

    (void)state;
    memset(name, 'h', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(recipient, 'r', sizeof recipient - 1);
    recipient[sizeof recipient - 1] = '\0';
    memset(address.bytes, 0xff, sizeof address.bytes);
    summary.peer = TLS_PEER_UNTRUSTED;
    memset(summary.client_cn, '(', sizeof summary.client_cn - 1);
    memset(summary.client_issuer, '(', sizeof summary.client_issuer - 1);
    memset(summary.protocol, 'p', sizeof summary.protocol - 1);
    memset(summary.cipher, 'p', sizeof summary.cipher - 1);
    memset(summary.key_exchange, 'p', sizeof summary.key_exchange - 1);
    memset(summary.server_signature, 'p', sizeof summary.server_signature - 1);
    memset(summary.server_digest, 'p', sizeof summary.server_digest - 1);
    memset(summary.client_signature, 'p', sizeof summary.client_signature - 1);
    memset(summary.client_digest, 'p', sizeof summary.client_digest - 1);
    summary.cipher_bits = summary.cipher_algorithm_bits = -2147483647;
    struct received values = {
        name,     &address, name,
        &summary, true,     true,
        true,     true,     message_id_next(&last, UINT64_MAX - 1, UINT32_MAX, id),
        NULL,     NOON};
    size_t without = received_format(&values, out);
    values.recipient = recipient;
    assert_int_equal(received_format(&values, out), without); /* too long to be named */
    recipient[RECEIVED_RECIPIENT_MAX] = '\0';
    size_t length = received_format(&values, out);
    assert_int_equal(strlen(out), length);
    assert_true(length > without && length <= without + RECEIVED_MORE_MAX);
    assert_string_equal(out + length - 2, "\r\n");
    for (const char *line = out; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_true(line == out || *line == '\t');
        assert_true(strchr(line, '\n') - line < 998);
    }
}

/* No two are the same, whatever the clock does; the order is that of time. */
static void test_ids(void **state)
{
    static const uint64_t clock[] = {1795311054000000, 1795311054000000, 1795311054000001, 5, 0,
                                     1795311055000000};
    char ids[sizeof clock / sizeof *clock][MESSAGE_ID_MAX];
    char other[MESSAGE_ID_MAX];
    uint64_t last = 0, other_last = 0;

    (void)state;
    for (size_t i = 0; i < sizeof clock / sizeof *clock; i++) {
        message_id_next(&last, clock[i], 4194304, ids[i]);
        assert_int_equal(strlen(ids[i]), MESSAGE_ID_MAX - 1);
        assert_int_equal(strspn(ids[i], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
                         MESSAGE_ID_MAX - 1);
        assert_true(i == 0 || strcmp(ids[i - 1], ids[i]) < 0);
    }
    message_id_next(&other_last, clock[0], 4194303, other);
    assert_string_not_equal(other, ids[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
