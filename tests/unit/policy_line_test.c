/*
 * policy_line_test.c: lines of a policy table, rule by rule. Each row is a line and what it comes
 * to, or what the message must have, behind a '!'.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy_line.h"
#include "policy/text.h"

#define SHA1 "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD"

static const struct row {
    const char *text;
    const char *result;
} rows[] = {
    /* levels */
    {"192.0.2.1 none", "192.0.2.1/32 none"},
    {"192.0.2.1 may", "192.0.2.1/32 may"},
    {"192.0.2.1 encrypt", "192.0.2.1/32 encrypt"},
    {"192.0.2.1 reject", "192.0.2.1/32 reject"},
    {"192.0.2.1\tEnCrypt", "192.0.2.1/32 encrypt"},
    {"  2001:db8::/32   may  ", "2001:db8::/32 may"},
    {"[2001:db8::]/32 may\r", "2001:db8::/32 may"},
    {"192.0.2.1", "!no level behind the address: specify none, may, encrypt or reject"},
    {"192.0.2.1 # may", "!no level behind the address"},
    {"192.0.2.1 verify", "!unknown level \"verify\": specify none, may, encrypt or reject"},
    {"192.0.2.1 ma", "!unknown level \"ma\""},
    {"192.0.2.1 mays", "!unknown level \"mays\""},
    {"192.0.2.1 = may", "!unknown level \"=\""},
    {"192.0.2.1 protocols=>=TLSv1 may", "!unknown level \"protocols=>=TLSv1\""},
    {"192.0.2.1 may#comment", "!unknown level \"may#comment\""},
    /* patterns */
    {"", "!no address pattern"},
    {"   ", "!no address pattern"},
    {"# comment", "!no address pattern"},
    {"192.0.2.1/24 may", "!perhaps \"192.0.2.0/24\""},
    {"example.org may", "!bad address in \"example.org\""},
    {"if 192.0.2.0/24", "!the longest prefix wins and not the first"},
    {"ENDIF", "!ENDIF is of cidr_table(5)"},
    {"!192.0.2.0/24 may", "!'!' is of cidr_table(5)"},
    /* each attribute */
    {"192.0.2.1 may protocols=>=TLSv1", "192.0.2.1/32 may protocols=>=TLSv1"},
    {"192.0.2.1 may protocols=!SSLv2:!SSLv3", "192.0.2.1/32 may protocols=!SSLv2:!SSLv3"},
    {"192.0.2.1 may ciphers=HIGH", "192.0.2.1/32 may ciphers=high"},
    {"192.0.2.1 may ciphers=export", "192.0.2.1/32 may ciphers=export"},
    {"192.0.2.1 may exclude=3DES:aRSA+SHA1", "192.0.2.1/32 may exclude=3DES:aRSA+SHA1"},
    {"192.0.2.1 may curves=X25519:prime256v1", "192.0.2.1/32 may curves=X25519:prime256v1"},
    {"192.0.2.1 may cipherlist=[A|B]:C", "192.0.2.1/32 may cipherlist=[A|B]:C"},
    {"192.0.2.1 may ccert=no", "192.0.2.1/32 may ccert=1"},
    {"192.0.2.1 may ccert=ASK", "192.0.2.1/32 may ccert=2"},
    {"192.0.2.1 encrypt ccert=require", "192.0.2.1/32 encrypt ccert=3"},
    {"192.0.2.1 may tickets=no", "192.0.2.1/32 may tickets=1"},
    {"192.0.2.1 may tickets=Yes", "192.0.2.1/32 may tickets=2"},
    {"192.0.2.1 may until=2027-06-30", "192.0.2.1/32 may until=2027-6-30"},
    {"192.0.2.1 may note=x", "192.0.2.1/32 may note=x"},
    {"192.0.2.1 may PROTOCOLS=>=TLSv1 Ciphers=high",
     "192.0.2.1/32 may protocols=>=TLSv1 ciphers=high"},
    {"192.0.2.1 may,ciphers=high,,tickets=no", "192.0.2.1/32 may ciphers=high tickets=1"},
    {"192.0.2.1 may ciphers=null", "!BoringSSL has no ciphers without encryption"},
    {"192.0.2.1 may ciphers=strong", "!ciphers=strong: specify high or medium"},
    {"192.0.2.1 may ccert=yes", "!ccert=yes: specify no, ask or require"},
    {"192.0.2.1 may tickets=maybe", "!tickets=maybe: specify yes or no"},
    {"192.0.2.1 may protocols=", "!protocols= has no value"},
    {"192.0.2.1 may protocols= >=TLSv1", "!protocols= has no value"},
    {"192.0.2.1 may note=\"\"", "!note= has no value"},
    {"192.0.2.1 may note=\"  \"", "!note= has no value"},
    {"192.0.2.1 may { note = }", "!note= has no value"},
    {"192.0.2.1 may protocols", "!\"protocols\" is not NAME=VALUE: allowed are protocols="},
    {"192.0.2.1 may {}", "!is not NAME=VALUE"},
    {"192.0.2.1 may protocol=TLSv1", "!unknown attribute \"protocol\", did you mean protocols=?"},
    {"192.0.2.1 may cihpers=high", "!did you mean ciphers=?"},
    {"192.0.2.1 may security=high", "!unknown attribute \"security\": allowed are protocols="},
    {"192.0.2.1 may =x", "!is no attribute"},
    {"192.0.2.1 may protocols=>=TLSv1,<=TLSv1.2", "!within a value, ':' separates"},
    {"192.0.2.1 may tickets=no tickets=no", "!tickets= is given more than once"},
    {"192.0.2.1 may ciphers=high CIPHERS=high", "!ciphers= is given more than once"},
    {"192.0.2.1 may note=a note=b", "!note= is given more than once"},
    /* quotes and braces */
    {"192.0.2.1 may note=\"town hall, room 3\"", "192.0.2.1/32 may note=town hall, room 3"},
    {"192.0.2.1 may note=\" a \t b \"", "192.0.2.1/32 may note=a b"},
    {"192.0.2.1 may note=\"a # b\" # c", "192.0.2.1/32 may note=a # b"},
    {"192.0.2.1 may note=\"{\"", "192.0.2.1/32 may note={"},
    {"192.0.2.1 may { note = a b }", "192.0.2.1/32 may note=a b"},
    {"192.0.2.1 may {note=a\n b} tickets=no", "192.0.2.1/32 may tickets=1 note=a b"},
    {"192.0.2.1 may { note = a { b } \" c }", "192.0.2.1/32 may note=a { b } \" c"},
    {"192.0.2.1 may { protocols = >=TLSv1 <=TLSv1.2 }",
     "192.0.2.1/32 may protocols=>=TLSv1 <=TLSv1.2"},
    {"192.0.2.1 may note=\xc3\xbc", "192.0.2.1/32 may note=\xc3\xbc"},
    {"192.0.2.1 may note=\"a", "!missing '\"'"},
    {"192.0.2.1 may note=\"a\"b", "!text right behind \"a\" in quotes"},
    {"192.0.2.1 may { note = a", "!missing '}'"},
    {"192.0.2.1 may {", "!missing '}'"},
    {"192.0.2.1 may { note = a }b", "!text right behind"},
    {"192.0.2.1 may note=a\"b", "!'\"' inside \"note=a\"b\""},
    {"192.0.2.1 may note=a{b}", "!'{' inside"},
    {"192.0.2.1 may }", "!is not NAME=VALUE"},
    {"192.0.2.1 may note=a\x01z", "!a byte 0x01 in the value"},
    {"192.0.2.1 may note=a\x7fz", "!a byte 0x7f"},
    {"192.0.2.1 may curves=\xc3\xbc", "!a byte 0xc3"},
    /* comments and continuation */
    {"192.0.2.1 may # town hall", "192.0.2.1/32 may"},
    {"192.0.2.1 may # \"town { hall", "192.0.2.1/32 may"},
    {"192.0.2.1 may #", "192.0.2.1/32 may"},
    {"192.0.2.1 may ciphers=high#x", "!ciphers=high#x: specify high"},
    {"192.0.2.1 may note=#3 # x", "192.0.2.1/32 may note=#3"},
    {"192.0.2.1 may # town hall\n ciphers=high", "192.0.2.1/32 may ciphers=high"},
    {"192.0.2.1\n # comment\n may", "192.0.2.1/32 may"},
    {"192.0.2.1 may\n\ttickets=no # x\n ciphers=high # y",
     "192.0.2.1/32 may ciphers=high tickets=1"},
    /* dates */
    {"192.0.2.1 may until=2028-02-29", "192.0.2.1/32 may until=2028-2-29"},
    {"192.0.2.1 may until=2000-01-01", "192.0.2.1/32 may until=2000-1-1"},
    {"192.0.2.1 may until=9999-12-31", "192.0.2.1/32 may until=9999-12-31"},
    {"192.0.2.1 may until=2027-02-29", "!until=2027-02-29 is not a date: specify YYYY-MM-DD"},
    {"192.0.2.1 may until=2100-02-29", "!is not a date"},
    {"192.0.2.1 may until=2027-04-31", "!is not a date"},
    {"192.0.2.1 may until=2027-13-01", "!is not a date"},
    {"192.0.2.1 may until=2027-00-01", "!is not a date"},
    {"192.0.2.1 may until=2027-01-00", "!is not a date"},
    {"192.0.2.1 may until=1969-12-31", "!is not a date"},
    {"192.0.2.1 may until=27-01-01", "!is not a date"},
    {"192.0.2.1 may until=2027-1-01", "!is not a date"},
    {"192.0.2.1 may until=2027/01/01", "!is not a date"},
    {"192.0.2.1 may until=2027-01-01T", "!is not a date"},
    {"192.0.2.1 may until=30.06.2027", "!is not a date"},
    {"192.0.2.1 may until=never", "!is not a date"},
    /* fingerprints */
    {"192.0.2.1 encrypt match=aa:Bb", "192.0.2.1/32 encrypt ccert=3 match=AA:BB"},
    {"192.0.2.1 encrypt match=aabb", "192.0.2.1/32 encrypt ccert=3 match=AA:BB"},
    {"192.0.2.1 encrypt match=aa", "192.0.2.1/32 encrypt ccert=3 match=AA"},
    {"192.0.2.1 encrypt match=" SHA1 "|" SHA1, "192.0.2.1/32 encrypt ccert=3 match=" SHA1 "|" SHA1},
    {"192.0.2.1 encrypt match=aa:bb match=cc:dd|ee:ff ccert=require",
     "192.0.2.1/32 encrypt ccert=3 match=AA:BB|CC:DD|EE:FF"},
    {"192.0.2.1 encrypt { match = aa:bb | cc:dd }",
     "192.0.2.1/32 encrypt ccert=3 match=AA:BB|CC:DD"},
    {"192.0.2.1 encrypt match=aa:b", "!\"aa:b\" is not a fingerprint"},
    {"192.0.2.1 encrypt match=aa:", "!is not a fingerprint"},
    {"192.0.2.1 encrypt match=aa:bbcc", "!is not a fingerprint"},
    {"192.0.2.1 encrypt match=aabb:cc", "!is not a fingerprint"},
    {"192.0.2.1 encrypt match=aab", "!is not a fingerprint"},
    {"192.0.2.1 encrypt match=ag", "!is not a fingerprint"},
    {"192.0.2.1 encrypt match=aa||bb", "!\"\" is not a fingerprint"},
    {"192.0.2.1 encrypt match=aa|", "!is not a fingerprint"},
    {"192.0.2.1 encrypt match=sha256:aa", "!is not a fingerprint"},
    /* what does not go together */
    {"192.0.2.1 none until=2027-06-30 note=x", "192.0.2.1/32 none until=2027-6-30 note=x"},
    {"192.0.2.1 reject note=\"a b\"", "192.0.2.1/32 reject note=a b"},
    {"192.0.2.1 none protocols=TLSv1", "!protocols= with the level none, which has no TLS"},
    {"192.0.2.1 none ciphers=high", "!ciphers= with the level none"},
    {"192.0.2.1 reject tickets=no", "!tickets= with the level reject"},
    {"192.0.2.1 reject match=aa", "!match= with the level reject"},
    {"192.0.2.1 may ccert=require", "!ccert=require needs the level encrypt"},
    {"192.0.2.1 may match=aa", "!match= needs the level encrypt"},
    {"192.0.2.1 encrypt match=aa ccert=ask", "!match= needs a certificate"},
    {"192.0.2.1 encrypt match=aa ccert=no", "!match= needs a certificate"},
    {"192.0.2.1 encrypt ciphers=high cipherlist=A", "!exclude each other"},
};

static void put_string(struct text *text, const char *name, const char *value)
{
    if (value != NULL)
        text_format(text, " %s=%s", name, value);
}

static void put_number(struct text *text, const char *name, int value)
{
    if (value != 0)
        text_format(text, " %s=%d", name, value);
}

static void describe(const struct policy_line *line, struct text *text)
{
    static const char *const levels[] = {"none", "may", "encrypt", "reject"};
    const struct policy_settings *settings = &line->settings;
    char prefix[PREFIX_TEXT_SIZE];

    prefix_format(&line->prefix, prefix);
    text_format(text, "%s %s", prefix, levels[settings->level]);
    put_string(text, "protocols", settings->protocols);
    put_string(text, "ciphers", settings->ciphers);
    put_string(text, "exclude", settings->exclude);
    put_string(text, "curves", settings->curves);
    put_string(text, "cipherlist", settings->cipherlist);
    put_number(text, "ccert", (int)settings->ccert);
    put_string(text, "match", settings->match);
    put_number(text, "tickets", (int)settings->tickets);
    if (line->until.year != 0)
        text_format(text, " until=%u-%u-%u", line->until.year, line->until.month, line->until.day);
    put_string(text, "note", line->note);
}

static struct policy_line line;

static void check_row(const struct row *row)
{
    struct text text = {0};
    char error[512] = "";
    size_t length = strlen(row->text);
    /* An exact copy, so that reading one byte too many is noticed. */
    char *exact = malloc(length > 0 ? length : 1);

    assert_non_null(exact);
    memcpy(exact, row->text, length);
    text_add(&text, "", 0);
    int status = policy_line_parse(exact, length, &line, error, sizeof(error));
    free(exact);
    if (status == 0)
        describe(&line, &text);
    if (row->result[0] == '!' ? status == 0 || strstr(error, row->result + 1) == NULL
                              : status != 0 || strcmp(text.data, row->result) != 0)
        fail_msg("%s: \"%s\", \"%s\"", row->text, text.data, error);
    text_free(&text);
}

static void lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i]);
}

/* A value for each attribute, cut after every byte: nothing is read beyond. */
static void cut_lines(void **state)
{
    (void)state;
    static const char whole[] =
        "2001:db8::/32 encrypt protocols=>=TLSv1 exclude=A curves=B cipherlist=C ccert=require "
        "match=aa:bb match=cc tickets=no until=2027-06-30 note=\"a b\" # c";

    for (size_t length = 0; length < sizeof(whole); length++) {
        char error[512];
        char *exact = malloc(length > 0 ? length : 1);

        assert_non_null(exact);
        memcpy(exact, whole, length);
        policy_line_parse(exact, length, &line, error, sizeof(error));
        free(exact);
    }
}

/* The longest lines fit, longer ones are refused. */
static void long_lines(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "::/0 may note=",  "::/0 may note=\"", "::/0 may curves=", "::/0 encrypt match=",
        "::/0 may {note=", "::/0 may ",        "::/0 may #"};

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        char *text = malloc(POLICY_LINE_MAX + 1);
        size_t start = strlen(starts[i]);
        char error[512];

        assert_non_null(text);
        memset(text, 'a', POLICY_LINE_MAX + 1);
        memcpy(text, starts[i], start);
        int status = policy_line_parse(text, POLICY_LINE_MAX, &line, error, sizeof(error));
        if (i == 0)
            assert_int_equal(strlen(line.note), POLICY_LINE_MAX - start);
        if (i == 0 || i == 2 || i == 6)
            assert_int_equal(status, 0);
        assert_int_equal(policy_line_parse(text, POLICY_LINE_MAX + 1, &line, error, sizeof(error)),
                         -1);
        assert_non_null(strstr(error, "line too long"));
        for (size_t j = start; j + 1 < POLICY_LINE_MAX; j += 3)
            memcpy(text + j, "a|b", j + 3 <= POLICY_LINE_MAX ? 3 : 1);
        policy_line_parse(text, POLICY_LINE_MAX, &line, error, sizeof(error));
        free(text);
    }
}

/* The most bytes that fingerprints can become. */
static void long_match(void **state)
{
    (void)state;
    static const char start[] = "::/0 encrypt match=";
    char *text = malloc(POLICY_LINE_MAX);
    char error[512];

    assert_non_null(text);
    memset(text, 'a', POLICY_LINE_MAX);
    memcpy(text, start, strlen(start));
    size_t length = POLICY_LINE_MAX - (POLICY_LINE_MAX - strlen(start)) % 2;
    assert_int_equal(policy_line_parse(text, length, &line, error, sizeof(error)), 0);
    assert_int_equal(strlen(line.settings.match), (length - strlen(start)) / 2 * 3 - 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(cut_lines),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(long_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
