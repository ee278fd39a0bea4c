/*
 * limits_test.c: what clients may do, told as stories in tables; and floods.
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

#include <cmocka.h>

#include "proxy/limits.h"
#include "tests/unit/limits_check.h"

#define SESSIONS 10

static struct client_address make(const char *text)
{
    struct client_address address = {.family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET};

    assert_int_equal(inet_pton(address.family, text, address.bytes), 1);
    return address;
}

/* --- stories --------------------------------------------------------------------------------- */

enum act { CONNECT, EXEMPT, LEAVE, MESSAGE, TLS_CHECK, TLS_COUNT, SHAKE, SHAKEN, END };

struct step {
    enum act act;
    unsigned session; /* whose; also the worker's slot, modulo 2 */
    const char *client;
    uint64_t now;
    enum limits_verdict verdict;
    uint32_t number;
};

struct story {
    const char *name;
    struct limits_rules rules;
    struct step steps[24];
};

#define RULES .rate_unit = 60, .ipv4_prefix = 32, .ipv6_prefix = 84
#define A "192.0.2.1"
#define B "192.0.2.2"

static const struct story stories[] = {
    {"connections at once",
     {RULES, .connections = 2},
     {{CONNECT, 0, A, 100, LIMITS_OK, 1},
      {CONNECT, 1, A, 100, LIMITS_OK, 2},
      {CONNECT, 2, A, 100, LIMITS_TOO_MANY_CONNECTIONS, 3},
      {CONNECT, 2, B, 100, LIMITS_OK, 1},
      {LEAVE, 0, NULL, 101, LIMITS_OK, 0},
      {CONNECT, 3, A, 101, LIMITS_OK, 2},
      {CONNECT, 4, A, 101, LIMITS_TOO_MANY_CONNECTIONS, 3},
      {EXEMPT, 5, A, 101, LIMITS_OK, 0},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"no limit",
     {RULES},
     {{CONNECT, 0, A, 100, LIMITS_OK, 1},
      {CONNECT, 1, A, 100, LIMITS_OK, 2},
      {MESSAGE, 0, NULL, 100, LIMITS_OK, 1},
      {TLS_COUNT, 0, NULL, 100, LIMITS_OK, 1},
      {TLS_CHECK, 0, NULL, 100, LIMITS_OK, 1},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"a rate of connections, those refused counted, in units that begin with the first",
     {RULES, .connection_rate = 2},
     {{CONNECT, 0, A, 100, LIMITS_OK, 1},
      {LEAVE, 0, NULL, 100, LIMITS_OK, 0},
      {CONNECT, 0, A, 159, LIMITS_OK, 1},
      {CONNECT, 1, A, 160, LIMITS_RATE, 3},
      {CONNECT, 1, A, 160, LIMITS_RATE, 4},
      {CONNECT, 1, B, 160, LIMITS_OK, 1},
      {CONNECT, 2, A, 161, LIMITS_OK, 2},
      {CONNECT, 3, A, 161, LIMITS_OK, 3},
      {CONNECT, 4, A, 161, LIMITS_RATE, 3},
      {EXEMPT, 5, A, 161, LIMITS_OK, 0},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"connections that are too many count for the rate",
     {RULES, .connections = 1, .connection_rate = 2},
     {{CONNECT, 0, A, 100, LIMITS_OK, 1},
      {CONNECT, 1, A, 100, LIMITS_TOO_MANY_CONNECTIONS, 2},
      {LEAVE, 0, NULL, 100, LIMITS_OK, 0},
      {CONNECT, 1, A, 100, LIMITS_RATE, 3},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"a rate of messages, of all sessions of the client",
     {RULES, .message_rate = 2},
     {{CONNECT, 0, A, 100, LIMITS_OK, 1},
      {CONNECT, 1, A, 100, LIMITS_OK, 2},
      {CONNECT, 2, B, 100, LIMITS_OK, 1},
      {EXEMPT, 3, A, 100, LIMITS_OK, 0},
      {MESSAGE, 0, NULL, 100, LIMITS_OK, 1},
      {MESSAGE, 1, NULL, 101, LIMITS_OK, 2},
      {MESSAGE, 0, NULL, 102, LIMITS_RATE, 3},
      {MESSAGE, 2, NULL, 102, LIMITS_OK, 1},
      {MESSAGE, 3, NULL, 102, LIMITS_OK, 0},
      {MESSAGE, 0, NULL, 161, LIMITS_OK, 1},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"a clock that is a little behind",
     {RULES, .message_rate = 1},
     {{CONNECT, 0, A, 100, LIMITS_OK, 1},
      {MESSAGE, 0, NULL, 100, LIMITS_OK, 1},
      {MESSAGE, 0, NULL, 99, LIMITS_RATE, 2},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"new TLS sessions: looked at before, counted after",
     {RULES, .tls_rate = 1},
     {{CONNECT, 0, A, 100, LIMITS_OK, 1},
      {TLS_CHECK, 0, NULL, 100, LIMITS_OK, 0},
      {TLS_COUNT, 0, NULL, 100, LIMITS_OK, 1},
      {TLS_CHECK, 0, NULL, 100, LIMITS_OK, 1},
      {TLS_COUNT, 0, NULL, 100, LIMITS_RATE, 2},
      {TLS_CHECK, 0, NULL, 160, LIMITS_RATE, 2},
      {TLS_CHECK, 0, NULL, 161, LIMITS_OK, 0},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"IPv6 by network",
     {RULES, .connections = 1},
     {{CONNECT, 0, "2001:db8::1", 100, LIMITS_OK, 1},
      {CONNECT, 1, "2001:db8::fff:ffff:ffff", 100, LIMITS_TOO_MANY_CONNECTIONS, 2},
      {CONNECT, 1, "2001:db8::1000:0:1", 100, LIMITS_OK, 1},
      {CONNECT, 2, "2001:db9::1", 100, LIMITS_OK, 1},
      {CONNECT, 3, "192.0.2.1", 100, LIMITS_OK, 1},
      {CONNECT, 4, "192.0.2.0", 100, LIMITS_OK, 1},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"IPv4 by network",
     {.rate_unit = 60, .ipv4_prefix = 23, .ipv6_prefix = 128, .connections = 1},
     {{CONNECT, 0, "192.0.2.1", 100, LIMITS_OK, 1},
      {CONNECT, 1, "192.0.3.255", 100, LIMITS_TOO_MANY_CONNECTIONS, 2},
      {CONNECT, 1, "192.0.4.0", 100, LIMITS_OK, 1},
      {CONNECT, 2, "2001:db8::1", 100, LIMITS_OK, 1},
      {CONNECT, 3, "2001:db8::2", 100, LIMITS_OK, 1},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"all addresses of a family are one",
     {.rate_unit = 60, .connections = 1},
     {{CONNECT, 0, "192.0.2.1", 100, LIMITS_OK, 1},
      {CONNECT, 1, "10.0.0.1", 100, LIMITS_TOO_MANY_CONNECTIONS, 2},
      {CONNECT, 1, "::1", 100, LIMITS_OK, 1},
      {CONNECT, 2, "ff::1", 100, LIMITS_TOO_MANY_CONNECTIONS, 2},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
    {"handshakes at once",
     {RULES},
     {{CONNECT, 0, A, 100, LIMITS_OK, 1},
      {CONNECT, 1, A, 100, LIMITS_OK, 2},
      {CONNECT, 2, B, 100, LIMITS_OK, 1},
      {EXEMPT, 3, B, 100, LIMITS_OK, 0},
      {SHAKE, 0, NULL, 100, LIMITS_OK, 1},
      {SHAKE, 0, NULL, 100, LIMITS_OK, 1},
      {SHAKE, 1, NULL, 100, LIMITS_OK, 2},
      {SHAKE, 2, NULL, 100, LIMITS_TOTAL, 2},
      {SHAKE, 3, NULL, 100, LIMITS_TOTAL, 2},
      {SHAKEN, 0, NULL, 100, LIMITS_OK, 1},
      {SHAKEN, 0, NULL, 100, LIMITS_OK, 1},
      {SHAKE, 3, NULL, 100, LIMITS_OK, 2},
      {LEAVE, 1, NULL, 100, LIMITS_OK, 0},
      {SHAKE, 2, NULL, 100, LIMITS_OK, 2},
      {END, 0, NULL, 0, LIMITS_OK, 0}}},
};

/* What was called, and the number that it gave. */
static enum limits_verdict play(struct limits *limits, const struct limits_rules *rules,
                                const struct step *step, struct limits_session *session,
                                uint32_t *number)
{
    struct client_address client =
        step->act == CONNECT ? make(step->client) : (struct client_address){0};
    unsigned slot = step->session % 2;
    enum limits_verdict verdict = LIMITS_OK;

    *number = 0;
    switch (step->act) {
    case CONNECT:
        verdict = join(limits, slot, rules, &client, step->now, session, number);
        if (verdict == LIMITS_OK)
            *number = limits_connections(limits, rules, &client);
        return verdict;
    case EXEMPT:
        return join(limits, slot, rules, NULL, step->now, session, number);
    case LEAVE:
        limits_disconnect(limits, slot, session, step->now);
        return LIMITS_OK;
    case MESSAGE:
        return limits_message(limits, rules, session, step->now, number);
    case TLS_CHECK:
        return limits_tls_check(limits, rules, session, step->now, number);
    case TLS_COUNT:
        return limits_tls_count(limits, rules, session, step->now, number);
    case SHAKE:
        verdict = limits_handshake_begin(limits, slot, session);
        *number = limits_handshakes(limits);
        return verdict;
    case SHAKEN:
        limits_handshake_end(limits, slot, session);
        *number = limits_handshakes(limits);
        return LIMITS_OK;
    default:
        abort();
    }
}

static void play_story(const struct story *story, uint64_t epoch)
{
    struct limits *limits = limits_new(SESSIONS, 2, 2);
    struct limits_session sessions[SESSIONS] = {0};

    assert_non_null(limits);
    for (size_t i = 0; story->steps[i].act != END; i++) {
        struct step step = story->steps[i];
        uint32_t number;

        step.now += epoch;
        enum limits_verdict verdict =
            play(limits, &story->rules, &step, &sessions[step.session], &number);
        if (verdict != step.verdict || number != step.number)
            fail_msg("%s, step %zu: verdict %d, number %u", story->name, i, (int)verdict, number);
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        limits_disconnect(limits, i % 2, &sessions[i], epoch);
    assert_int_equal(limits_sessions(limits), 0);
    assert_int_equal(limits_handshakes(limits), 0);
    limits_free(limits);
}

static void test_stories(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        play_story(&stories[i], 0);
        play_story(&stories[i], UINT32_MAX - 110); /* the clock's 32 bits run over */
    }
}

static void test_services(void **state)
{
    const struct limits_rules smtp = {RULES, .service = 0, .connections = 1};
    const struct limits_rules submission = {RULES, .service = 1, .connections = 1};
    struct limits *limits = limits_new(SESSIONS, 2, 1);
    struct client_address client = make(A);
    struct limits_session sessions[2];
    struct limits_session refused;
    uint32_t number;

    (void)state;
    assert_int_equal(join(limits, 0, &smtp, &client, 1, &sessions[0], &number), LIMITS_OK);
    assert_int_equal(join(limits, 0, &submission, &client, 1, &sessions[1], &number), LIMITS_OK);
    assert_int_equal(join(limits, 0, &smtp, &client, 1, &refused, &number),
                     LIMITS_TOO_MANY_CONNECTIONS);
    limits_free(limits);
}

static void test_total(void **state)
{
    const struct limits_rules rules = {RULES};
    struct limits *limits = limits_new(SESSIONS, 2, 2);
    struct client_address client = make(A);
    struct limits_session sessions[SESSIONS];
    struct limits_session refused;
    uint32_t number;

    (void)state;
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_int_equal(
            join(limits, i % 2, &rules, i % 3 ? &client : NULL, 1, &sessions[i], &number),
            LIMITS_OK);
    assert_int_equal(join(limits, 0, &rules, &client, 1, &refused, &number), LIMITS_TOTAL);
    assert_int_equal(join(limits, 0, &rules, NULL, 1, &refused, &number), LIMITS_TOTAL);
    limits_disconnect(limits, 0, &refused, 1); /* held nothing */
    assert_int_equal(limits_sessions(limits), SESSIONS);
    limits_set(limits, SESSIONS + 1, 2);
    assert_int_equal(join(limits, 0, &rules, NULL, 1, &refused, &number), LIMITS_OK);
    limits_set(limits, 1, 2);
    limits_disconnect(limits, 0, &refused, 1);
    assert_int_equal(join(limits, 0, &rules, NULL, 1, &refused, &number), LIMITS_TOTAL);
    limits_worker_died(limits, 1);
    assert_int_equal(limits_sessions(limits), SESSIONS / 2);
    limits_worker_died(limits, 0);
    limits_worker_died(limits, 0);
    assert_int_equal(limits_sessions(limits), 0);
    assert_int_equal(limits_connections(limits, &rules, &client), 0);
    limits_free(limits);
}

static void test_bad_numbers(void **state)
{
    (void)state;
    assert_null(limits_new(LIMITS_SESSIONS_MAX + 1, 1, 1));
    assert_null(limits_new(1, 1, 0));
    assert_null(limits_new(1, 1, 4097));
    limits_free(NULL);
}

/* --- floods ---------------------------------------------------------------------------------- */

/* As many sessions as there may be, each of another client. */
static void test_full(void **state)
{
    const struct limits_rules rules = {RULES, .connections = 1};
    enum { MANY = 16384 };
    struct limits *limits = limits_new(MANY, 1, 1);
    struct limits_session *sessions = calloc(MANY, sizeof *sessions);
    struct limits_session refused;
    uint32_t number;

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        struct client_address client = numbered(i);
        assert_int_equal(join(limits, 0, &rules, &client, 1, &sessions[i], &number), LIMITS_OK);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        struct client_address client = numbered(i);
        assert_int_equal(limits_connections(limits, &rules, &client), 1);
        limits_disconnect(limits, 0, &sessions[i], 1);
        assert_int_equal(join(limits, 0, &rules, &client, 1, &sessions[i], &number), LIMITS_OK);
        assert_int_equal(join(limits, 0, &rules, &client, 1, &refused, &number), LIMITS_TOTAL);
    }
    limits_worker_died(limits, 0);
    assert_int_equal(limits_sessions(limits), 0);
    free(sessions);
    limits_free(limits);
}

/* Ever new clients take nothing away from one that is connected. */
static void test_flood(void **state)
{
    const struct limits_rules rules = {RULES, .connections = 2, .message_rate = 1};
    struct limits *limits = limits_new(SESSIONS, 1, 1);
    struct client_address client = make(A);
    struct limits_session session;
    struct limits_session other;
    uint32_t number;

    (void)state;
    assert_int_equal(join(limits, 0, &rules, &client, 1, &session, &number), LIMITS_OK);
    limits_message(limits, &rules, &session, 1, &number);
    for (uint32_t i = 0; i < 100000; i++) {
        struct client_address stranger = numbered(i);
        assert_int_equal(join(limits, 0, &rules, &stranger, 1 + i / 5000, &other, &number),
                         LIMITS_OK);
        limits_disconnect(limits, 0, &other, 1 + i / 5000);
    }
    assert_int_equal(limits_connections(limits, &rules, &client), 1);
    assert_int_equal(limits_message(limits, &rules, &session, 30, &number), LIMITS_RATE);
    limits_free(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories), cmocka_unit_test(test_services),
        cmocka_unit_test(test_total),   cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_full),    cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
