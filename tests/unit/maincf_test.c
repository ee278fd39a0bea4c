/*
 * maincf_test.c: the syntax of main.cf, rule by rule. Each row is a file, what is read from it as
 * "line:name=value|" and what is reported as "E text|" or "W text|" (without the file's name).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/maincf.h"
#include "policy/text.h"

#define FILE_NAME "F"

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

struct row {
    const char *name;
    const char *text;
    const char *entries;
    const char *findings;
    size_t length; /* 0: strlen */
};

#define MISSING_EQ "missing '=' after attribute name: "
#define NUL_ERROR "NUL byte: this is not a text file|"

static const struct row rows[] = {
    {"empty file", "", "", "", 0},
    {"only a newline", "\n", "", "", 0},
    {"one setting", "a = b\n", "1:a=b|", "", 0},
    {"no newline at the end", "a = b", "1:a=b|", "", 0},
    {"no blanks around =", "a=b\n", "1:a=b|", "", 0},
    {"tabs around =", "a\t=\tb\n", "1:a=b|", "", 0},
    {"trailing blanks", "a = b \t \n", "1:a=b|", "", 0},
    {"carriage return at the end", "a = b\r\n", "1:a=b|", "", 0},
    {"vertical tab and form feed are blanks", "a\v=\fb\f\n", "1:a=b|", "", 0},
    {"blanks inside a value stay", "a = b  c\td\n", "1:a=b  c\td|", "", 0},
    {"empty value", "a =\n", "1:a=|", "", 0},
    {"empty value without newline", "a=", "1:a=|", "", 0},
    {"= in a value", "a = b=c = d\n", "1:a=b=c = d|", "", 0},
    {"odd characters in a name", "a-b.c/d = e\n", "1:a-b.c/d=e|", "", 0},
    {"names keep their case", "CAfile = x\ncafile = y\n", "1:CAfile=x|2:cafile=y|", "", 0},
    {"two settings", "a = b\nc = d\n", "1:a=b|2:c=d|", "", 0},
    {"continuation keeps its blanks", "a = b\n  c\n", "1:a=b  c|", "", 0},
    {"continuation by a tab", "a = b\n\tc\n", "1:a=b\tc|", "", 0},
    {"several continuations", "a = b,\n c,\n d\ne = f\n", "1:a=b, c, d|4:e=f|", "", 0},
    {"value begins on the next line", "a =\n b\n", "1:a=b|", "", 0},
    {"= on the next line", "a\n = b\n", "1:a=b|", "", 0},
    {"comment at the beginning", "# c\na = b\n", "2:a=b|", "", 0},
    {"indented comment at the beginning", "  # c\na = b\n", "2:a=b|", "", 0},
    {"comment without newline", "a = b\n#c", "1:a=b|", "", 0},
    {"comment between continuations", "a = b\n# c\n d\n", "1:a=b d|", "", 0},
    {"indented comment between continuations", "a = b\n  # c\n d\n", "1:a=b d|", "", 0},
    {"empty line between continuations", "a = b\n\n d\n", "1:a=b d|", "", 0},
    {"blank line between continuations", "a = b\n \t\n d\n", "1:a=b d|", "", 0},
    {"many of them", "a = b\n\n#\n \n # x\n d\ne=f", "1:a=b d|7:e=f|", "", 0},
    {"comment between settings", "a = b\n# c\nd = e\n", "1:a=b|3:d=e|", "", 0},
    {"a comment is not continued", "# c\n d = e\nf = g\n", "3:f=g|",
     "W F, line 2: logical line must not start with whitespace: \" d = e\"|", 0},
    {"indented first line", " a = b\nc = d\n", "2:c=d|",
     "W F, line 1: logical line must not start with whitespace: \" a = b\"|", 0},
    {"its continuations go with it", " a = b\n c\nd = e\n", "3:d=e|",
     "W F, line 1: logical line must not start with whitespace: \" a = b c\"|", 0},
    {"it is cut in the message", " 0123456789012345678901234567890\n", "",
     "W F, line 1: logical line must not start with whitespace: "
     "\" 01234567890123456789012345678...\"|",
     0},
    {"missing =", "a b\n", "", "E F, line 1: " MISSING_EQ "\"a b\"|", 0},
    {"missing = at the end", "a", "", "E F, line 1: " MISSING_EQ "\"a\"|", 0},
    {"text at the first column", "a = b,\npermit_mynetworks,reject\n", "1:a=b,|",
     "E F, line 2: " MISSING_EQ "\"permit_mynetworks,reject\"|", 0},
    {"missing name", "= b\n", "", "E F, line 1: missing attribute name: \"= b\"|", 0},
    {"reading goes on after an error", "= b\na\nc = d\n", "3:c=d|",
     "E F, line 1: missing attribute name: \"= b\"|E F, line 2: " MISSING_EQ "\"a\"|", 0},
    {"the line is where it began", "\n#\na b\n c\n", "", "E F, line 3: " MISSING_EQ "\"a b c\"|",
     0},
    {"comment after a value", "a = 1 # text\n", "1:a=1 # text|",
     "W F, line 1: #comment after other text is not allowed: # text...|", 0},
    {"reported once a setting", "a = 1 #x\n y #z\n", "1:a=1 #x y #z|",
     "W F, line 1: #comment after other text is not allowed: #x y #z...|", 0},
    {"a # inside a word is none", "a = b#c\n", "1:a=b#c|", "", 0},
    {"a value may begin with #", "a = #b\n", "1:a=#b|", "", 0},
    {"duplicate with another value", "a = b\na = c\n", "1:a=b|2:a=c|",
     "W F, line 2: overriding earlier entry: a=b|", 0},
    {"duplicate with the same value", "a = b\na = b\n", "1:a=b|2:a=b|", "", 0},
    {"three times", "a = b\nx = 1\na = c\na = d\n", "1:a=b|2:x=1|3:a=c|4:a=d|",
     "W F, line 3: overriding earlier entry: a=b|W F, line 4: overriding earlier entry: a=c|", 0},
    {"in the order of the file", "b = 1\na = 1\na = 2\nb = 2\n", "1:b=1|2:a=1|3:a=2|4:b=2|",
     "W F, line 4: overriding earlier entry: b=1|W F, line 3: overriding earlier entry: a=1|", 0},
    {"NUL in a value", "a = b\0c\nd = e\n", "2:d=e|", "E F, line 1: " NUL_ERROR, 14},
    {"NUL in a name", "x=1\na\0 = b\n", "1:x=1|", "E F, line 2: " NUL_ERROR, 11},
    {"NUL in a continuation", "a = b\n c\0\n", "", "E F, line 2: " NUL_ERROR, 10},
    {"NUL in a comment", "# \0\nd = e\n", "2:d=e|", "E F, line 1: " NUL_ERROR, 10},
    {"only the first NUL is reported", "\0\n\0\n", "", "E F, line 1: " NUL_ERROR, 4},
    {"bytes above 127 stay", "a = \xc3\xbc\n", "1:a=\xc3\xbc|", "", 0},
};

static void check_row(const struct row *row)
{
    struct text findings = {0};
    struct text entries = {0};
    struct diag diag = {collect, &findings, 0, 0};
    struct maincf file;
    size_t length = row->length != 0 ? row->length : strlen(row->text);
    /* An exact copy, so that reading one byte too many is noticed. */
    char *exact = malloc(length > 0 ? length : 1);

    assert_non_null(exact);
    memcpy(exact, row->text, length);
    text_add(&findings, "", 0);
    text_add(&entries, "", 0);
    int status = maincf_parse(FILE_NAME, exact, length, &file, &diag);
    for (size_t i = 0; i < file.count; i++)
        text_format(&entries, "%u:%s=%s|", file.entries[i].line, file.entries[i].name,
                    file.entries[i].value);
    if (strcmp(entries.data, row->entries) != 0 || strcmp(findings.data, row->findings) != 0)
        fail_msg("%s: read \"%s\", reported \"%s\"", row->name, entries.data, findings.data);
    assert_int_equal(status, diag.errors == 0 ? 0 : -1);
    maincf_free(&file);
    text_free(&entries);
    text_free(&findings);
    free(exact);
}

static void syntax(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i]);
}

static void long_line(void **state)
{
    (void)state;
    static const size_t sizes[] = {1 << 20, (1 << 20) + 1, 3 << 20};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct diag diag = {0};
        struct maincf file;
        char *text = malloc(sizes[i] + 3);

        assert_non_null(text);
        memset(text, 'x', sizes[i] + 3);
        memcpy(text, "a = ", 4);
        assert_int_equal(maincf_parse(FILE_NAME, text, sizes[i] + 3, &file, &diag), 0);
        assert_int_equal(file.count, 1);
        assert_int_equal(strlen(file.entries[0].value), sizes[i] - 1);
        maincf_free(&file);
        free(text);
    }
}

static void limits(void **state)
{
    (void)state;
    static const struct {
        const char *piece;
        size_t count;
        bool good;
        const char *finding;
    } cases[] = {
        {"a=\n", MAINCF_MAX_ENTRIES, true, ""},
        {"a=\n", MAINCF_MAX_ENTRIES + 1, false, "E F, line 100001: too many settings"},
        {"#23456789abcdef\n", MAINCF_MAX_SIZE / 16, true, ""},
        {"#23456789abcdef\n", MAINCF_MAX_SIZE / 16 + 1, false, "E F: file too large"},
        {"a\n", MAINCF_MAX_ERRORS + 5, false, "too many errors: the rest was not read"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text findings = {0};
        struct text text = {0};
        struct diag diag = {collect, &findings, 0, 0};
        struct maincf file;

        text_add(&findings, "", 0);
        for (size_t j = 0; j < cases[i].count; j++)
            text_add_string(&text, cases[i].piece);
        int status = maincf_parse(FILE_NAME, text.data, text.length, &file, &diag);
        assert_int_equal(status, cases[i].good ? 0 : -1);
        assert_non_null(strstr(findings.data, cases[i].finding));
        assert_true(diag.errors <= MAINCF_MAX_ERRORS + 1);
        maincf_free(&file);
        text_free(&text);
        text_free(&findings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax),
        cmocka_unit_test(long_line),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
