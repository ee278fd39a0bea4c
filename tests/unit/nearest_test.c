/*
 * nearest_test.c: typing errors find the name that was meant, and other words find none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/config.h"
#include "policy/nearest.h"

static void distances(void **state)
{
    (void)state;
    static const struct {
        const char *left;
        const char *right;
        unsigned half_edits;
    } rows[] = {
        {"", "", 0},           {"a", "", 2},       {"abc", "abc", 0},   {"abc", "abd", 2},
        {"abc", "ab", 2},      {"abc", "xabc", 2}, {"abc", "acb", 2},   {"abc", "bca", 4},
        {"abc", "ABC", 3},     {"aBc", "abc", 1},  {"abcd", "badc", 4}, {"kitten", "sitting", 6},
        {"abc", "uvwxyz", 12},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(nearest_distance(rows[i].left, rows[i].right, 100), rows[i].half_edits);
        assert_int_equal(nearest_distance(rows[i].right, rows[i].left, 100), rows[i].half_edits);
        if (rows[i].half_edits > 0) {
            unsigned limit = rows[i].half_edits - 1;

            assert_int_equal(nearest_distance(rows[i].left, rows[i].right, limit), limit + 1);
        }
    }
}

static void long_names_are_like_nothing(void **state)
{
    (void)state;
    char name[200];

    for (size_t length = 79; length < sizeof(name); length++) {
        memset(name, 'a', length);
        name[length] = '\0';
        unsigned distance = nearest_distance(name, name, 10);
        assert_int_equal(distance, length <= NEAREST_MAX_LENGTH ? 0 : 11);
        assert_null(config_nearest_name(name));
    }
}

static void suggestions(void **state)
{
    (void)state;
    static const struct {
        const char *typed;
        const char *meant; /* NULL: nothing */
    } rows[] = {
        {"smtpd_tls_CApth", "smtpd_tls_CApath"},
        {"smtpd_tls_capath", "smtpd_tls_CApath"},
        {"smtpd_tls_cafile", "smtpd_tls_CAfile"},
        {"smtp_tls_CApth", "smtp_tls_CApath"},
        {"smtptd_tls_dh1024_param_file", "smtpd_tls_dh1024_param_file"},
        {"smtptd_tls_dh512_param_file", "smtpd_tls_dh512_param_file"},
        {"smtpd_tls_securty_level", "smtpd_tls_security_level"},
        {"smtpd_tls_level", NULL},
        {"myhostnmae", "myhostname"},
        {"MyHostname", "myhostname"},
        {"gatepost_listn", "gatepost_listen"},
        {"gatepost_worker", "gatepost_workers"},
        {"stres", "stress"},
        {"str", NULL},
        {"", NULL},
        {"x", NULL},
        {"my_own_variable", NULL},
        {"completely_different", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *found = config_nearest_name(rows[i].typed);

        if (rows[i].meant == NULL)
            assert_null(found);
        else
            assert_string_equal(found != NULL ? found : "(none)", rows[i].meant);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(long_names_are_like_nothing),
        cmocka_unit_test(suggestions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
