/* decimal_test.c: numbers as text are those of printf(3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policy/decimal.h"

/* VALUE is written as printf(3) writes it, and nothing else is touched. */
static void check(uint64_t value)
{
    char expected[DECIMAL_MAX + 1];
    char found[DECIMAL_MAX + 2];

    memset(found, '#', sizeof(found));
    snprintf(expected, sizeof(expected), "%" PRIu64, value);
    const char *end = decimal_put(found, value);
    assert_int_equal((size_t)(end - found), strlen(expected));
    assert_memory_equal(found, expected, strlen(expected));
    assert_int_equal(*end, '#');
}

static void test_numbers(void **state)
{
    (void)state;
    check(UINT64_MAX);
    for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
        check(power - 1);
        check(power);
        check(power * 7 + 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
