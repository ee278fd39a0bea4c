/* What strangers sent, in each of the forms in which a report shows it; and what a report can be
 * asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/report_escape.h"
#include "proxy/report_options.h"

#define NOW INT64_C(1800000000) /* 2027-01-15 08:00:00 */

/* What WRITE makes of TEXT; the caller frees. */
static char *written(void (*write)(FILE *out, const char *text), const char *text)
{
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);
    assert_non_null(out);
    write(out, text);
    assert_int_equal(fclose(out), 0);
    return result;
}

static void terminal_all(FILE *out, const char *text)
{
    report_escape_terminal(out, text, 0);
}

static void terminal_eight(FILE *out, const char *text)
{
    report_escape_terminal(out, text, 8);
}

static void escapes(void **state)
{
    static const struct {
        void (*write)(FILE *out, const char *text);
        const char *text;
        const char *expected;
    } cases[] = {
        {terminal_all, "mail.example", "mail.example"},
        {terminal_all, "\x1b[31mred\x07\x9b\x7f\n\r\t", "?[31mred??????"},
        {terminal_all,
         "\xe2\x80\xae"
         "drowssap",
         "???drowssap"},
        {terminal_eight, "12345678", "12345678"},
        {terminal_eight, "123456789", "1234567+"},
        {report_escape_html, "<b a='1' c=\"2\">&amp;",
         "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;"},
        {report_escape_html, "a\x01\xff\nb", "a???b"},
        {report_escape_csv, "", "\"\""},
        {report_escape_csv, "a,\"b\"", "\"a,\"\"b\"\"\""},
        {report_escape_csv, "a\r\nb", "\"a??b\""},
        {report_escape_csv, "=1+1", "\"'=1+1\""},
        {report_escape_csv, "+1", "\"'+1\""},
        {report_escape_csv, "-1", "\"'-1\""},
        {report_escape_csv, "@SUM(A1)", "\"'@SUM(A1)\""},
        {report_escape_csv, "  =1", "\"'  =1\""},
        {report_escape_csv, "\t=1", "\"?=1\""},
        {report_escape_csv, "a=1", "\"a=1\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *found = written(cases[i].write, cases[i].text);
        assert_string_equal(found, cases[i].expected);
        free(found);
    }
}

static void numbers(void **state)
{
    char out[REPORT_NUMBER_MAX];

    (void)state;
    assert_string_equal(report_number(0, out), "0");
    assert_string_equal(report_number(999, out), "999");
    assert_string_equal(report_number(1000, out), "1,000");
    assert_string_equal(report_number(-123456, out), "-123,456");
    assert_string_equal(report_number(-1234, out), "-1,234");
    assert_string_equal(report_number(INT64_MIN, out), "-9,223,372,036,854,775,808");
    assert_string_equal(report_amount(999, out), "999");
    assert_string_equal(report_amount(1000, out), "1.0k");
    assert_string_equal(report_amount(999999, out), "1.0M");
    assert_string_equal(report_amount(INT64_MAX, out), "9.2E");
    assert_string_equal(report_date(NOW, out), "2027-01-15");
    assert_string_equal(report_date(INT64_MAX, out), "?");
}

static void since(void **state)
{
    static const char *const wrong[] = {
        "",           "d",          "7",         "-7d",         "7d ",
        "2026-02-30", "2026-13-01", "2026-1-1",  "2026-01-011", "1969-12-31",
        "2026-00-10", "yesterday",  "99999999d", "2026-01-01T", "99999999999999999999d"};

    (void)state;
    assert_int_equal(report_since_parse("0d", NOW), NOW);
    assert_int_equal(report_since_parse("7d", NOW), NOW - 7 * 86400);
    assert_int_equal(report_since_parse("1970-01-01", NOW), 0);
    assert_int_equal(report_since_parse("2024-02-29", NOW), 1709164800);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (report_since_parse(wrong[i], NOW) != -1)
            fail_msg("\"%s\" was taken", wrong[i]);
}

/* What is wrong with "report WORDS"; NULL: nothing. */
static const char *parse(const char *words, struct report_options *options)
{
    static char line[256];
    static char error[256];
    char *argv[16] = {(char *)"report"};
    char *rest = NULL;
    int argc = 1;

    snprintf(line, sizeof(line), "%s", words);
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    return report_options_parse(argc, argv, NOW, options, error, sizeof(error));
}

static void options(void **state)
{
    struct report_options found;

    (void)state;
    assert_null(parse("", &found));
    assert_int_equal(found.format, REPORT_TEXT);
    assert_int_equal(found.filter.since, 0);
    assert_false(found.filter.has_network || found.filter.failing);
    assert_null(parse("--since 7d --peer 192.0.2.0/24 --failing --protocol tlsv1.0 --limit 5"
                      " --html page",
                      &found));
    assert_int_equal(found.format, REPORT_HTML);
    assert_string_equal(found.file, "page");
    assert_int_equal(found.limit, 5);
    assert_int_equal(found.filter.since, NOW - 7 * 86400);
    assert_true(found.filter.has_network && found.filter.failing);
    assert_int_equal(found.filter.network.length, 24);
    assert_string_equal(found.filter.protocol, "TLSv1");
    assert_non_null(parse("--json --csv", &found));
    assert_non_null(parse("--peer 192.0.2.1/24", &found));
    assert_non_null(parse("--limit 5x", &found));
    assert_non_null(parse("--html", &found));
    assert_non_null(parse("--protocol SSLv3", &found));
    assert_non_null(parse("word", &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(escapes), cmocka_unit_test(numbers),
                                       cmocka_unit_test(since), cmocka_unit_test(options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
