/* rates_test.c: rates of the last minute, from samples that come when they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/rates.h"

#define NEAR(a, b) assert_true((a) > (b)-0.001 && (a) < (b) + 0.001)

static void steady(void **state)
{
    struct rates rates = {0};

    (void)state;
    NEAR(rates_get(&rates, 5., 0, 100), 0.);
    for (int second = 0; second < 1000; second++) {
        const uint64_t counters[RATES_COUNTERS] = {(uint64_t)second * 3, 7, 0, 1};
        rates_note(&rates, 5. + second, counters);
    }
    NEAR(rates_get(&rates, 5. + 999, 0, 999 * 3), 3.);
    NEAR(rates_get(&rates, 5. + 999, 1, 7), 0.);
}

static void forgets_after_a_minute(void **state)
{
    struct rates rates = {0};
    const uint64_t none[RATES_COUNTERS] = {0};
    const uint64_t burst[RATES_COUNTERS] = {600};

    (void)state;
    rates_note(&rates, 0., none);
    rates_note(&rates, 10., burst);
    NEAR(rates_get(&rates, 10., 0, 600), 60.);
    NEAR(rates_get(&rates, 60., 0, 600), 10.);
    for (double when = 20.; when <= 100.; when += 10.)
        rates_note(&rates, when, burst);
    NEAR(rates_get(&rates, 100., 0, 600), 0.);
}

static void samples_are_spaced(void **state)
{
    struct rates rates = {0};
    const uint64_t counters[RATES_COUNTERS] = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        rates_note(&rates, i * 0.01, counters);
    assert_true(rates.count <= 4);
    NEAR(rates_get(&rates, 10., 0, 50), 5.);
    NEAR(rates_get(&rates, 0., 0, 50), 0.); /* no time has passed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady),
        cmocka_unit_test(forgets_after_a_minute),
        cmocka_unit_test(samples_are_spaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
