/* decimal_test.c: numbers as text are those of printf(3), and are read back; nothing else is. */
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

/* What is a number up to the limit, the limit itself included. */
static void test_reading(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_true(decimal_read("0", 0, &value));
    assert_true(value == 0);
    assert_true(decimal_read("65535", 65535, &value));
    assert_true(value == 65535);
    assert_true(decimal_read("00025", 65535, &value));
    assert_true(value == 25);
    assert_true(decimal_read("18446744073709551615", UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
}

/* What is none leaves the value alone. */
static void test_no_number(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
    } rows[] = {{"", 9},
                {"-1", UINT64_MAX},
                {"+1", 9},
                {" 1", 9},
                {"1 ", 9},
                {"1x", 9},
                {"0x1", 9},
                {"1", 0},
                {"10", 9},
                {"65536", 65535},
                {"65540", 65535},
                {"655350", 65535},
                {"18446744073709551616", UINT64_MAX},
                {"18446744073709551625", UINT64_MAX},
                {"184467440737095516150", UINT64_MAX}};
    uint64_t value = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_false(decimal_read(rows[i].text, rows[i].max, &value));
    assert_true(value == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_reading),
                                       cmocka_unit_test(test_no_number)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
