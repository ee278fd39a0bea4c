/*
 * dane_test.c: answers of name servers, honest and not, and what they mean for certificates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/text.h"

#include "proxy/dane_check.h"
#include "proxy/dns_tlsa.h"

#define QUESTION "\3_25\4_tcp\2mx\7example\0\0\x34\0\1"
#define QUESTION_LENGTH (sizeof(QUESTION) - 1)
#define OWNER "\xc0\x0c"

/* A message with FLAGS, one question and COUNT answers, which stand in TEXT. */
static size_t make(uint8_t *out, unsigned flags, unsigned count, const char *text, size_t length)
{
    const uint8_t head[] = {
        0, 1, (uint8_t)(flags >> 8), (uint8_t)flags, 0, 1, 0, (uint8_t)count, 0, 0, 0, 0};

    memcpy(out, head, sizeof(head));
    memcpy(out + sizeof(head), QUESTION, QUESTION_LENGTH);
    memcpy(out + sizeof(head) + QUESTION_LENGTH, text, length);
    return sizeof(head) + QUESTION_LENGTH + length;
}

#define RECORD(data_length, data) OWNER "\0\x34\0\1\0\0\1\x2c\0" data_length data
#define MADE(flags, count, text) make(message, flags, count, text, sizeof(text) - 1)

static void test_answers(void **state)
{
    static uint8_t message[1000];
    struct dns_tlsa answer;

    (void)state;
    assert_true(dns_tlsa_parse(
        message, MADE(0x81a0, 2, RECORD("\5", "\3\1\1xy") RECORD("\4", "\2\0\2z")), &answer));
    assert_int_equal(answer.count, 2);
    assert_true(answer.secure);
    assert_int_equal(answer.rcode, 0);
    assert_int_equal(answer.records[0].usage, 3);
    assert_int_equal(answer.records[0].selector, 1);
    assert_int_equal(answer.records[0].matching, 1);
    assert_int_equal(answer.records[0].length, 2);
    assert_memory_equal(answer.records[0].data, "xy", 2);
    assert_int_equal(answer.records[1].matching, 2);
    assert_true(dns_tlsa_parse(message, MADE(0x8183, 0, ""), &answer));
    assert_int_equal(answer.rcode, 3);
    assert_int_equal(answer.count, 0);
    assert_false(answer.secure);
    /* too short to be one; of another type; of another class */
    assert_true(dns_tlsa_parse(message,
                               MADE(0x8180, 3,
                                    RECORD("\2", "\3\1") OWNER "\0\1\0\1\0\0\0\0\0\4abcd" OWNER
                                                               "\0\x34\0\3\0\0\0\0\0\4\3\1\1x"),
                               &answer));
    assert_int_equal(answer.count, 0);
}

static void test_damage(void **state)
{
    static uint8_t message[1000];
    struct dns_tlsa answer;
    size_t length = MADE(0x8180, 1, RECORD("\5", "\3\1\1xy"));

    (void)state;
    for (size_t i = 0; i < length; i++) {
        uint8_t *exact = text_alloc(i + 1, 1);
        memcpy(exact, message, i);
        assert_false(dns_tlsa_parse(exact, i, &answer));
        free(exact);
    }
    assert_true(dns_tlsa_parse(message, length, &answer));
    assert_false(dns_tlsa_parse(message, MADE(0x0120, 0, ""), &answer)); /* a question */
    assert_false(dns_tlsa_parse(message, MADE(0x8180, 2, RECORD("\5", "\3\1\1xy")), &answer));
    /* a length beyond the end, and a name that points to itself */
    assert_false(dns_tlsa_parse(message, MADE(0x8180, 1, RECORD("\6", "\3\1\1xy")), &answer));
    assert_false(dns_tlsa_parse(message, MADE(0x8180, 1, "\xc0\x25\0\x34\0\1\0\0\0\0\0\5\3\1\1xy"),
                                &answer));
}

static void test_many(void **state)
{
    enum { COUNT = DNS_TLSA_RECORDS_MAX + 1, LENGTH = sizeof(RECORD("\5", "\3\1\1xy")) - 1 };
    static uint8_t message[12 + QUESTION_LENGTH + COUNT * LENGTH];
    static char records[COUNT * LENGTH];
    struct dns_tlsa answer;

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        memcpy(records + i * LENGTH, RECORD("\5", "\3\1\1xy"), LENGTH);
    assert_true(dns_tlsa_parse(
        message, make(message, 0x8180, COUNT - 1, records, sizeof(records) - LENGTH), &answer));
    assert_int_equal(answer.count, DNS_TLSA_RECORDS_MAX);
    assert_false(answer.more);
    assert_true(
        dns_tlsa_parse(message, make(message, 0x8180, COUNT, records, sizeof(records)), &answer));
    assert_int_equal(answer.count, DNS_TLSA_RECORDS_MAX);
    assert_true(answer.more);
}

static void test_resolvers(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "127.0.0",
                                      "127.0.0.1:",
                                      "1.2.3.4:0",
                                      "1.2.3.4:x",
                                      "1.2.3.4:65536",
                                      "::1",
                                      "1.2.3.4:5 ",
                                      "1.2.3.4.5.6.7.8.9.10.11"};
    struct dns_resolver resolver = {0};

    (void)state;
    assert_true(dns_resolver_parse("192.0.2.1", &resolver));
    assert_true(resolver.given && resolver.port == 53 && resolver.address[3] == 1);
    assert_true(dns_resolver_parse("192.0.2.2:5353", &resolver));
    assert_true(resolver.port == 5353 && resolver.address[3] == 2);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(dns_resolver_parse(bad[i], &resolver));
}

static void test_usable(void **state)
{
    static const uint8_t data[64];

    (void)state;
    for (unsigned usage = 0; usage < 5; usage++)
        for (unsigned selector = 0; selector < 3; selector++)
            for (unsigned matching = 0; matching < 4; matching++)
                for (size_t length = 0; length <= 64; length += 16) {
                    const struct tls_tlsa_record record = {(uint8_t)usage, (uint8_t)selector,
                                                           (uint8_t)matching, data, length};
                    bool fits = (matching == 0 && length > 0) || (matching == 1 && length == 32) ||
                                (matching == 2 && length == 64);
                    assert_int_equal(tls_tlsa_usable(&record),
                                     (usage == 2 || usage == 3) && selector < 2 && fits);
                }
}

/* What was found last, and how many of each kind. */
struct findings {
    unsigned counts[3];
    char last[3][500];
};

static void note(void *ctx, enum diag_severity severity, const char *text)
{
    struct findings *findings = ctx;

    findings->counts[severity]++;
    snprintf(findings->last[severity], sizeof(findings->last[severity]), "%s", text);
}

/* A chain of a leaf and an issuer, whose DER and keys are the bytes of TEXT. */
static struct tls_tlsa_chain chain_of(struct tls_tlsa_certificate certificates[2], const char *text)
{
    static uint8_t bytes[8][4];
    static unsigned used;

    for (size_t i = 0; i < 2; i++) {
        uint8_t *place = bytes[used++ % 8];
        memcpy(place, text + 2 * i, 2);
        certificates[i] = (struct tls_tlsa_certificate){place, 2, place, 1};
    }
    return (struct tls_tlsa_chain){.certificates = certificates, .length = 2};
}

static struct findings compare(const struct dns_tlsa *answer, struct tls_tlsa_chain *present,
                               struct tls_tlsa_chain *coming)
{
    struct findings findings = {0};
    struct diag diag = {.sink = note, .ctx = &findings};
    const struct tls_tlsa_list presents = {present, present != NULL ? 1 : 0};
    const struct tls_tlsa_list comings = {coming, coming != NULL ? 1 : 0};

    dane_compare("_25._tcp.mx.example", answer, &presents, &comings, &diag);
    return findings;
}

static void test_meaning(void **state)
{
    struct tls_tlsa_certificate a[2], b[2];
    struct tls_tlsa_chain present = chain_of(a, "AaIi");
    struct tls_tlsa_chain coming = chain_of(b, "BbJj");
    struct dns_tlsa answer = {
        .secure = true, .count = 1, .records = {{3, 0, 0, (const uint8_t *)"Aa", 2}}};

    (void)state;
    struct findings findings = compare(&answer, &present, NULL);
    assert_int_equal(findings.counts[DIAG_ERROR] + findings.counts[DIAG_WARNING], 0);
    answer.records[0] = (struct tls_tlsa_record){2, 1, 0, (const uint8_t *)"I", 1};
    findings = compare(&answer, &present, &coming);
    assert_int_equal(findings.counts[DIAG_ERROR], 0);
    assert_int_equal(findings.counts[DIAG_WARNING], 1); /* the coming one is not there */
    answer.records[0] = (struct tls_tlsa_record){3, 1, 0, (const uint8_t *)"B", 1};
    findings = compare(&answer, &present, &coming);
    assert_int_equal(findings.counts[DIAG_ERROR], 1);
    assert_non_null(strstr(findings.last[DIAG_ERROR], "only the coming one"));
    answer.records[0] = (struct tls_tlsa_record){2, 0, 0, (const uint8_t *)"Aa", 2};
    findings = compare(&answer, &present, NULL); /* a leaf is no issuer */
    assert_int_equal(findings.counts[DIAG_ERROR], 1);
    answer.records[0] = (struct tls_tlsa_record){1, 0, 0, (const uint8_t *)"Aa", 2};
    findings = compare(&answer, &present, NULL);
    assert_int_equal(findings.counts[DIAG_ERROR], 0);
    assert_int_equal(findings.counts[DIAG_WARNING], 2);
    findings = compare(&answer, NULL, NULL); /* no TLS */
    assert_int_equal(findings.counts[DIAG_ERROR], 1);
    answer.secure = false;
    answer.more = true;
    answer.records[0] = (struct tls_tlsa_record){3, 0, 0, (const uint8_t *)"Aa", 2};
    findings = compare(&answer, &present, NULL);
    assert_int_equal(findings.counts[DIAG_WARNING], 2);
    for (unsigned rcode = 0; rcode < 16; rcode++) {
        answer = (struct dns_tlsa){.rcode = rcode};
        findings = compare(&answer, &present, NULL);
        assert_int_equal(findings.counts[DIAG_ERROR], rcode == 0 || rcode == 3 ? 0 : 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_many),    cmocka_unit_test(test_resolvers),
        cmocka_unit_test(test_usable),  cmocka_unit_test(test_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
