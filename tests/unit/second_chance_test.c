/*
 * second_chance_test.c: who gets a second chance, when it begins and ends, with the clock given;
 * what is forgotten when there is no room; processes that are killed; and values of the parameter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/second_chance_policy.h"
#include "policy/text.h"

#include "proxy/second_chance.h"
#include "proxy/session_chance.h"

static const struct second_chance_rules rules = {
    .failures = 3, .time = 100, .ipv4_prefix = 32, .ipv6_prefix = 64};

static struct client_address address(const char *text)
{
    struct client_address made;

    assert_true(client_address_parse(&made, text));
    return made;
}

static bool failed(struct second_chance *chance, const char *text, uint32_t now)
{
    struct client_address client = address(text);
    return second_chance_failed(chance, &rules, &client, now);
}

static enum second_chance_state ask(struct second_chance *chance, const char *text, uint32_t now)
{
    struct client_address client = address(text);
    return second_chance_ask(chance, &rules, &client, now);
}

static uint32_t left(struct second_chance *chance, const char *text, uint32_t now)
{
    struct client_address client = address(text);
    return second_chance_left(chance, &rules, &client, now);
}

/* Around this moment the seconds start anew. */
static const uint32_t starts[] = {1000, UINT32_MAX - 50};

static void test_life(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct second_chance *chance = second_chance_new();
        const uint32_t t = starts[i];

        assert_int_equal(ask(chance, "192.0.2.1", t), SECOND_CHANCE_NONE);
        assert_false(failed(chance, "192.0.2.1", t));
        assert_false(failed(chance, "192.0.2.1", t + 1));
        assert_int_equal(ask(chance, "192.0.2.1", t + 1), SECOND_CHANCE_NONE);
        assert_int_equal(left(chance, "192.0.2.1", t + 1), 0);
        assert_true(failed(chance, "192.0.2.1", t + 2));
        assert_false(failed(chance, "192.0.2.1", t + 3)); /* it has begun already */
        assert_int_equal(ask(chance, "192.0.2.1", t + 3), SECOND_CHANCE_HAS);
        assert_int_equal(left(chance, "192.0.2.1", t + 3), 99);
        assert_int_equal(ask(chance, "192.0.2.2", t + 3), SECOND_CHANCE_NONE);
        struct second_chance_counts counts = second_chance_count(chance, &rules, t + 3);
        assert_int_equal(counts.present, 1);
        assert_int_equal(counts.begun, 1);
        assert_int_equal(counts.used, 1);
        assert_int_equal(ask(chance, "192.0.2.1", t + 101), SECOND_CHANCE_HAS);
        assert_int_equal(left(chance, "192.0.2.1", t + 102), 0);
        assert_int_equal(second_chance_count(chance, &rules, t + 102).present, 0);
        assert_int_equal(ask(chance, "192.0.2.1", t + 102), SECOND_CHANCE_ENDED);
        assert_int_equal(ask(chance, "192.0.2.1", t + 102), SECOND_CHANCE_NONE); /* said once */
        assert_false(failed(chance, "192.0.2.1", t + 103)); /* and all begins anew */
        second_chance_free(chance);
    }
}

/* Failures count within the time, and until a handshake is good. */
static void test_failures_are_forgotten(void **state)
{
    struct second_chance *chance = second_chance_new();
    struct client_address client = address("192.0.2.1");

    (void)state;
    assert_false(failed(chance, "192.0.2.1", 1000));
    assert_false(failed(chance, "192.0.2.1", 1001));
    assert_false(failed(chance, "192.0.2.1", 1100));
    assert_false(failed(chance, "192.0.2.1", 1101));
    second_chance_forget(chance, &rules, &client);
    assert_false(failed(chance, "192.0.2.1", 1102));
    assert_false(failed(chance, "192.0.2.1", 1103));
    assert_true(failed(chance, "192.0.2.1", 1104));
    second_chance_forget(chance, &rules, &client); /* a chance is not */
    assert_int_equal(ask(chance, "192.0.2.1", 1105), SECOND_CHANCE_HAS);
    second_chance_free(chance);
}

/* Addresses of one network are one client. */
static void test_networks(void **state)
{
    struct second_chance *chance = second_chance_new();

    (void)state;
    assert_false(failed(chance, "2001:db8:1:2::1", 1000));
    assert_false(failed(chance, "2001:db8:1:2::2", 1000));
    assert_false(failed(chance, "2001:db8:1:3::2", 1000));
    assert_true(failed(chance, "2001:db8:1:2:ffff::3", 1000));
    assert_int_equal(ask(chance, "2001:db8:1:2::77", 1001), SECOND_CHANCE_HAS);
    assert_int_equal(ask(chance, "2001:db8:1:3::2", 1001), SECOND_CHANCE_NONE);
    second_chance_free(chance);
}

/* A scan from a million addresses, each of which fails once: chances stay. Then more chances than
 * there is room for: the table does not grow, and those that are there are right. */
static void test_full(void **state)
{
    struct second_chance *chance = second_chance_new();
    struct second_chance_rules once = rules;
    struct client_address client = address("10.0.0.0");

    (void)state;
    once.failures = 1;
    for (int i = 0; i < 3; i++)
        (void)failed(chance, "192.0.2.1", 1000);
    for (uint32_t i = 0; i < 1000000; i++) {
        memcpy(client.bytes + 1, &i, 3);
        assert_false(second_chance_failed(chance, &rules, &client, 1001 + i / 20000));
    }
    assert_int_equal(ask(chance, "192.0.2.1", 1060), SECOND_CHANCE_HAS);
    for (uint32_t i = 0; i < 50000; i++) {
        memcpy(client.bytes + 1, &i, 3);
        assert_true(second_chance_failed(chance, &once, &client, 1060 + i / 10000));
        assert_int_equal(second_chance_ask(chance, &once, &client, 1065), SECOND_CHANCE_HAS);
    }
    assert_true(second_chance_count(chance, &once, 1065).present <= SECOND_CHANCE_ENTRIES);
    assert_int_equal(ask(chance, "192.0.2.1", 1065), SECOND_CHANCE_NONE);
    second_chance_free(chance);
}

/* Several processes fail for their own addresses and are killed at any point. An address that never
 * failed never has a chance, and the table still works. */
static void test_processes(void **state)
{
    struct second_chance *chance = second_chance_new();
    pid_t children[3];

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (unsigned number = 0; number < 3; number++) {
            children[number] = fork();
            if (children[number] != 0)
                continue;
            struct client_address client = address("10.0.0.0");
            client.bytes[1] = (uint8_t)number;
            for (uint16_t i = 0;; i++) {
                memcpy(client.bytes + 2, &i, 2);
                for (int j = 0; j < 3; j++)
                    (void)second_chance_failed(chance, &rules, &client, 1000);
            }
        }
        struct client_address stranger = address("192.0.2.0");
        for (uint32_t i = 0; i < 20000; i++) {
            memcpy(stranger.bytes + 2, &i, 2);
            assert_int_equal(second_chance_ask(chance, &rules, &stranger, 1000),
                             SECOND_CHANCE_NONE);
        }
        for (unsigned number = 0; number < 3; number++) {
            kill(children[number], SIGKILL);
            assert_int_equal(waitpid(children[number], NULL, 0), children[number]);
        }
    }
    for (int i = 0; i < 3; i++)
        (void)failed(chance, "198.51.100.1", 1010);
    assert_int_equal(ask(chance, "198.51.100.1", 1010), SECOND_CHANCE_HAS);
    second_chance_free(chance);
}

static void test_reasons(void **state)
{
    (void)state;
    assert_true(session_chance_helps(TLS_FAILURE_PROTOCOL_TOO_OLD));
    assert_true(session_chance_helps(TLS_FAILURE_NO_SHARED_CIPHER));
    assert_true(session_chance_helps(TLS_FAILURE_NO_SHARED_GROUP));
    assert_true(session_chance_helps(TLS_FAILURE_CLIENT_ALERT));
    assert_false(session_chance_helps(TLS_FAILURE_CERTIFICATE_REFUSED));
    assert_false(session_chance_helps(TLS_FAILURE_NOT_TLS));
    assert_false(session_chance_helps(TLS_FAILURE_MALFORMED));
    assert_false(session_chance_helps(TLS_FAILURE_TIMEOUT));
}

/* --- the parameter --------------------------------------------------------------------------- */

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

/* The policy of a value, on top of a main configuration that demands TLS 1.2. */
static int make(const char *value, struct tls_policy **policy, struct text *report)
{
    struct text text = {0};
    struct diag diag = {.sink = collect, .ctx = report};

    text_format(&text,
                "smtpd_tls_security_level = encrypt\nsmtpd_tls_mandatory_protocols = >=TLSv1.2\n"
                "smtpd_tls_mandatory_ciphers = high\ngatepost_second_chance = %s\n",
                value);
    text_add(report, "", 0);
    struct config *config = config_parse("F", text.data, text.length, NULL, 0, &diag);
    assert_non_null(config);
    int status = second_chance_policy_new(config, TLS_LEVEL_ENCRYPT, "P", policy, &diag);
    config_free(config);
    text_free(&text);
    return status;
}

static void test_values(void **state)
{
    static const struct {
        const char *value;
        enum tls_level level;
        uint16_t min_version;
    } cases[] = {
        {"protocols=>=TLSv1 ciphers=medium", TLS_LEVEL_ENCRYPT, TLS_VERSION_1_0},
        {"ciphers=medium", TLS_LEVEL_ENCRYPT, TLS_VERSION_1_2},
        {"{ protocols = >=TLSv1.1 }", TLS_LEVEL_ENCRYPT, TLS_VERSION_1_1},
        {"may protocols=>=TLSv1", TLS_LEVEL_MAY, TLS_VERSION_1_0},
        {"none", TLS_LEVEL_NONE, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text report = {0};
        struct tls_policy *policy = NULL;
        if (make(cases[i].value, &policy, &report) != 0)
            fail_msg("%s: %s", cases[i].value, report.data);
        assert_int_equal(policy->level, cases[i].level);
        if (cases[i].min_version != 0)
            assert_int_equal(policy->min_version, cases[i].min_version);
        tls_policy_free(policy);
        text_free(&report);
    }
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *value;
        const char *report; /* part of it */
    } cases[] = {
        {"reject", "reject is no chance"},
        {"maybe", "unknown level \"maybe\""},
        {"protocol=TLSv1", "did you mean protocols=?"},
        {"protocols=SSLv3", "protocols"},
        {"ciphers=weak", "ciphers=weak"},
        {"may until=2030-01-01", "gatepost_second_chance_time"},
        {"may note=x", "note= has no meaning"},
        {"none ciphers=high", "ciphers= with the level none"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text report = {0};
        struct tls_policy *policy = NULL;
        if (make(cases[i].value, &policy, &report) == 0 || policy != NULL ||
            strstr(report.data, cases[i].report) == NULL || strstr(report.data, "E P") == NULL)
            fail_msg("%s: %s", cases[i].value, report.data);
        text_free(&report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),      cmocka_unit_test(test_failures_are_forgotten),
        cmocka_unit_test(test_networks),  cmocka_unit_test(test_full),
        cmocka_unit_test(test_processes), cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_values),    cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
