/*
 * diag_test.c: findings are counted, cut and made printable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/diag.h"

struct last {
    enum diag_severity severity;
    char text[8192];
    int calls;
};

static void keep(void *ctx, enum diag_severity severity, const char *text)
{
    struct last *last = ctx;

    last->severity = severity;
    last->calls++;
    strncpy(last->text, text, sizeof(last->text) - 1);
}

static void counts_by_severity(void **state)
{
    (void)state;
    struct last last = {0};
    struct diag diag = {keep, &last, 0, 0};

    diag_info(&diag, "i");
    assert_int_equal(diag.warnings + diag.errors, 0);
    diag_warning(&diag, "w%d", 1);
    assert_int_equal(diag.warnings, 1);
    assert_string_equal(last.text, "w1");
    diag_error(&diag, "e");
    assert_int_equal(diag.errors, 1);
    assert_int_equal(last.severity, DIAG_ERROR);
    assert_int_equal(last.calls, 3);
}

static void counts_without_a_sink(void **state)
{
    (void)state;
    struct diag diag = {0};

    diag_error(&diag, "%s", "x");
    assert_int_equal(diag.errors, 1);
}

static void makes_text_printable(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"plain ~ text", "plain ~ text"},
        {"a\nb", "a?b"},
        {"a\r\nSubject: b", "a??Subject: b"},
        {"tab\there", "tab?here"},
        {"\x1b[31m", "?[31m"},
        {"\x7f\x80\xff", "???"},
        {"M\xc3\xbcller", "M??ller"},
        {"", ""},
    };
    struct last last = {0};
    struct diag diag = {keep, &last, 0, 0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        diag_info(&diag, "%s", rows[i].in);
        assert_string_equal(last.text, rows[i].out);
    }
}

static void cuts_long_text(void **state)
{
    (void)state;
    static const size_t sizes[] = {4094, 4095, 4096, 7000};
    struct last last = {0};
    struct diag diag = {keep, &last, 0, 0};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *text = malloc(sizes[i] + 1);

        assert_non_null(text);
        memset(text, 'x', sizes[i]);
        text[sizes[i]] = '\0';
        diag_info(&diag, "%s", text);
        assert_int_equal(strlen(last.text), sizes[i] < 4096 ? sizes[i] : 4095);
        assert_int_equal(strcmp(last.text + strlen(last.text) - 3, "...") == 0, sizes[i] >= 4096);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_severity),
        cmocka_unit_test(counts_without_a_sink),
        cmocka_unit_test(makes_text_printable),
        cmocka_unit_test(cuts_long_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
