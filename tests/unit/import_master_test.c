/*
 * import_master_test.c: the syntax of master.cf. Each row is a file, what is read from it as
 * "line:name type columns command [others] name=value...|" and what is reported as "E text|" or
 * "W text|" (without the file's name).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/import_master.h"
#include "policy/text.h"

#define FILE_NAME "F"
#define INET "inet n - y - - "

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity],
                strncmp(text, FILE_NAME ", ", 3) == 0 ? text + 3 : text);
}

struct row {
    const char *name;
    const char *text;
    const char *services;
    const char *findings;
    size_t length; /* 0: strlen */
};

static const struct row rows[] = {
    {"empty file", "", "", "", 0},
    {"comments only", "# a\n  # b\n\n", "", "", 0},
    {"one service", "smtp " INET "smtpd\n", "1:smtp inet n-y-- smtpd []|", "", 0},
    {"no newline at the end", "smtp " INET "smtpd", "1:smtp inet n-y-- smtpd []|", "", 0},
    {"tabs", "smtp\tinet\tn\t-\tn\t-\t10\tsmtpd\n", "1:smtp inet n-n-10 smtpd []|", "", 0},
    {"carriage returns", "smtp " INET "smtpd\r\n", "1:smtp inet n-y-- smtpd []|", "", 0},
    {"option", "s " INET "smtpd -o a=b\n", "1:s inet n-y-- smtpd [] a=b|", "", 0},
    {"option without a blank", "s " INET "smtpd -oa=b\n", "1:s inet n-y-- smtpd [] a=b|", "", 0},
    {"empty value", "s " INET "smtpd -o a=\n", "1:s inet n-y-- smtpd [] a=|", "", 0},
    {"= in a value", "s " INET "smtpd -o a=b=c\n", "1:s inet n-y-- smtpd [] a=b=c|", "", 0},
    {"option in braces", "s " INET "smtpd -o { a = b c, d }\n", "1:s inet n-y-- smtpd [] a=b c, d|",
     "", 0},
    {"braces in braces", "s " INET "smtpd -o { a = { b c } }\n",
     "1:s inet n-y-- smtpd [] a={ b c }|", "", 0},
    {"braces inside a value", "s " INET "smtpd -o a=${b?{c d}}\n",
     "1:s inet n-y-- smtpd [] a=${b?{c d}}|", "", 0},
    {"other arguments", "s " INET "smtpd -v -o a=b -D\n", "1:s inet n-y-- smtpd [-v -D] a=b|", "",
     0},
    {"continuation lines", "s " INET "smtpd\n  -o a=b\n\t-o c=d\nt " INET "smtpd\n",
     "1:s inet n-y-- smtpd [] a=b c=d|4:t inet n-y-- smtpd []|", "", 0},
    {"comment inside a service", "s " INET "smtpd\n#x\n # y\n\n  -o a=b\n",
     "1:s inet n-y-- smtpd [] a=b|", "", 0},
    {"the same option twice", "s " INET "smtpd -o a=b -o a=c\n", "1:s inet n-y-- smtpd [] a=b a=c|",
     "", 0},
    {"all types",
     "a unix - - - - - x\nb fifo n - n 60? 1 x\nc pass - n y 0 0 x\nd unix-dgram n - n - 1 x\n",
     "1:a unix ----- x []|2:b fifo n-n60?1 x []|3:c pass -ny00 x []|4:d unix-dgram n-n-1 x []|", "",
     0},
    {"pipe", "m unix - n n - - pipe\n flags=R user=v argv=/bin/m -d ${r}\n",
     "1:m unix -nn-- pipe [flags=R user=v argv=/bin/m -d ${r}]|", "", 0},
    {"indented first line", "  s " INET "smtpd\nt " INET "smtpd\n", "2:t inet n-y-- smtpd []|",
     "W line 1: logical line must not start with whitespace: \"  s inet n - y - - smtpd\"|", 0},
    {"too few fields", "smtp inet n - y -\n", "",
     "E line 1: too few fields: \"smtp inet n - y -\"|", 0},
    {"no command", "smtp inet n - y - -\n", "",
     "E line 1: too few fields: \"smtp inet n - y - -\"|", 0},
    {"bad type", "smtp tcp n - y - - smtpd\n", "", "E line 1: invalid transport type: \"tcp\"|", 0},
    {"bad column", "smtp inet n - x - - smtpd\n", "", "E line 1: chroot: invalid field: \"x\"|", 0},
    {"private inet", "smtp inet - - y - - smtpd\n", "",
     "E line 1: an inet service must be non-private: \"smtp\"|", 0},
    {"bad wakeup", "s unix - - y x - p\n", "", "E line 1: invalid wakeup time: \"x\"|", 0},
    {"bad process limit", "s unix - - y - x p\n", "", "E line 1: invalid process limit: \"x\"|", 0},
    {"-o at the end", "s " INET "smtpd -o\n", "", "E line 1: nothing follows -o|", 0},
    {"-o without =", "s " INET "smtpd -o a\n", "",
     "E line 1: missing '=' after attribute name: \"a\"|", 0},
    {"-o without a name", "s " INET "smtpd -o =a\n", "", "E line 1: bad attribute name: \"=a\"|",
     0},
    {"-o with a blank in the name", "s " INET "smtpd -o { a b = c }\n", "",
     "E line 1: bad attribute name: \"a b = c\"|", 0},
    {"open brace", "s " INET "smtpd -o { a = b\n", "", "E line 1: unbalanced braces: \"{ a = b\"|",
     0},
    {"text behind braces", "s " INET "smtpd -o {a=b}c\n", "",
     "E line 1: unbalanced braces: \"{a=b}c\"|", 0},
    {"the rest is read after an error", "bad\ns " INET "smtpd\n", "2:s inet n-y-- smtpd []|",
     "E line 1: too few fields: \"bad\"|", 0},
    {"NUL byte", "s " INET "smtpd\n\0", "", "E line 1: NUL byte: this is not a text file|",
     sizeof("s " INET "smtpd\n")},
};

static void render(const struct master_cf *file, struct text *out)
{
    text_add(out, "", 0);
    for (size_t i = 0; i < file->count; i++) {
        const struct master_service *service = &file->services[i];

        text_format(out, "%u:%s %s ", service->line, service->name, service->type);
        for (int k = 0; k < MASTER_COLUMNS; k++)
            text_add_string(out, service->columns[k]);
        text_format(out, " %s [%s]", service->command, service->others);
        for (size_t k = 0; k < service->option_count; k++)
            text_format(out, " %s=%s", service->options[k].name, service->options[k].value);
        text_add_char(out, '|');
    }
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct text findings = {0};
        struct text services = {0};
        struct diag diag = {.sink = collect, .ctx = &findings};
        struct master_cf file;
        size_t length = row->length != 0 ? row->length : strlen(row->text);
        char *copy = text_copy_n("", 0);

        /* Exactly as large as it is, so that the sanitizer sees a byte too many. */
        copy = realloc(copy, length + 1);
        assert_non_null(copy);
        memcpy(copy, row->text, length);
        copy = realloc(copy, length > 0 ? length : 1);
        int status = master_cf_parse(FILE_NAME, copy, length, &file, &diag);

        text_add(&findings, "", 0);
        render(&file, &services);
        if (strcmp(services.data, row->services) != 0 || strcmp(findings.data, row->findings) != 0)
            fail_msg("%s: got\n%s\n%s", row->name, services.data, findings.data);
        assert_int_equal(status, diag.errors == 0 ? 0 : -1);
        master_cf_free(&file);
        text_free(&services);
        text_free(&findings);
        free(copy);
    }
}

static void lookups(void **state)
{
    static const char text[] = "smtp unix - - n - - smtp -o a=u\nsmtp inet n - n - - smtpd -o a=b "
                               "-o c=d -o a=\n";
    struct diag diag = {0};
    struct master_cf file;

    (void)state;
    assert_int_equal(master_cf_parse(FILE_NAME, text, strlen(text), &file, &diag), 0);
    const struct master_service *service = master_cf_find(&file, "smtp", "inet");
    assert_non_null(service);
    assert_int_equal(service->line, 2);
    assert_string_equal(master_service_option(service, "a"), "");
    assert_string_equal(master_service_option(service, "c"), "d");
    assert_null(master_service_option(service, "x"));
    assert_null(master_cf_find(&file, "smtp", "pass"));
    master_cf_free(&file);
}

/* COUNT times a text, between two others. */
static char *repeat(const char *before, const char *text, size_t count, const char *after)
{
    struct text out = {0};

    text_add_string(&out, before);
    for (size_t i = 0; i < count; i++)
        text_add_string(&out, text);
    text_add_string(&out, after);
    return text_take(&out);
}

static void limits(void **state)
{
    static const struct {
        const char *before;
        const char *text;
        size_t most;
        const char *message;
    } cases[] = {
        {"", "s inet n - - - - smtpd\n", MASTER_MAX_SERVICES, "too many services"},
        {"s inet n - - - - smtpd", " -o a=b", MASTER_MAX_OPTIONS, "too many -o options"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t more = 0; more < 2; more++) {
            struct text findings = {0};
            struct diag diag = {.sink = collect, .ctx = &findings};
            struct master_cf file;
            char *text = repeat(cases[i].before, cases[i].text, cases[i].most + more, "");
            int status = master_cf_parse(FILE_NAME, text, strlen(text), &file, &diag);

            assert_int_equal(status, more == 0 ? 0 : -1);
            assert_true(more == 0 || strstr(findings.data, cases[i].message) != NULL);
            master_cf_free(&file);
            text_free(&findings);
            free(text);
        }
    }
}

static void many_errors(void **state)
{
    struct text findings = {0};
    struct diag diag = {.sink = collect, .ctx = &findings};
    struct master_cf file;
    char *text = repeat("", "bad\n", 1000, "");

    (void)state;
    assert_int_equal(master_cf_parse(FILE_NAME, text, strlen(text), &file, &diag), -1);
    assert_int_equal(diag.errors, MASTER_MAX_ERRORS + 1);
    assert_non_null(strstr(findings.data, "too many errors"));
    master_cf_free(&file);
    text_free(&findings);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(lookups),
        cmocka_unit_test(limits),
        cmocka_unit_test(many_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
