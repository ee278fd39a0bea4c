/*
 * word_list_test.c: lists of words with files and regexp tables: what they match, and what is
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/word_list.h"

static void no_sink(void *ctx, enum diag_severity severity, const char *text)
{
    (void)ctx;
    (void)severity;
    (void)text;
}

static struct word_list *load(const char *value)
{
    struct diag diag = {.sink = no_sink};

    return word_list_load("smtpd_forbidden_commands", value, "test", &diag);
}

struct match_case {
    const char *value;
    const char *in;  /* words that match */
    const char *out; /* words that do not */
};

static const struct match_case match_cases[] = {
    {"", "", "GET a ."},
    {"CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}", "GET get Connect POST . 1x :a", "GETS FOO a"},
    {"a, B\tc", "A b C", "d ab"},
    {"!a static:all", "b c", "a A"},
    {"!!a", "a", "b"},
    {"!regexp:{{/^a/ no}} static:x", "b", "a ab AB"},
    {"regexp:{{/^a/i no}, { !/^[a-m]/ no }}", "ab zz", "b"},
    {"regexp:{{#^x\\#y# no}}", "x#y", "x"},
    {"regexp:{{/a+b/x no}}", "a+b", "aab"},
    {"regexp:{}", "", "a"},
};

/* Each word of WORDS is, or is not, in LIST. */
static void check_words(const struct word_list *list, const char *words, bool wanted)
{
    for (size_t length; *words != '\0'; words += length + (words[length] == ' ')) {
        length = strcspn(words, " ");
        if (word_list_match(list, words, length) != wanted)
            fail_msg("%.*s", (int)length, words);
    }
}

static void test_matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(match_cases) / sizeof(match_cases[0]); i++) {
        struct word_list *list = load(match_cases[i].value);

        assert_non_null(list);
        check_words(list, match_cases[i].in, true);
        check_words(list, match_cases[i].out, false);
        word_list_free(list);
    }
}

static void test_mistakes(void **state)
{
    static const char *const values[] = {
        "!",
        "#a",
        "hash:/etc/x",
        "regexp:x",
        "regexp:{",
        "regexp:{/a/ b}",
        "regexp:{{/a/}}",
        "regexp:{{/a b}}",
        "regexp:{{/(/ b}}",
        "regexp:{{/a/q b}}",
        "regexp:{{if /a/}}",
        "regexp:{{!}}",
        "regexp:/nonexistent",
        "/nonexistent",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (load(values[i]) != NULL)
            fail_msg("%s", values[i]);
    }
}

/* Lists and tables in files; a file that names itself. */
static void test_files(void **state)
{
    char list_path[] = "/tmp/word_list_test.XXXXXX";
    char table_path[] = "/tmp/word_list_test.XXXXXX";
    char value[200];
    FILE *list_file = fdopen(mkstemp(list_path), "w");
    FILE *table_file = fdopen(mkstemp(table_path), "w");

    (void)state;
    fprintf(list_file, "# comment\none two\n  three\nregexp:%s\n", table_path);
    fprintf(table_file, "# comment\n/^x/ OK\n!/^[a-z]/\n  OK\n");
    fclose(list_file);
    fclose(table_file);
    snprintf(value, sizeof(value), "!two %s", list_path);
    struct word_list *list = load(value);
    assert_non_null(list);
    check_words(list, "one three xy 5", true);
    check_words(list, "two four", false);
    word_list_free(list);
    list_file = fopen(list_path, "w");
    fprintf(list_file, "%s\n", list_path);
    fclose(list_file);
    assert_null(load(value));
    unlink(list_path);
    unlink(table_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
