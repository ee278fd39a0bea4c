/*
 * policy_table_test.c: tables from files and from the parameter, what is found in them and what is
 * reported about them; and lookups against a plain search of all lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#include "policy/policy_table.h"
#include "policy/text.h"

#define NOW ((time_t)1900000000) /* 2030-03-17 17:46:40 UTC */

static char directory[] = "/tmp/policy_table_test.XXXXXX";

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

static char *path_of(const char *name)
{
    struct text path = {0};

    text_format(&path, "%s/%s", directory, name);
    return text_take(&path);
}

static void write_file(const char *name, const char *bytes, size_t length)
{
    char *path = path_of(name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    free(path);
}

/* Load the maps that VALUE names, in which @ stands for the directory. Findings go to REPORT. */
static struct policy_table *load(const char *value, time_t now, struct text *report)
{
    struct text setting = {0};
    struct diag diag = {collect, report, 0, 0};

    text_add(report, "", 0);
    text_add_string(&setting, "smtpd_tls_policy_maps = ");
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '@')
            text_add_string(&setting, directory);
        else
            text_add_char(&setting, *p);
    }
    struct config *config = config_parse("F", setting.data, setting.length, NULL, 0, &diag);
    assert_non_null(config);
    report->length = 0; /* about comments in values */
    struct policy_table *table = policy_table_load(config, now, &diag);
    assert_true((table == NULL) == (diag.errors > 0));
    config_free(config);
    text_free(&setting);
    return table;
}

static bool look_up(const struct policy_table *table, const char *address, time_t now,
                    struct policy_match *match)
{
    uint8_t bytes[16];
    int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;

    assert_int_equal(inet_pton(family, address, bytes), 1);
    return policy_table_lookup(table, family, bytes, now, match);
}

/* "line prefix", or "-". */
static void check_match(const struct policy_table *table, const char *address, time_t now,
                        const char *expected)
{
    struct policy_match match;
    char found[100] = "-";

    if (look_up(table, address, now, &match))
        snprintf(found, sizeof(found), "%u %s", match.line, match.prefix);
    if (strcmp(found, expected) != 0)
        fail_msg("%s: found %s, not %s", address, found, expected);
}

static const char rules[] = "# table\n"
                            "198.51.100.0/24   encrypt  protocols=>=TLSv1.3\n"
                            "192.0.2.17        may      protocols=>=TLSv1 ciphers=medium\n"
                            "   until=2031-06-30 note=\"town hall\"  # they asked\n"
                            "\n"
                            "198.51.0.0/16 may\n"
                            "2001:db8:7::/48   none\n"
                            "::/0 encrypt\n"
                            "198.51.100.128/25 reject note=spam\n"
                            "::ffff:203.0.113.0/120 encrypt protocols=>=TLSv1.3";

static void lookups(void **state)
{
    (void)state;
    struct text report = {0};
    struct policy_match match;

    write_file("t", rules, strlen(rules));
    struct policy_table *table = load("cidr:@/t", NOW, &report);
    assert_non_null(table);
    assert_string_equal(report.data, "");
    assert_int_equal(policy_table_size(table), 7);
    assert_int_equal(policy_table_settings_count(table), 6);
    check_match(table, "198.51.100.1", NOW, "2 198.51.100.0/24");
    check_match(table, "198.51.100.127", NOW, "2 198.51.100.0/24");
    check_match(table, "198.51.100.128", NOW, "9 198.51.100.128/25");
    check_match(table, "198.51.100.255", NOW, "9 198.51.100.128/25");
    check_match(table, "198.51.101.0", NOW, "6 198.51.0.0/16");
    check_match(table, "198.52.0.0", NOW, "-");
    check_match(table, "192.0.2.17", NOW, "3 192.0.2.17/32");
    check_match(table, "::ffff:192.0.2.17", NOW, "3 192.0.2.17/32");
    check_match(table, "192.0.2.16", NOW, "-");
    check_match(table, "203.0.113.9", NOW, "10 203.0.113.0/24");
    check_match(table, "2001:db8:7::1", NOW, "7 2001:db8:7::/48");
    check_match(table, "2001:db8:8::", NOW, "8 ::/0");
    check_match(table, "ffff::", NOW, "8 ::/0");
    check_match(table, "::ffff:192.0.2.1", NOW, "-"); /* IPv4, not of ::/0 */

    assert_true(look_up(table, "192.0.2.17", NOW, &match));
    const struct policy_settings *settings = policy_table_settings(table, match.settings);
    assert_int_equal(settings->level, POLICY_LEVEL_MAY);
    assert_string_equal(settings->protocols, ">=TLSv1");
    assert_string_equal(settings->ciphers, "medium");
    assert_null(settings->exclude);
    assert_int_equal(settings->ccert, POLICY_CCERT_INHERIT);
    assert_string_equal(match.note, "town hall");
    assert_string_equal(strrchr(match.file, '/'), "/t");

    /* The same words make the same settings, whatever the note. */
    assert_true(look_up(table, "198.51.100.1", NOW, &match));
    unsigned first = match.settings;
    assert_true(look_up(table, "203.0.113.1", NOW, &match));
    assert_int_equal(match.settings, first);
    assert_null(match.note);
    assert_int_equal(match.until, 0);

    uint8_t bytes[16] = {0};
    assert_false(policy_table_lookup(table, AF_UNIX, bytes, NOW, &match));
    policy_table_free(table);
    text_free(&report);
}

static void nothing(void **state)
{
    (void)state;
    static const char *const values[] = {"", "cidr:@/empty"};

    write_file("empty", "\n# nothing\n\n", 12);
    for (size_t i = 0; i < 2; i++) {
        struct text report = {0};
        struct policy_table *table = load(values[i], NOW, &report);

        assert_non_null(table);
        assert_string_equal(report.data, "");
        assert_int_equal(policy_table_size(table), 0);
        check_match(table, "192.0.2.1", NOW, "-");
        check_match(table, "::1", NOW, "-");
        policy_table_free(table);
        text_free(&report);
    }
    policy_table_free(NULL);
}

/* A row: the maps, the file "t" (or NULL), and what is reported; or in "" what is not. */
static const struct {
    const char *value;
    const char *file;
    const char *finding;
} reports[] = {
    {"inline:{ { 192.0.2.1 may } }", NULL, ""},
    {"inline:{{192.0.2.1 may},{192.0.2.2 may note=\"a, b\"}}", NULL, ""},
    {"cidr:{ { 192.0.2.1 may { note = a b } } }", NULL, ""},
    {"inline:{ { 192.0.2.1 may } }, cidr:@/t", "192.0.2.2 may\n", ""},
    {"inline:{ { 192.0.2.1 may # x } }", NULL, ""},
    {"hash:/etc/x", NULL,
     "E F, line 1: smtpd_tls_policy_maps: \"hash:/etc/x\": unknown kind of map: "
     "specify cidr:/path or inline:{ { address level ... }, ... }|"},
    {"CIDR:/etc/x", NULL, "unknown kind of map"},
    {"/etc/x", NULL, "no kind of map: specify cidr:/path or inline:"},
    {"cidr:x", NULL, "not an absolute path"},
    {"cidr:", NULL, "not an absolute path"},
    {"inline:/etc/x", NULL, "the rules must follow at once, in braces"},
    {"inline: { { 192.0.2.1 may } }", NULL, "the rules must follow at once"},
    {"inline:{ { 192.0.2.1 may }", NULL, "braces must be balanced"},
    {"inline:{ { 192.0.2.1 may } } }", NULL, "no kind of map"},
    {"inline:{ { 192.0.2.1 may } }x", NULL, "braces must be balanced, with nothing behind"},
    {"inline:{}", NULL, "no rule: specify at least one"},
    {"inline:{ 192.0.2.1=may }", NULL, "each rule must be in braces of its own"},
    {"inline:{ { 192.0.2.1 may } { 192.0.2.2 maybe } }", NULL,
     "E F, line 1: inline:{ { 192.0.2.1 may } { 192.0.2.2 maybe } }, line 2: unknown level "
     "\"maybe\": specify none, may, encrypt or reject|"},
    {"cidr:@/t cidr:@/t", "192.0.2.2 may\n", "the same map is named twice"},
    {"cidr:@/missing", NULL, "/missing: No such file or directory|"},
    {"cidr:@", NULL, ": a directory, not a regular file|"},
    {"cidr:/dev/null", NULL, "open /dev/null: something special, not a regular file|"},
    {"cidr:@/t", "192.0.2.1 may\n192.0.2.1/24 may\n",
     "/t, line 2: \"192.0.2.1/24\" has host bits that are not 0"},
    {"cidr:@/t", "192.0.2.1 maybe\n192.0.2.2 may x=y\n", "/t, line 2: unknown attribute \"x\""},
    {"cidr:@/t", " 192.0.2.1 may\n",
     "/t, line 1: the line begins with a blank but continues nothing"},
    {"cidr:@/t", "192.0.2.1 may\n192.0.2.0/24 may\n192.0.2.1/32 none\n",
     "/t, line 3: 192.0.2.1/32 is already in "},
    {"cidr:@/t", "2001:db8::1 may\n[2001:DB8:0::1] may\n", "/t, line 1: each prefix can have one"},
    {"cidr:@/t", "192.0.2.1 may\n::ffff:192.0.2.1 may\n", "line 2: 192.0.2.1/32 is already in "},
    {"inline:{ { 192.0.2.0/24 may } } cidr:@/t", "192.0.2.0/24 none\n",
     "/t, line 1: 192.0.2.0/24 is already in inline:{ { 192.0.2.0/24 may } }, line 1"},
    {"cidr:@/t", "192.0.2.1 may until=2001-01-01\n192.0.2.1 none\n",
     "line 2: 192.0.2.1/32 is already"},
    {"cidr:@/t", "192.0.2.1 may protocols=TLSv9\n",
     "/t, line 1: protocols: invalid TLS protocol list \"TLSv9\""},
    {"cidr:@/t", "192.0.2.1 may protocols=TLSv1:TLSv1.2\n", "W "},
    {"cidr:@/t", "192.0.2.1 may exclude=A:!B\n", "/t, line 1: exclude=A:!B: invalid unary"},
    {"cidr:@/t", "192.0.2.1 may exclude=::\n", "/t, line 1: exclude=::: no ciphers"},
    {"cidr:@/t", "192.0.2.1 may curves=:\n", "/t, line 1: curves=:: nothing but separators"},
    {"cidr:@/t", "192.0.2.1 may cipherlist=:\n", "/t, line 1: cipherlist=:: nothing but"},
    {"cidr:@/t", "192.0.2.1 encrypt match=aa:bb\n",
     "/t, line 1: match=AA:BB has 2 bytes and can never match: fingerprints of "
     "smtpd_tls_fingerprint_digest = sha256 have 32|"},
    {"cidr:@/t", "if 192.0.2.0/24\n192.0.2.1 may\nendif\n",
     "/t, line 3: endif is of cidr_table(5)"},
    {"cidr:@/t", "192.0.2.1 may until=2030-03-16\n",
     "/t, line 1: 192.0.2.1/32: not used any more, since until=2030-03-16 is over|"},
    {"cidr:@/t", "192.0.2.1 may until=2030-03-17\n", ""},
};

static void findings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        struct text report = {0};

        if (reports[i].file != NULL)
            write_file("t", reports[i].file, strlen(reports[i].file));
        policy_table_free(load(reports[i].value, NOW, &report));
        if (*reports[i].finding == '\0' ? report.length != 0
                                        : strstr(report.data, reports[i].finding) == NULL)
            fail_msg("%s, %s: reported \"%s\"", reports[i].value,
                     reports[i].file != NULL ? reports[i].file : "", report.data);
        text_free(&report);
    }
}

static void count_lines(void *ctx, const struct policy_match *line, bool expired)
{
    text_format(ctx, "%u %s %d %s|", line->line, line->prefix, expired,
                line->note != NULL ? line->note : "");
}

/* A line holds until the end of its day, then the next shorter prefix does. */
static void expiry(void **state)
{
    (void)state;
    static const char text[] = "192.0.2.0/24 may\n"
                               "192.0.2.0/25 encrypt until=2030-03-20 note=x\n"
                               "192.0.2.1 none until=2030-03-18\n"
                               "192.0.2.2 none until=2010-01-01\n"
                               "2001:db8::/32 may until=2030-03-18\n";
    struct text report = {0};
    struct text all = {0};
    struct tm tm = {.tm_year = 130, .tm_mon = 2, .tm_mday = 19, .tm_isdst = -1};
    time_t midnight = mktime(&tm); /* at which 2030-03-18 ends */
    struct policy_match match;

    write_file("t", text, strlen(text));
    struct policy_table *table = load("cidr:@/t", NOW, &report);
    assert_non_null(table);
    assert_int_equal(policy_table_size(table), 4);
    check_match(table, "192.0.2.1", NOW, "3 192.0.2.1/32");
    check_match(table, "192.0.2.1", midnight - 1, "3 192.0.2.1/32");
    check_match(table, "192.0.2.1", midnight, "2 192.0.2.0/25");
    check_match(table, "192.0.2.1", midnight + 2 * 86400 - 1, "2 192.0.2.0/25");
    check_match(table, "192.0.2.1", midnight + 3 * 86400, "1 192.0.2.0/24");
    check_match(table, "2001:db8::1", midnight - 1, "5 2001:db8::/32");
    check_match(table, "2001:db8::1", midnight, "-");
    /* What had expired at load stays out, whatever the clock does. */
    check_match(table, "192.0.2.2", NOW, "2 192.0.2.0/25");
    check_match(table, "192.0.2.2", 0, "2 192.0.2.0/25");
    assert_true(look_up(table, "192.0.2.1", NOW, &match));
    assert_int_equal(match.until, midnight);
    policy_table_each(table, count_lines, &all);
    assert_string_equal(all.data, "1 192.0.2.0/24 0 |2 192.0.2.0/25 0 x|3 192.0.2.1/32 0 |"
                                  "4 192.0.2.2/32 1 |5 2001:db8::/32 0 |");
    policy_table_free(table);
    text_free(&all);
    text_free(&report);
}

/* Lines that are longer than a buffer, at every place of it. */
static void long_files(void **state)
{
    (void)state;
    struct text text = {0};
    struct text report = {0};
    unsigned count = 0;

    for (unsigned i = 0; text.length < 1000000; i++, count++) {
        text_format(&text, "%u.%u.%u.0/24\tmay note=\"-", 1 + (i >> 16), i >> 8 & 255, i & 255);
        for (unsigned j = 0; j < i * 37 % 3001; j++)
            text_add_char(&text, 'x');
        text_add_string(&text, i % 3 == 0 ? "\" # comment\n" : "\"\n# comment\n\n  tickets=no\n");
    }
    write_file("t", text.data, text.length);
    struct policy_table *table = load("cidr:@/t", NOW, &report);
    if (table == NULL)
        fail_msg("%s", report.data);
    assert_int_equal(policy_table_size(table), count);
    assert_int_equal(policy_table_settings_count(table), 2);
    policy_table_free(table);
    text_free(&text);
    text_free(&report);
}

/* What is too much, and how much is said about it. */
static void limits(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        const char *piece;
        size_t count;
        const char *finding;
    } cases[] = {
        {"", "x may\n", 200, "/t, line 100: too many errors"},
        {"", "192.0.2.1 may\n", 500, "too many errors: not all duplicates are shown"},
        {"1.1.1.1 may #", "x", 65523, ""},
        {"1.1.1.1 may #", "x", 65524, "/t, line 1: line too long: at most 65536 bytes"},
        {"1.1.1.1 may", "\n #56789", 8192, ""},
        {"1.1.1.1 may #\n2.2.2.2 may", "\n tickets", 8192, "/t, line 2: line too long"},
        {"\n\n# 1\n", "x", 1 << 20, "/t, line 4: line too long"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text = {0};
        struct text report = {0};

        text_add_string(&text, cases[i].start);
        for (size_t j = 0; j < cases[i].count; j++)
            text_add_string(&text, cases[i].piece);
        write_file("t", text.data, text.length);
        policy_table_free(load("cidr:@/t", NOW, &report));
        if (*cases[i].finding == '\0' ? report.length != 0
                                      : strstr(report.data, cases[i].finding) == NULL)
            fail_msg("%zu: %.1000s", i, report.data);
        assert_true(report.length < 102 * 200);
        text_free(&text);
        text_free(&report);
    }
}

static void nul_bytes(void **state)
{
    (void)state;
    static const char *const texts[] = {"1.1.1.1 may\n2.2.2.2\0 may\n",
                                        "1.1.1.1 may\n# x \0 may  \n",
                                        "1.1.1.1 may\n  x  x \0 may  \n"};

    for (size_t i = 0; i < 3; i++) {
        struct text report = {0};

        write_file("t", texts[i], 25);
        assert_null(load("cidr:@/t", NOW, &report));
        assert_non_null(strstr(report.data, "/t, line 2: NUL byte: this is not a text file"));
        text_free(&report);
    }
}

static void many_expired(void **state)
{
    (void)state;
    struct text text = {0};
    struct text report = {0};
    size_t count = 0;

    for (unsigned i = 0; i < 250; i++)
        text_format(&text, "192.0.2.%u may until=2020-01-01\n", i);
    write_file("t", text.data, text.length);
    struct policy_table *table = load("cidr:@/t", NOW, &report);
    assert_non_null(table);
    assert_int_equal(policy_table_size(table), 0);
    for (const char *p = report.data; (p = strstr(p, "is over|")) != NULL; p++)
        count++;
    assert_int_equal(count, 100);
    assert_non_null(strstr(report.data, "W F, line 1: smtpd_tls_policy_maps: 150 more lines have "
                                        "expired|"));
    policy_table_free(table);
    text_free(&text);
    text_free(&report);
}

/* Settings that differ in anything are different, and keep what they say. */
static void interning(void **state)
{
    (void)state;
    struct text text = {0};
    struct text report = {0};
    static const char *const words[] = {"ciphers=high", "tickets=no",  "tickets=yes",  "ccert=no",
                                        "ccert=ask",    "curves=high", "exclude=high", ""};

    for (unsigned i = 0; i < 4000; i++) {
        const char *word = words[i % 8];

        text_format(&text, "10.0.%u.%u may cipherlist=A%u%s%s note=%u\n", i >> 8, i & 255,
                    i / 8 % 100, i % 8 == 0 ? "" : " ", i % 8 == 0 ? "" : word, i);
    }
    write_file("t", text.data, text.length);
    struct policy_table *table = load("cidr:@/t", NOW, &report);
    if (table == NULL)
        fail_msg("%s", report.data);
    assert_int_equal(policy_table_settings_count(table), 700);
    for (unsigned i = 0; i < 4000; i++) {
        uint8_t address[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)(i & 255)};
        char expected[20];
        struct policy_match match;

        assert_true(policy_table_lookup(table, AF_INET, address, NOW, &match));
        const struct policy_settings *settings = policy_table_settings(table, match.settings);
        snprintf(expected, sizeof(expected), "A%u", i / 8 % 100);
        assert_string_equal(settings->cipherlist, expected);
        assert_int_equal(settings->tickets, i % 8 == 1   ? POLICY_NO
                                            : i % 8 == 2 ? POLICY_YES
                                                         : POLICY_INHERIT);
        assert_true((settings->curves != NULL) == (i % 8 == 5));
        assert_true((settings->exclude != NULL) == (i % 8 == 6));
        snprintf(expected, sizeof(expected), "%u", i);
        assert_string_equal(match.note, expected);
    }
    policy_table_free(table);
    text_free(&text);
    text_free(&report);
}

static unsigned next_random(unsigned limit)
{
    static uint64_t seed = 1;

    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 40) % limit;
}

struct plain_line {
    bool ipv6;
    uint8_t bytes[16];
    unsigned length;
    unsigned line;
};

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned length)
{
    for (unsigned i = 0; i < length; i++) {
        if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    }
    return true;
}

/* Small random tables, as an operator would write them, against a search that looks at each line.
 */
static void differential(void **state)
{
    (void)state;
    for (int round = 0; round < 150; round++) {
        struct plain_line plain[40];
        size_t count = 0;
        struct text text = {0};
        struct text report = {0};

        for (unsigned i = 0; i < 40; i++) {
            struct plain_line *line = &plain[count];
            char address[INET6_ADDRSTRLEN];
            bool twice = false;

            *line = (struct plain_line){.ipv6 = next_random(2) != 0};
            line->length = next_random(line->ipv6 ? 129 : 33);
            for (unsigned bit = 0; bit < line->length; bit++)
                line->bytes[bit / 8] |= (uint8_t)((next_random(4) == 0) << (7 - bit % 8));
            if (line->ipv6)
                line->bytes[0] |= line->length > 2 ? 0x20 : 0;
            for (size_t j = 0; j < count; j++)
                twice = twice || (plain[j].ipv6 == line->ipv6 && plain[j].length == line->length &&
                                  bits_equal(plain[j].bytes, line->bytes, line->length));
            if (twice)
                continue;
            inet_ntop(line->ipv6 ? AF_INET6 : AF_INET, line->bytes, address, sizeof(address));
            text_format(&text, "%s/%u may\n", address, line->length);
            line->line = (unsigned)++count;
        }
        write_file("t", text.data, text.length);
        struct policy_table *table = load("cidr:@/t", NOW, &report);
        if (table == NULL)
            fail_msg("%s", report.data);
        for (unsigned i = 0; i < 200; i++) {
            bool ipv6 = i % 2 != 0;
            uint8_t bytes[16];
            const struct plain_line *best = NULL;
            struct policy_match match;

            for (unsigned j = 0; j < 16; j++)
                bytes[j] = (uint8_t)(next_random(256) & next_random(256));
            if (ipv6)
                bytes[0] |= 0x20;
            for (size_t j = 0; j < count; j++) {
                if (plain[j].ipv6 == ipv6 && bits_equal(plain[j].bytes, bytes, plain[j].length) &&
                    (best == NULL || plain[j].length > best->length))
                    best = &plain[j];
            }
            bool found = policy_table_lookup(table, ipv6 ? AF_INET6 : AF_INET, bytes, NOW, &match);
            assert_int_equal(found, best != NULL);
            if (found)
                assert_int_equal(match.line, best->line);
        }
        policy_table_free(table);
        text_free(&text);
        text_free(&report);
    }
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"t", "empty"};

    for (size_t i = 0; i < 2; i++) {
        char *path = path_of(names[i]);

        unlink(path);
        free(path);
    }
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups),      cmocka_unit_test(nothing),      cmocka_unit_test(findings),
        cmocka_unit_test(expiry),       cmocka_unit_test(long_files),   cmocka_unit_test(limits),
        cmocka_unit_test(nul_bytes),    cmocka_unit_test(many_expired), cmocka_unit_test(interning),
        cmocka_unit_test(differential),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
