/*
 * mail_policy_test.c: rules for recipients and senders: what is found for an address, and what is
 * said about lines that are wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/mail_policy.h"
#include "policy/text.h"
#include "policy/tls_policy.h"

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

/* Load RULES ("{ a.example none } ..."), with what is reported about them. */
static struct mail_policy *load(const char *rules, struct text *report)
{
    struct text text = {0};
    struct diag diag = {.sink = collect, .ctx = report};

    text_format(&text,
                "myhostname = mx.own.example\nrecipient_delimiter = +-\n"
                "gatepost_policy_service_maps = inline:{ %s }\n",
                rules);
    text_add(report, "", 0);
    struct config *config = config_parse("F", text.data, text.length, NULL, 0, &diag);
    assert_non_null(config);
    struct mail_policy *policy = mail_policy_load(config, &diag);
    assert_int_equal(policy == NULL, diag.errors > 0);
    config_free(config);
    text_free(&text);
    return policy;
}

/* The most particular pattern wins. */
static void test_order(void **state)
{
    static const char rules[] =
        "{ user+ext@one.example none } { user@one.example none } { one.example none } "
        "{ .one.example none } { .sub.one.example none } { user@ none } { * none } "
        "{ postmaster@mx.own.example none } { own.example none } { other-@ none } "
        "{ [192.0.2.1] none } { from:one.example none } { from:<> none }";
    static const struct {
        const char *address;
        bool sender;
        const char *pattern; /* NULL: none */
    } cases[] = {
        {"user+ext@one.example", false, "user+ext@one.example"},
        {"USER+EXT@One.Example.", false, "user+ext@one.example"},
        {"user+other@one.example", false, "user@one.example"},
        {"user-other+x@one.example", false, "user@one.example"},
        {"user@one.example", false, "user@one.example"},
        {"users@one.example", false, "one.example"},
        {"\"a@b\"@one.example", false, "one.example"},
        {"x@a.one.example", false, ".one.example"},
        {"x@a.sub.one.example", false, ".sub.one.example"},
        {"x@sub.one.example", false, ".one.example"},
        {"x@noone.example", false, "*"},
        {"user@two.example", false, "user@"},
        {"user+x@two.example", false, "user@"},
        {"+x@two.example", false, "*"},
        {"postmaster", false, "postmaster@mx.own.example"},
        {"somebody", false, "own.example"},
        {"x@[192.0.2.1]", false, "[192.0.2.1]"},
        {"x@[192.0.2.2]", false, "*"},
        {"", false, "*"},
        {"user@one.example", true, "from:one.example"},
        {"user@sub.one.example", true, NULL},
        {"", true, "from:<>"},
    };
    struct text report = {0};
    struct mail_policy *policy = load(rules, &report);

    (void)state;
    assert_string_equal(report.data, "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct mail_rule *rule = mail_policy_find(policy, cases[i].sender, cases[i].address);
        const char *found = rule != NULL ? rule->pattern : NULL;
        if ((found == NULL) != (cases[i].pattern == NULL) ||
            (found != NULL && strcmp(found, cases[i].pattern) != 0))
            fail_msg("%s: found %s, wanted %s", cases[i].address, found, cases[i].pattern);
    }
    mail_policy_free(policy);
    text_free(&report);
}

/* What a line says arrives in its rule. */
static void test_rule(void **state)
{
    struct text report = {0};
    struct mail_policy *policy =
        load("{ a.example ccert, protocols=>=TLSv1.2 prepend=X-TLS: match=00:01:02:03:04:05:06:07:"
             "08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f }",
             &report);
    (void)state;
    assert_non_null(policy);
    assert_int_equal(mail_policy_size(policy), 1);
    assert_true(mail_policy_has_recipients(policy));
    const struct mail_rule *rule = mail_policy_rule(policy, 0);
    assert_int_equal(rule->demand, MAIL_DEMAND_CCERT);
    assert_int_equal(rule->min_version, TLS_VERSION_1_2);
    assert_int_equal(rule->max_version, TLS_VERSION_1_3);
    assert_string_equal(rule->prepend, "X-TLS");
    assert_non_null(strstr(rule->match, "1E:1F"));
    assert_string_equal(rule->place + strlen(rule->place) - 6, "line 1");
    mail_policy_free(policy);
    text_free(&report);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *rules;
        const char *report; /* part of it */
    } cases[] = {
        {"{ }", "no address pattern"},
        {"{ a.example }", "no demand behind the pattern"},
        {"{ a.example must }", "unknown demand \"must\""},
        {"{ a..example none }", "\"a..example\" is no address pattern"},
        {"{ @a.example none }", "is no address pattern"},
        {"{ <> none }", "is no address pattern"},
        {"{ to:a@b.example none }", NULL},
        {"{ to:b.example none }", "is no address pattern"},
        {"{ a.example encrypt color=red }", "unknown attribute \"color\": allowed are"},
        {"{ a.example encrypt until=2030-01-01 }", "unknown attribute \"until\""},
        {"{ a.example encrypt loud }", "\"loud\" is no NAME=VALUE"},
        {"{ a.example encrypt protocols= }", "protocols= has no value"},
        {"{ a.example encrypt protocols=TLSv1 protocols=TLSv1 }", "more than once"},
        {"{ a.example none protocols=TLSv1.2 }", "protocols= with the demand none"},
        {"{ a.example encrypt match=AB:CD }", "match= needs the demand ccert"},
        {"{ a.example ccert match=xy }", "is not a fingerprint"},
        {"{ a.example none prepend=a:b }", "specify the name of a header"},
        {"{ a.example none prepend=a prepend=b }", "prepend= is given more than once"},
        {"{ a.example none } { A.example none }", "line 1: each pattern can have one line only"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text report = {0};
        struct mail_policy *policy = load(cases[i].rules, &report);

        if (cases[i].report == NULL
                ? *report.data != '\0'
                : policy != NULL || strstr(report.data, cases[i].report) == NULL)
            fail_msg("%s: reported \"%s\"", cases[i].rules, report.data);
        mail_policy_free(policy);
        text_free(&report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_rule),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
