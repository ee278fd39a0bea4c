/*
 * metrics_test.c: what is counted adds up, over places and processes; durations fall into the right
 * bucket; every name that the library can say is a label; and whatever a label is, a line stays a
 * line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "proxy/metrics_counters.h"
#include "proxy/metrics_facts.h"
#include "proxy/metrics_text.h"

#define PLACES 8
#define PROCESSES 4
#define EVENTS 20000

static struct metrics_counters total; /* large */

/* As a worker in PLACE, which ends. */
static void count_in_child(const struct metrics_memory *memory, int place)
{
    struct metrics_counters *counters = metrics_memory_block(memory, place);

    for (int i = 0; i < EVENTS; i++) {
        metrics_count_message(counters, METRICS_TRANSPORT_TLS, 10);
        metrics_count_failure(counters, TLS_FAILURE_TIMEOUT);
        metrics_observe(&counters->handshake, 1500);
        metrics_add_shared(&metrics_memory_block(memory, -1)->log_dropped, 1);
    }
    _exit(0);
}

static void processes_add_up(void **state)
{
    struct metrics_memory *memory = metrics_memory_new(PLACES);
    int status;

    (void)state;
    assert_non_null(memory);
    for (int round = 0; round < 2; round++) { /* places are used again */
        for (int i = 0; i < PROCESSES; i++) {
            metrics_memory_take(memory, (unsigned)i);
            if (fork() == 0)
                count_in_child(memory, i);
        }
        while (wait(&status) > 0)
            assert_int_equal(status, 0);
    }
    metrics_memory_total(memory, &total);
    assert_int_equal(total.messages[METRICS_TRANSPORT_TLS], 2 * PROCESSES * EVENTS);
    assert_int_equal(total.bytes[METRICS_TRANSPORT_TLS], 20 * PROCESSES * EVENTS);
    assert_int_equal(total.messages[METRICS_TRANSPORT_CLEARTEXT], 0);
    assert_int_equal(total.failures[TLS_FAILURE_TIMEOUT], 2 * PROCESSES * EVENTS);
    assert_int_equal(total.handshake.buckets[METRICS_BOUND_2], 2 * PROCESSES * EVENTS);
    assert_int_equal(total.handshake.sum, 2 * PROCESSES * EVENTS * 1500ull);
    assert_int_equal(total.log_dropped, 2 * PROCESSES * EVENTS);
    metrics_memory_free(memory);
}

static void places_have_bounds(void **state)
{
    struct metrics_memory *memory = metrics_memory_new(PLACES);

    (void)state;
    assert_ptr_equal(metrics_memory_block(memory, -1), metrics_memory_block(memory, PLACES));
    assert_ptr_not_equal(metrics_memory_block(memory, 0), metrics_memory_block(memory, -1));
    metrics_memory_take(memory, PLACES + 5); /* does no harm */
    metrics_add(&metrics_memory_block(memory, PLACES - 1)->sessions, 1);
    metrics_memory_total(memory, &total);
    assert_int_equal(total.sessions, 0);
    metrics_memory_take(memory, PLACES - 1);
    metrics_memory_total(memory, &total);
    assert_int_equal(total.sessions, 1);
    metrics_memory_free(memory);
}

static void durations_have_buckets(void **state)
{
    static const struct {
        uint64_t microseconds;
        size_t bucket;
    } cases[] = {{0, 0},         {1, 0},           {1000, 0},       {1001, 1},     {2500, 1},
                 {2501, 2},      {999999, 9},      {1000000, 9},    {1000001, 10}, {60000000, 14},
                 {60000001, 15}, {UINT32_MAX, 15}, {UINT64_MAX, 15}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct metrics_histogram histogram = {0};
        metrics_observe(&histogram, cases[i].microseconds);
        for (size_t j = 0; j <= METRICS_BOUND_COUNT; j++)
            assert_int_equal(histogram.buckets[j], j == cases[i].bucket);
    }
}

static void nobody_counts(void **state)
{
    const struct tls_summary summary = {.protocol = "TLSv1.3"};

    (void)state;
    metrics_count_policy(NULL, "may", METRICS_PLACE_MAIN);
    metrics_count_handshake(NULL, &summary, 1);
    metrics_count_failure(NULL, TLS_FAILURE_OTHER);
    metrics_count_message(NULL, METRICS_TRANSPORT_TLS, 1);
    metrics_count_limit(NULL, METRICS_LIMIT_ERRORS);
}

/* Every suite of the library that a server with a certificate can choose. */
static void ciphers_have_labels(void **state)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    static const uint16_t tls13[] = {0x1301, 0x1302, 0x1303};

    (void)state;
    assert_int_equal(SSL_CTX_set_cipher_list(context, "ALL:3DES"), 1);
    const STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(context);
    assert_true(sk_SSL_CIPHER_num(suites) > 10);
    for (size_t i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
        const char *name = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(suites, i));
        if (strstr(name, "PSK") == NULL &&
            metrics_find(metrics_ciphers, METRICS_CIPHER_COUNT, name) == METRICS_CIPHER_OTHER)
            fail_msg("%s has no label", name);
    }
    for (size_t i = 0; i < sizeof(tls13) / sizeof(tls13[0]); i++)
        assert_int_not_equal(metrics_find(metrics_ciphers, METRICS_CIPHER_COUNT,
                                          SSL_CIPHER_get_name(SSL_get_cipher_by_value(tls13[i]))),
                             METRICS_CIPHER_OTHER);
    SSL_CTX_free(context);
}

static void unknown_words_are_other(void **state)
{
    (void)state;
    assert_int_equal(metrics_find(metrics_protocols, METRICS_PROTOCOL_COUNT, "TLSv1.3"),
                     METRICS_PROTOCOL_TLS13);
    assert_int_equal(metrics_find(metrics_protocols, METRICS_PROTOCOL_COUNT, "TLSv1.4"),
                     METRICS_PROTOCOL_OTHER);
    assert_int_equal(metrics_find(metrics_protocols, METRICS_PROTOCOL_COUNT, ""),
                     METRICS_PROTOCOL_OTHER);
    assert_int_equal(metrics_find(metrics_groups, METRICS_GROUP_COUNT, ""), METRICS_GROUP_NONE);
}

/* What WRITE makes of VALUE; the caller frees. */
static char *sample(const char *value, int64_t number)
{
    const struct metrics_label labels[] = {{"a", "b"}, {"name", value}, {NULL, NULL}};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    metrics_text_sample(out, "m", labels, number);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void labels_are_escaped(void **state)
{
    static const struct {
        const char *value;
        const char *line;
    } cases[] = {
        {"", "m{a=\"b\",name=\"\"} 7\n"},
        {"unix:/x y", "m{a=\"b\",name=\"unix:/x y\"} 7\n"},
        {"a\"b\\c", "m{a=\"b\",name=\"a\\\"b\\\\c\"} 7\n"},
        {"a\nb\r\t\x7f\x80\xff", "m{a=\"b\",name=\"a?b?????\"} 7\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = sample(cases[i].value, 7);
        assert_string_equal(text, cases[i].line);
        free(text);
    }
}

static void histogram_is_cumulative(void **state)
{
    struct metrics_histogram histogram = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    metrics_observe(&histogram, 900);
    metrics_observe(&histogram, 20000);
    metrics_observe(&histogram, 70000000);
    metrics_text_histogram(out, "h", &histogram);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "h_bucket{le=\"0.001\"} 1\n"));
    assert_non_null(strstr(text, "h_bucket{le=\"0.01\"} 1\nh_bucket{le=\"0.025\"} 2\n"));
    assert_non_null(strstr(text, "h_bucket{le=\"60\"} 2\nh_bucket{le=\"+Inf\"} 3\n"
                                 "h_sum 70.020900\nh_count 3\n"));
    free(text);
}

/* A list of more than there is room for: those that end first stay. */
static void first_to_end_stay(void **state)
{
    static struct metrics_certificate list[METRICS_CERTIFICATES_MAX];
    uint32_t count = 0;

    (void)state;
    for (int i = 0; i < 3 * METRICS_CERTIFICATES_MAX; i++) {
        struct metrics_certificate one = {.not_after = (i * 7919) % 1000 + 1};
        snprintf(one.name, sizeof(one.name), "name%d", i);
        metrics_certificate_add(list, &count, &one);
        metrics_certificate_add(list, &count, &one); /* the same again */
    }
    assert_int_equal(count, METRICS_CERTIFICATES_MAX);
    int late = 0, early = 0;
    for (int i = 0; i < 3 * METRICS_CERTIFICATES_MAX; i++)
        early += (i * 7919) % 1000 + 1 < 300;
    for (uint32_t i = 0; i < count; i++)
        late += list[i].not_after >= 400;
    assert_true(early < METRICS_CERTIFICATES_MAX);
    assert_int_equal(late, 0);
    struct metrics_certificate earlier = list[0];
    earlier.not_after = -5;
    metrics_certificate_add(list, &count, &earlier);
    assert_int_equal(list[0].not_after, -5);
    assert_int_equal(count, METRICS_CERTIFICATES_MAX);
}

/* What somebody who has the memory may have written. */
static void facts_are_not_believed(void **state)
{
    struct metrics_facts *facts = metrics_facts_new(5);
    static struct metrics_present present;

    (void)state;
    assert_non_null(facts);
    memset(&present, 'x', sizeof(present));
    metrics_facts_set(facts, &present);
    memset(&present, 0, sizeof(present));
    metrics_facts_get(facts, &present);
    assert_int_equal(present.backend_count, METRICS_BACKENDS_MAX);
    assert_int_equal(present.certificate_count, METRICS_CERTIFICATES_MAX);
    assert_int_equal(strlen(present.backends[METRICS_BACKENDS_MAX - 1].name), METRICS_NAME_MAX - 1);
    assert_int_equal(strlen(present.certificates[0].key), sizeof(present.certificates[0].key) - 1);
    atomic_store(&facts->changing, 1); /* a writer that died: the reader does not wait for ever */
    metrics_facts_get(facts, &present);
    metrics_facts_free(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_add_up),       cmocka_unit_test(places_have_bounds),
        cmocka_unit_test(durations_have_buckets), cmocka_unit_test(nobody_counts),
        cmocka_unit_test(ciphers_have_labels),    cmocka_unit_test(unknown_words_are_other),
        cmocka_unit_test(labels_are_escaped),     cmocka_unit_test(histogram_is_cumulative),
        cmocka_unit_test(first_to_end_stay),      cmocka_unit_test(facts_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
