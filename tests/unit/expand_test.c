/*
 * expand_test.c: $name expansion. Each row is a value and what it comes to with the names below, or
 * the beginning of the error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/expand.h"
#include "policy/text.h"
#include "policy/version.h"

static const struct {
    const char *name;
    const char *value;
} names[] = {
    {"a", "A"},
    {"b", "<$a>"},
    {"c", "($b)"},
    {"empty", ""},
    {"to_empty", "$empty"},
    {"number", "10"},
    {"level", "3.6"},
    {"dollar", "$$a"},
    {"blanks", " x  y "},
    {"self", "x$self"},
    {"ping", "${pong}"},
    {"pong", "$(ping)"},
    {"tested", "${tested?yes}"},
    {"bad", "$"},
    {"unread", "${empty?{$bad}:fine}"},
    {"A9_z", "odd"},
};

static const char *lookup(void *ctx, const char *name, size_t length, bool test)
{
    (void)ctx;
    (void)test;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i].name) == length && memcmp(names[i].name, name, length) == 0)
            return names[i].value;
    }
    return NULL;
}

struct row {
    const char *text;
    const char *result; /* or NULL */
    const char *error;
};

static const struct row rows[] = {
    /* plain references */
    {"", "", NULL},
    {"plain {text} (here) ?:", "plain {text} (here) ?:", NULL},
    {"$a", "A", NULL},
    {"${a}", "A", NULL},
    {"$(a)", "A", NULL},
    {"x${a}y$(a)z$a", "xAyAzA", NULL},
    {"$a$a", "AA", NULL},
    {"$a.b-$a/$a", "A.b-A/A", NULL},
    {"$b $c", "<A> (<A>)", NULL},
    {"$A9_z", "odd", NULL},
    {"$undefined", "", NULL},
    {"x${undefined}y", "xy", NULL},
    {"$ab", "", NULL},
    {"$blanks", " x  y ", NULL},
    {"${ a}", "A", NULL},
    {"${a }", "A", NULL},
    {"$( a )", "A", NULL},
    /* dollars */
    {"$$", "$", NULL},
    {"$$a", "$a", NULL},
    {"$$$a", "$A", NULL},
    {"$$$$", "$$", NULL},
    {"$dollar", "$a", NULL},
    {"${$a}", NULL, "attribute name syntax error"},
    {"$", NULL, "empty macro name: \"$\""},
    {"cost: 5$", NULL, "empty macro name"},
    {"$-", NULL, "empty macro name"},
    {"$ a", NULL, "empty macro name"},
    {"${}", NULL, "empty macro name"},
    {"$()", NULL, "empty macro name"},
    {"${ }", NULL, "empty macro name"},
    {"${?x}", NULL, "empty macro name"},
    {"${a", NULL, "truncated macro reference: \"${a\""},
    {"$(a", NULL, "truncated macro reference"},
    {"${a?{x}", NULL, "truncated macro reference"},
    {"$(a}", NULL, "truncated macro reference"},
    {"${a)", NULL, "truncated macro reference"},
    {"${na me}", NULL, "attribute name syntax error"},
    {"${a-b}", NULL, "attribute name syntax error"},
    {"${a{x}}", NULL, "unknown function \"a\""},
    {"${ domain_to_ascii { x } }", NULL, "unknown function \"domain_to_ascii\""},
    {"$bad", NULL, "empty macro name"},
    /* conditions */
    {"${a?text}", "text", NULL},
    {"${a:text}", "", NULL},
    {"${empty?text}", "", NULL},
    {"${empty:text}", "text", NULL},
    {"${undefined?text}", "", NULL},
    {"${undefined:text}", "text", NULL},
    {"$(a?text)", "text", NULL},
    {"${to_empty?the value as written counts}", "the value as written counts", NULL},
    {"${a?$b}", "<A>", NULL},
    {"${a?[${b}]}", "[<A>]", NULL},
    {"${a?{text}}", "text", NULL},
    {"${a? {text} }", "text", NULL},
    {"${a?{ text }}", " text ", NULL},
    {"${a? text }", " text ", NULL},
    {"${a ? text}", " text", NULL},
    {"${empty:{text}}", "text", NULL},
    {"${a?}", "", NULL},
    {"${a:}", "", NULL},
    {"${a?{}}", "", NULL},
    {"${a??x}", "?x", NULL},
    {"${empty::x}", ":x", NULL},
    {"${a?x:y}", "x:y", NULL},
    {"${empty?x:y}", "", NULL},
    {"${a?x{y}z}", "x{y}z", NULL},
    {"${a?{x}:{y}}", "x", NULL},
    {"${empty?{x}:{y}}", "y", NULL},
    {"${empty?{x}:y}", "y", NULL},
    {"${a?{x}:y}", "x", NULL},
    {"${empty?{x}:y z}", "y z", NULL},
    {"${empty?{x} : y}", " y", NULL},
    {"${ a ? {x} : {y} }", "x", NULL},
    {"${empty?{x}:}", "", NULL},
    {"${a?{${b?{in}:{out}}}:{y}}", "in", NULL},
    {"${a?{x}y}", NULL, "\":\" expected at: \"y\""},
    {"${a?{x}:{y}z}", NULL, "unexpected input at: \"z\""},
    {"${a?{x}:{y}:{z}}", NULL, "unexpected input"},
    {"${empty:{x}:{y}}", NULL, "unexpected input"},
    {"${a?{x}?{y}}", NULL, "\":\" expected"},
    {"$(a?{x)", NULL, "unbalanced {}"},
    /* what is not taken is not expanded */
    {"${a?{x}:{$bad}}", "x", NULL},
    {"${empty?$self}", "", NULL},
    {"$unread", "fine", NULL},
    /* comparisons */
    {"${{1} == {1}}", "true", NULL},
    {"${{1} == {2}}", "", NULL},
    {"${{1}=={1}?{y}:{n}}", "y", NULL},
    {"${ {1} == {2} ? {y} : {n} }", "n", NULL},
    {"${{1} == {1} ? {y} : n}", "y", NULL},
    {"${{1} == {1} ? y}", " y", NULL},
    {"${{1} == {1} : {n}}", "", NULL},
    {"${{1} == {2} : {n}}", "n", NULL},
    {"${{$a} == {A}}", "true", NULL},
    {"${{$a} == {A} ? {$b} : {$c}}", "<A>", NULL},
    {"${{$empty} == {}}", "true", NULL},
    {"${{$undefined} != {}?{set}:{not set}}", "not set", NULL},
    {"${{ a} == {a}}", "", NULL},
    {"${{1} != {2}}${{1} != {1}}", "true", NULL},
    {"${{1} < {2}}${{2} < {2}}${{3} < {2}}", "true", NULL},
    {"${{1} <= {2}}-${{2} <= {2}}-${{3} <= {2}}", "true-true-", NULL},
    {"${{1} >= {2}}-${{2} >= {2}}-${{3} >= {2}}", "-true-true", NULL},
    {"${{1} > {2}}-${{2} > {2}}-${{3} > {2}}", "--true", NULL},
    {"${{9} < {10}}", "true", NULL},
    {"${{$number} > {9}}", "true", NULL},
    {"${{010} == {10}}", "true", NULL},
    {"${{99999999999999999999998} < {99999999999999999999999}}", "true", NULL},
    {"${{9x} < {10}}", "", NULL},
    {"${{-1} < {1}}", "true", NULL},
    {"${{a} < {b}}${{B} < {a}}", "truetrue", NULL},
    {"${{3.6} < {3.11}}", "", NULL},
    {"${{$(a)} == {A}}", "true", NULL},
    {"$({1} == {1})", "true", NULL},
    {"${{1} = {1}}", NULL, "one of == != < <= >= > expected at: \"= {1}\""},
    {"${{1} === {1}}", NULL, "one of =="},
    {"${{1} ? {y}}", NULL, "one of =="},
    {"${{1}}", NULL, "one of =="},
    {"${{1} == 1}", NULL, "\"{expression}\" expected"},
    {"${{1} == }", NULL, "\"{expression}\" expected"},
    {"${{1} == {1}x}", NULL, "\"?\" or \":\" expected at: \"x\""},
    {"${{$bad} == {1}}", NULL, "empty macro name"},
    {"${{1} == {$bad}}", NULL, "empty macro name"},
    /* Postfix versions */
    {"${{3.6} <level {3.11}}", "true", NULL},
    {"${{$level} <level {3.6} ? {md5} : {sha256}}", "sha256", NULL},
    {"${{0} <level {3.6} ? {md5} : {sha256}}", "md5", NULL},
    {"${{3.6} <=level {3.6}}${{3.6} ==level {3.6.0}}${{3.6} >=level {3.5.9}}", "truetruetrue",
     NULL},
    {"${{3.6} >level {3.6}}${{3.6} !=level {3.6}}", "", NULL},
    {"${{x} <level {3.6}}", NULL, "malformed compatibility level syntax: \"x\""},
    {"${{3} <level {}}", NULL, "malformed compatibility level syntax: \"\""},
    {"${{3.6} <length {3}}", NULL, "bad operator suffix at: \"length\""},
    {"${{3.6} <levels {3}}", NULL, "bad operator suffix"},
    /* recursion */
    {"$self", NULL, "$self is used in its own value"},
    {"$ping", NULL, "$ping is used in its own value"},
    {"$tested", "yes", NULL},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        char error[256] = "";
        char *result = expand_value(NULL, row->text, lookup, NULL, error, sizeof(error));

        if ((result == NULL) != (row->result == NULL) ||
            (result != NULL && strcmp(result, row->result) != 0))
            fail_msg("%s: \"%s\" (%s)", row->text, result != NULL ? result : "", error);
        if (row->error != NULL && strncmp(error, row->error, strlen(row->error)) != 0)
            fail_msg("%s: error \"%s\"", row->text, error);
        free(result);
    }
}

static void own_name(void **state)
{
    (void)state;
    char error[256];

    assert_null(expand_value("a", "x$a", lookup, NULL, error, sizeof(error)));
    assert_string_equal(error, "$a is used in its own value");
    assert_null(expand_value("a", "$c", lookup, NULL, error, sizeof(error)));
    char *result = expand_value("a", "${a?x}", lookup, NULL, error, sizeof(error));
    assert_string_equal(result, "x");
    free(result);
}

/* Values for the bounds: "tN" is twice "t(N-1)", "lN" is "l(N-1)"; t0 is KIND's text. */
static const char *generated(void *ctx, const char *name, size_t length, bool test)
{
    static char values[2][400][16];
    static bool made;

    (void)test;
    for (int i = 1; i < 400 && !made; i++) {
        snprintf(values[0][i], sizeof(values[0][i]), "$t%d$t%d", i - 1, i - 1);
        snprintf(values[1][i], sizeof(values[1][i]), "$l%d", i - 1);
    }
    made = true;
    int number = atoi(name + 1);
    if (length < 2 || number >= 400)
        return NULL;
    return number == 0 ? ctx : values[name[0] == 'l'][number];
}

#define TEN(text) text text text text text text text text text text
#define LONG_SEED TEN(TEN("0123"))

static void bounds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *seed;
        size_t length; /* of the result, if there is one */
        const char *error;
    } cases[] = {
        {"$l99", "x", 1, NULL},
        {"$l100", "x", 0, "unreasonable macro call nesting: more than 100 levels"},
        {"$l399", "x", 0, "unreasonable macro call nesting: more than 100 levels"},
        {"$t10", "x", 1024, NULL},
        {"$t12", LONG_SEED, 0, "longer than 1048576 bytes after $name expansion"},
        {"$t60", "x", 0, "the $name references in it multiply too far"},
        {"$t60", "", 0, "the $name references in it multiply too far"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char error[256] = "";
        char seed[512];

        strcpy(seed, cases[i].seed);
        char *result = expand_value(NULL, cases[i].text, generated, seed, error, sizeof(error));
        assert_int_equal(result == NULL, cases[i].error != NULL);
        if (cases[i].error != NULL)
            assert_string_equal(error, cases[i].error);
        else
            assert_int_equal(strlen(result), cases[i].length);
        free(result);
    }
}

/* References inside references, by text alone. */
static void deep_text(void **state)
{
    (void)state;
    for (int depth = 90; depth < 5000; depth = depth * 3 / 2) {
        struct text text = {0};
        char error[256] = "";

        for (int i = 0; i < depth; i++)
            text_add_string(&text, "${a?");
        text_add_string(&text, "x");
        for (int i = 0; i < depth; i++)
            text_add_string(&text, "}");
        char *result = expand_value(NULL, text.data, lookup, NULL, error, sizeof(error));
        if (depth <= EXPAND_MAX_DEPTH)
            assert_string_equal(result, "x");
        else
            assert_null(result);
        free(result);
        text_free(&text);
    }
}

static void largest_value(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        size_t length = EXPAND_MAX_OUTPUT + more;
        char error[256] = "";
        char *text = malloc(length + 1);

        assert_non_null(text);
        memset(text, 'x', length);
        text[length] = '\0';
        char *result = expand_value("a", text, lookup, NULL, error, sizeof(error));
        assert_int_equal(result != NULL, more == 0);
        free(result);
        free(text);
    }
}

static void versions(void **state)
{
    (void)state;
    static const char *const ordered[] = {"0",         "0.0.1", "1",     "2.0.5",         "3",
                                          "3.1",       "3.6",   "3.10",  "3.11",          "3.11.1",
                                          "3.11.1023", "3.12",  "4.0.1", "1023.1023.1023"};
    static const char *const malformed[] = {"",
                                            "x",
                                            "3.",
                                            ".3",
                                            "3..1",
                                            "3.1.",
                                            "3.x",
                                            "3.1.x",
                                            "-1",
                                            "+1",
                                            " 3",
                                            "3 ",
                                            "3,1",
                                            "3.1024",
                                            "1024",
                                            "3.1.1.1",
                                            "99999999999999999999"};
    long before = -1;

    for (size_t i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++) {
        long level;

        assert_int_equal(version_parse(ordered[i], &level), 0);
        assert_true(level > before);
        before = level;
    }
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        long level;

        if (version_parse(malformed[i], &level) == 0)
            fail_msg("\"%s\" was taken for a version", malformed[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),     cmocka_unit_test(own_name),      cmocka_unit_test(bounds),
        cmocka_unit_test(deep_text), cmocka_unit_test(largest_value), cmocka_unit_test(versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
