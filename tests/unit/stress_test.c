/*
 * When there is overload, and what a configuration comes to then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/stress.h"
#include "policy/text.h"

#include "proxy/service_values.h"

/* --- levels ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct stress_levels levels;
    bool on;
    uint32_t sessions;
    uint32_t handshakes;
    bool wanted;
} decisions[] = {
    {"nothing is under way", {9, 7, 5, 3}, false, 0, 0, false},
    {"below", {9, 7, 5, 3}, false, 8, 4, false},
    {"sessions", {9, 7, 5, 3}, false, 9, 0, true},
    {"handshakes", {9, 7, 5, 3}, false, 5, 5, true},
    {"both beyond", {9, 7, 5, 3}, false, 10, 10, true},
    {"it stays above the lower level", {9, 7, 5, 3}, true, 8, 0, true},
    {"also of handshakes", {9, 7, 5, 3}, true, 7, 4, true},
    {"it ends when both are down", {9, 7, 5, 3}, true, 7, 3, false},
    {"between the levels it does not begin", {9, 7, 5, 3}, false, 8, 4, false},
    {"one session", {1, 0, 1, 0}, false, 1, 0, true},
    {"and none", {1, 0, 1, 0}, true, 0, 0, false},
    {"never", {0, 0, 0, 0}, false, 1000, 1000, false},
    {"no longer", {0, 0, 0, 0}, true, 1000, 1000, false},
};

static void test_decisions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decisions / sizeof *decisions; i++)
        if (stress_decide(decisions[i].on, &decisions[i].levels, decisions[i].sessions,
                          decisions[i].handshakes) != decisions[i].wanted)
            fail_msg("%s", decisions[i].name);
}

/* --- configurations -------------------------------------------------------------------------- */

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

static struct config *parse(const char *text)
{
    struct diag diag = {0};
    struct config *config = config_parse("F", text, strlen(text), NULL, 0, &diag);

    assert_non_null(config);
    return config;
}

static const struct {
    const char *file;
    uint32_t sessions;
    uint32_t handshakes;
    struct stress_levels levels;
    const char *found;
} levels[] = {
    {"", 100, 50, {90, 70, 45, 35}, ""},
    {"", 1000000, 1000000, {900000, 700000, 900000, 700000}, ""},
    {"", 1, 1, {1, 0, 1, 0}, ""},
    {"", 2, 3, {2, 1, 3, 2}, ""},
    {"gatepost_stress_enter = 1\ngatepost_stress_leave = 0\n", 10, 1000, {1, 0, 10, 0}, ""},
    {"gatepost_stress_enter = 100\ngatepost_stress_leave = 99\n", 7, 7, {7, 6, 7, 6}, ""},
    {"stress =\n", 100, 50, {0, 0, 0, 0}, ""},
    {"stress = yes\n", 100, 50, {0, 0, 0, 0}, ""},
    {"gatepost_stress_enter = 70\n",
     10,
     10,
     {7, 7, 7, 7},
     "E default value: gatepost_stress_leave = 70: must be less than gatepost_stress_enter (70)|"},
    {"gatepost_stress_leave = 95\n",
     100,
     100,
     {90, 95, 90, 95},
     "E F, line 1: gatepost_stress_leave = 95: must be less than gatepost_stress_enter (90)|"},
};

static void test_levels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        struct text found = {0};
        struct diag diag = {.sink = collect, .ctx = &found};
        struct config *config = parse(levels[i].file);
        struct stress_levels got =
            stress_levels_find(config, levels[i].sessions, levels[i].handshakes);

        if (memcmp(&got, &levels[i].levels, sizeof got) != 0)
            fail_msg("row %zu: %u %u %u %u", i, got.enter_sessions, got.leave_sessions,
                     got.enter_handshakes, got.leave_handshakes);
        text_add(&found, "", 0);
        assert_int_equal(stress_levels_check(config, &diag), *levels[i].found != '\0' ? -1 : 0);
        assert_string_equal(found.data, levels[i].found);
        text_free(&found);
        config_free(config);
    }
}

#define CANNOT ": gatepost cannot change this parameter while it runs; specify one value|"

/* What is found wrong under stress only. */
static const struct {
    const char *file;
    const char *found;
} findings[] = {
    {"", ""},
    {"smtpd_timeout = ${stress?{5}:{50}}\n", ""},
    {"smtpd_client_connection_count_limit = ${stress?{2}:{50}}\n"
     "smtpd_error_sleep_time = ${stress?{0}:{1}}s\n"
     "smtpd_client_event_limit_exceptions = ${stress?{}:{10.0.0.0/8}}\n",
     ""},
    {"mynetworks = ${stress?{}:{10.0.0.0/8}}\n",
     "E default value: smtpd_forbid_bare_newline_exclusions =  under stress, else "
     "10.0.0.0/8" CANNOT},
    {"level = ${stress?{x}:{4}}\nsmtpd_timeout = $level\n",
     "E under stress: F, line 2: smtpd_timeout = x: "},
    {"smtpd_hard_error_limit = ${stress?{0}:{9}}\n",
     "E under stress: F, line 1: smtpd_hard_error_limit = 0: "},
    {"smtpd_per_request_deadline = ${stress?{maybe}:{no}}\n",
     "E under stress: F, line 1: smtpd_per_request_deadline = maybe: "},
    {"smtpd_tls_security_level = ${stress?{none}:{may}}\n",
     "E F, line 1: smtpd_tls_security_level = none under stress, else may" CANNOT},
    {"gatepost_workers = ${stress?{9}:{1}}\nsmtpd_banner = a${stress?b}\n",
     "E F, line 1: gatepost_workers = 9 under stress, else 1" CANNOT
     "E F, line 2: smtpd_banner = ab under stress, else a" CANNOT},
    {"smtpd_recipient_limit = ${stress?{10}:{1000}}\n", ""},
};

static void test_findings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof findings / sizeof *findings; i++) {
        struct text found = {0};
        struct diag diag = {.sink = collect, .ctx = &found};
        struct config *config = parse(findings[i].file);
        struct config *stressed = stress_config(config, &diag);
        size_t length = strlen(findings[i].found);

        text_add(&found, "", 0);
        if (strncmp(found.data, findings[i].found, length) != 0 || (length == 0 && found.length))
            fail_msg("row %zu: %s", i, found.data);
        assert_int_equal(stressed == NULL, length > 0);
        assert_int_equal(diag.errors > 0, length > 0);
        text_free(&found);
        config_free(stressed);
        config_free(config);
    }
}

/* The values that a session sees, every day and under stress. */
static const struct {
    const char *file;
    double timeout[2];
    double starttls_timeout[2];
    bool deadline[2];
    uint32_t hard[2];
    uint32_t junk[2];
} values[] = {
    {"", {300, 10}, {300, 10}, {false, true}, {20, 1}, {100, 1}},
    {"smtpd_timeout = 7s\n", {7, 7}, {300, 10}, {false, true}, {20, 1}, {100, 1}},
    {"smtpd_timeout = ${stress?{1m}:{1h}}\nsmtpd_hard_error_limit = ${stress?{3}:{4}}\n",
     {3600, 60},
     {300, 10},
     {false, true},
     {4, 3},
     {100, 1}},
    {"smtpd_per_record_deadline = yes\n", {300, 10}, {300, 10}, {true, true}, {20, 1}, {100, 1}},
    {"smtpd_per_record_deadline = no\n", {300, 10}, {300, 10}, {false, false}, {20, 1}, {100, 1}},
    {"smtpd_per_record_deadline = yes\nsmtpd_per_request_deadline = no\n",
     {300, 10},
     {300, 10},
     {false, false},
     {20, 1},
     {100, 1}},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct diag diag = {0};
        struct config *config = parse(values[i].file);
        struct config *both[] = {config, stress_config(config, &diag)};

        assert_false(stress_is_fixed(config));
        assert_true(stress_is_fixed(both[1]));
        for (size_t k = 0; k < 2; k++) {
            struct service_values got;

            assert_int_equal(service_values_load(&got, "test", both[k], &diag), 0);
            if (got.timeout != values[i].timeout[k] ||
                got.starttls_timeout != values[i].starttls_timeout[k] ||
                got.request_deadline != values[i].deadline[k] ||
                got.hard_error_limit != values[i].hard[k] || got.junk_limit != values[i].junk[k])
                fail_msg("row %zu, %s", i, k == 0 ? "every day" : "under stress");
            assert_true(got.min_data_rate == 500.);
            service_values_free(&got);
            config_free(both[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
