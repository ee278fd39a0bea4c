/*
 * smtp_command_test.c: command lines, BDAT and the SIZE parameter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/smtp_command.h"

#define TEXT(literal) literal, sizeof(literal) - 1

struct parse_case {
    const char *line;
    size_t length;
    enum smtp_verb verb;
    const char *args;
    const char *whole; /* what is forwarded */
};

static const struct parse_case parse_cases[] = {
    {TEXT("EHLO mx.example"), SMTP_EHLO, "mx.example", "EHLO mx.example"},
    {TEXT("ehlo\tmx.example \t"), SMTP_EHLO, "mx.example", "ehlo\tmx.example"},
    {TEXT("hElO"), SMTP_HELO, "", "hElO"},
    {TEXT("  quit  "), SMTP_QUIT, "", "  quit"},
    {TEXT("MAIL FROM:<a@b> SIZE=1"), SMTP_MAIL, "FROM:<a@b> SIZE=1", "MAIL FROM:<a@b> SIZE=1"},
    {TEXT("MAILFROM:<a@b>"), SMTP_UNKNOWN, "", "MAILFROM:<a@b>"},
    {TEXT("DATA\r"), SMTP_DATA, "", "DATA"},
    {TEXT("RSET\rX"), SMTP_RSET, "X", "RSET X"},
    {TEXT("\rNOOP"), SMTP_NOOP, "", " NOOP"},
    {TEXT("STARTTLS\0 MAIL FROM:<>"), SMTP_STARTTLS, "", "STARTTLS"},
    {TEXT("XCLI\0ENT"), SMTP_UNKNOWN, "", "XCLI"},
    {TEXT("xclient\vADDR=192.0.2.1"), SMTP_XCLIENT, "ADDR=192.0.2.1", "xclient\vADDR=192.0.2.1"},
    {TEXT("XFORWARD NAME=x"), SMTP_XFORWARD, "NAME=x", "XFORWARD NAME=x"},
    {TEXT("\"DATA\""), SMTP_UNKNOWN, "", "\"DATA\""},
    {TEXT("DATAS"), SMTP_UNKNOWN, "", "DATAS"},
    {TEXT("DAT"), SMTP_UNKNOWN, "", "DAT"},
    {TEXT("UNKNOWN x"), SMTP_UNKNOWN, "x", "UNKNOWN x"},
    {TEXT(""), SMTP_UNKNOWN, "", ""},
    {TEXT(" \t\r"), SMTP_UNKNOWN, "", ""},
    {TEXT("\0QUIT"), SMTP_UNKNOWN, "", ""},
    {TEXT("VRFY a b"), SMTP_VRFY, "a b", "VRFY a b"},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof parse_cases / sizeof *parse_cases; i++) {
        const struct parse_case *c = &parse_cases[i];
        char *line = malloc(c->length + 1);
        memcpy(line, c->line, c->length);
        struct smtp_command command;
        smtp_command_parse(line, c->length, &command);
        assert_int_equal(command.verb, c->verb);
        assert_int_equal(command.args_length, strlen(c->args));
        assert_memory_equal(command.args, c->args, command.args_length);
        assert_int_equal(command.length, strlen(c->whole));
        assert_memory_equal(line, c->whole, command.length);
        assert_int_equal(command.empty, c->whole[0] == '\0');
        free(line);
    }
}

static void test_verbs(void **state)
{
    (void)state;
    assert_string_equal(smtp_verb_name(SMTP_EHLO), "EHLO");
    assert_string_equal(smtp_verb_name(SMTP_UNKNOWN), "UNKNOWN");
    assert_true(smtp_verb_pre_tls(SMTP_QUIT));
    assert_false(smtp_verb_pre_tls(SMTP_MAIL));
    assert_true(smtp_verb_last(SMTP_DATA));
    assert_false(smtp_verb_last(SMTP_STARTTLS));
    assert_false(smtp_verb_last(SMTP_BDAT));
}

struct bdat_case {
    const char *line;
    int result;
    uint64_t size;
    bool last;
};

static const struct bdat_case bdat_cases[] = {
    {"BDAT 0", 0, 0, false},
    {"BDAT 0 LAST", 0, 0, true},
    {"bdat  10\tlast ", 0, 10, true},
    {"BDAT 00012", 0, 12, false},
    {"BDAT 3000000000 LAST", 0, 3000000000, true},
    {"BDAT 9223372036854775807", 0, INT64_MAX, false},
    {"BDAT 9223372036854775808", -1, 0, false},
    {"BDAT 18446744073709551617", -1, 0, false},
    {"BDAT 99999999999999999999999", -1, 0, false},
    {"BDAT", -1, 0, false},
    {"BDAT LAST", -1, 0, false},
    {"BDAT 1 LASTS", -1, 0, false},
    {"BDAT 1 LAST x", -1, 0, false},
    {"BDAT 1LAST", -1, 0, false},
    {"BDAT -1", -1, 0, false},
    {"BDAT +1", -1, 0, false},
    {"BDAT 0x1", -1, 0, false},
    {"BDAT 1.", -1, 0, false},
};

static void test_bdat(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bdat_cases / sizeof *bdat_cases; i++) {
        const struct bdat_case *c = &bdat_cases[i];
        char *line = strdup(c->line);
        struct smtp_command command;
        smtp_command_parse(line, strlen(line), &command);
        uint64_t size = 77;
        bool last = false;
        assert_int_equal(smtp_bdat_parse(&command, &size, &last), c->result);
        if (c->result == 0) {
            assert_true(size == c->size);
            assert_int_equal(last, c->last);
        }
        free(line);
    }
}

struct size_case {
    const char *line;
    uint64_t added;
    const char *result;
};

static const struct size_case size_cases[] = {
    {"MAIL FROM:<a@b> SIZE=1000", 24, "MAIL FROM:<a@b> SIZE=1024"},
    {"MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME", 24, "MAIL FROM:<a@b> SIZE=1024 BODY=8BITMIME"},
    {"mail from: <a@b> BODY=7BIT size=999", 1, "mail from: <a@b> BODY=7BIT size=1000"},
    {"MAIL FROM:a@b SIZE=0", 7, "MAIL FROM:a@b SIZE=7"},
    {" MAIL  FROM:<> SIZE=1", 1, " MAIL  FROM:<> SIZE=2"},
    {"MAIL FROM:<a@b>", 9, "MAIL FROM:<a@b>"},
    {"MAIL FROM:<a@b> SIZE=", 9, "MAIL FROM:<a@b> SIZE="},
    {"MAIL FROM:<a@b> SIZE=1k", 9, "MAIL FROM:<a@b> SIZE=1k"},
    {"MAIL FROM:<a@b> SIZE=-1", 9, "MAIL FROM:<a@b> SIZE=-1"},
    {"MAIL FROM:<a@b> XSIZE=1", 9, "MAIL FROM:<a@b> XSIZE=1"},
    {"MAIL FROM:<a@b> SIZEX=1", 9, "MAIL FROM:<a@b> SIZEX=1"},
    {"MAIL FROM:<a@b>SIZE=1", 9, "MAIL FROM:<a@b>SIZE=1"},
    {"MAIL FROM: SIZE=1", 9, "MAIL FROM: SIZE=1"},
    {"MAIL FROM:<\"x> SIZE=1 \"@b> SIZE=2", 1, "MAIL FROM:<\"x> SIZE=1 \"@b> SIZE=3"},
    {"MAIL FROM:<\"\\\"> SIZE=1 \"@b> SIZE=2", 1, "MAIL FROM:<\"\\\"> SIZE=1 \"@b> SIZE=3"},
    {"MAIL FROM:\"a SIZE=1\"@b SIZE=2", 1, "MAIL FROM:\"a SIZE=1\"@b SIZE=3"},
    {"MAIL FROM:<a\\> SIZE=1> SIZE=2", 1, "MAIL FROM:<a\\> SIZE=1> SIZE=3"},
    {"MAIL FROM:<a SIZE=1", 1, "MAIL FROM:<a SIZE=1"},
    {"MAIL FROM:<a@b> SIZE=9223372036854775806", 1, "MAIL FROM:<a@b> SIZE=9223372036854775807"},
    {"MAIL FROM:<a@b> SIZE=9223372036854775800", 100, "MAIL FROM:<a@b> SIZE=9223372036854775807"},
    {"MAIL FROM:<a@b> SIZE=9223372036854775808", 1, "MAIL FROM:<a@b> SIZE=9223372036854775808"},
    {"MAIL FROM:<a@b> SIZE=99999999999999999999", 1, "MAIL FROM:<a@b> SIZE=99999999999999999999"},
    {"MAIL FROM:<a@b> SIZE=1", UINT64_MAX, "MAIL FROM:<a@b> SIZE=9223372036854775807"},
    {"MAIL", 1, "MAIL"},
};

static void test_add_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof size_cases / sizeof *size_cases; i++) {
        const struct size_case *c = &size_cases[i];
        size_t expected = strlen(c->result);
        char out[128] = "";
        size_t length = smtp_mail_add_size(c->line, strlen(c->line), c->added, out, sizeof out - 1);
        assert_string_equal(out, c->result);
        assert_int_equal(length, expected);
        assert_int_equal(smtp_mail_add_size(c->line, strlen(c->line), c->added, out, expected),
                         expected);
        assert_int_equal(smtp_mail_add_size(c->line, strlen(c->line), c->added, out, expected - 1),
                         0);
    }
}

struct without_case {
    const char *line, *result;
};

static const struct without_case without_cases[] = {
    {"MAIL FROM:<a@b> REQUIRETLS", "MAIL FROM:<a@b>"},
    {"mail from:<a@b>  requiretls  SIZE=1", "mail from:<a@b>  SIZE=1"},
    {"MAIL FROM:<a@b> SIZE=1 REQUIRETLS BODY=8BITMIME RequireTLS",
     "MAIL FROM:<a@b> SIZE=1 BODY=8BITMIME"},
    {"  MAIL  FROM: <a@b> REQUIRETLS X", "  MAIL  FROM: <a@b> X"},
    {"MAIL FROM:<a@b> REQUIRETLS=x", "MAIL FROM:<a@b> REQUIRETLS=x"},
    {"MAIL FROM:<a@b> XREQUIRETLS REQUIRETLSX", "MAIL FROM:<a@b> XREQUIRETLS REQUIRETLSX"},
    {"MAIL FROM:<\"x> REQUIRETLS \"@b>", "MAIL FROM:<\"x> REQUIRETLS \"@b>"},
    {"MAIL FROM:<a REQUIRETLS", "MAIL FROM:<a REQUIRETLS"},
    {"MAIL FROM:REQUIRETLS", "MAIL FROM:REQUIRETLS"},
    {"MAIL REQUIRETLS", "MAIL REQUIRETLS"},
    {"MAIL", "MAIL"},
};

static void test_without(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof without_cases / sizeof *without_cases; i++) {
        char line[128], out[128] = "";
        struct smtp_command command;
        strcpy(line, without_cases[i].line);
        smtp_command_parse(line, strlen(line), &command);
        size_t length = smtp_command_without(&command, line, "REQUIRETLS", out);
        assert_string_equal(out, without_cases[i].result);
        assert_int_equal(length, strlen(out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_bdat),    cmocka_unit_test(test_add_size),
        cmocka_unit_test(test_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
