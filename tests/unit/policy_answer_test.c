/*
 * policy_answer_test.c: requests as Postfix makes them, and spoilt ones; and what is answered when
 * a session is known, and when it is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "policy/tls_policy.h"

#include "proxy/policy_answer.h"
#include "proxy/policy_request.h"

#define ACCESS "request=smtpd_access_policy\n"

static void test_request(void **state)
{
    static const char text[] =
        ACCESS "protocol_state=RCPT\nprotocol_name=ESMTP\nhelo_name=a=b\nsender=s@x.example\n"
               "recipient=r@y.example\nrecipient_count=3\nclient_address=2001:db8::1\n"
               "client_port=4711\nserver_address=192.0.2.9\nserver_port=25\nsize=\nx=\n\nrest";
    struct policy_request request;

    (void)state;
    for (size_t length = 0; length < sizeof(text) - 5; length++)
        assert_int_equal(policy_request_parse(text, length, &request), POLICY_REQUEST_MORE);
    assert_int_equal(policy_request_parse(text, sizeof(text) - 1, &request), POLICY_REQUEST_DONE);
    assert_int_equal(request.length, sizeof(text) - 5);
    assert_string_equal(request.state, "RCPT");
    assert_string_equal(request.sender, "s@x.example");
    assert_string_equal(request.recipient, "r@y.example");
    assert_int_equal(request.recipient_count, 3);
    assert_int_equal(request.client.family, AF_INET6);
    assert_int_equal(request.client.port, 4711);
    assert_int_equal(request.server.family, AF_INET);
    assert_int_equal(request.server.port, 25);
}

static void test_bad_requests(void **state)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"\n", "no request=smtpd_access_policy"},
        {"request=junk\n\n", "no request=smtpd_access_policy"},
        {ACCESS "=x\n\n", "a line that is no name=value"},
        {ACCESS "x\n\n", "a line that is no name=value"},
        {ACCESS "client_address=1.2.3.4.5\n\n", "bad client_address"},
        {ACCESS "client_port=65536\n\n", "bad client_port"},
        {ACCESS "client_port=-1\n\n", "bad client_port"},
        {ACCESS "server_port=99999999999999999999\n\n", "bad server_port"},
        {ACCESS "protocol_state=ABCDEFGHIJKLMNOPQRSTUVWXYZ\n\n", "bad protocol_state"},
    };
    static char much[POLICY_REQUEST_MAX];
    struct policy_request request;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(policy_request_parse(cases[i].text, strlen(cases[i].text), &request),
                         POLICY_REQUEST_BAD);
        assert_string_equal(request.error, cases[i].error);
    }
    memset(much, 'a', sizeof(much));
    assert_int_equal(policy_request_parse(much, sizeof(much) - 1, &request), POLICY_REQUEST_MORE);
    assert_int_equal(policy_request_parse(much, sizeof(much), &request), POLICY_REQUEST_BAD);
    memcpy(much, "sender=", 7); /* one that is too long to be looked up */
    memcpy(much + 5000, "\n\n", 2);
    assert_int_equal(policy_request_parse(much, sizeof(much), &request), POLICY_REQUEST_BAD);
    assert_string_equal(request.error, "bad sender");
}

/* --- answers --------------------------------------------------------------------------------- */

#define PRINT                                                                                      \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:"   \
    "1E:1F"

static const char rules[] =
    "gatepost_policy_service_maps = inline:{ { tls.example encrypt prepend=X-R }"
    " { new.example encrypt protocols=TLSv1.3 } { mid.example encrypt protocols=>=TLSv1.2 }"
    " { cert.example ccert } { print.example ccert match=" PRINT " } { free.example none }"
    " { from:tls.example encrypt prepend=X-S } { from:<> encrypt }"
    " { .free.example none prepend=X-F } }\n";

static const struct session_facts sessions[] = {
    {.tls = false},
    {.tls = true, .version = TLS_VERSION_1_1, .protocol = "TLSv1.1", .cipher = "C"},
    {.tls = true,
     .version = TLS_VERSION_1_3,
     .protocol = "TLSv1.3",
     .cipher = "C",
     .cipher_bits = 256,
     .ccert = SESSION_CCERT_UNTRUSTED,
     .fingerprint = "AA",
     .key_fingerprint = PRINT},
    {.tls = true,
     .version = TLS_VERSION_1_2,
     .protocol = "TLSv1.2",
     .cipher = "C\nX: y",
     .ccert = SESSION_CCERT_TRUSTED,
     .fingerprint = "BB"},
    {.tls = true}, /* of a protocol that nobody knows */
};
enum { UNKNOWN = -1, CLEAR, OLD, UNTRUSTED, TRUSTED, STRANGE };

#define DEFER "DEFER_IF_PERMIT 4.7.0 What protects this session is not known"
#define NO_TLS "450 4.7.1 Session encryption is required"

static const struct {
    int session;
    const char *state;
    const char *recipient;
    const char *sender;
    const char *answer;
} answers[] = {
    {UNKNOWN, "RCPT", "r@free.example", "s@x.example", "DUNNO"},
    {UNKNOWN, "RCPT", "r@a.free.example", "s@x.example", "DUNNO"},
    {UNKNOWN, "RCPT", "r@tls.example", "s@x.example", DEFER},
    {UNKNOWN, "RCPT", "r@free.example", "", DEFER},
    {UNKNOWN, "RCPT", "r@free.example", "s@tls.example", DEFER},
    {UNKNOWN, "CONNECT", "", "", "DUNNO"},
    {UNKNOWN, "MAIL", "", "", DEFER},
    {CLEAR, "RCPT", "r@free.example", "s@x.example", "DUNNO"},
    {CLEAR, "RCPT", "r@tls.example", "s@x.example", NO_TLS},
    {CLEAR, "RCPT", "r@cert.example", "s@x.example", NO_TLS},
    {CLEAR, "RCPT", "r@a.free.example", "s@tls.example", NO_TLS},
    {CLEAR, "RCPT", "r@a.free.example", "s@x.example", "PREPEND X-F: tls=no"},
    {OLD, "RCPT", "r@tls.example", "s@x.example",
     "PREPEND X-R: tls=yes protocol=TLSv1.1 cipher=C bits=0 ccert=none"},
    {OLD, "RCPT", "r@mid.example", "s@x.example",
     "450 4.7.1 Session encryption with TLSv1.2 to TLSv1.3 is required"},
    {OLD, "RCPT", "r@new.example", "s@x.example",
     "450 4.7.1 Session encryption with TLSv1.3 is required"},
    {OLD, "RCPT", "r@cert.example", "s@x.example", "450 4.7.1 A client certificate is required"},
    {UNTRUSTED, "RCPT", "r@new.example", "s@x.example", "DUNNO"},
    {UNTRUSTED, "RCPT", "r@cert.example", "s@x.example",
     "450 4.7.1 Client certificate not trusted"},
    {UNTRUSTED, "RCPT", "r@print.example", "s@x.example", "DUNNO"},
    {UNTRUSTED, "RCPT", "r@free.example", "s@tls.example",
     "PREPEND X-S: tls=yes protocol=TLSv1.3 cipher=C bits=256 ccert=untrusted fingerprint=AA"},
    {UNTRUSTED, "RCPT", "r@tls.example", "s@tls.example",
     "PREPEND X-R: tls=yes protocol=TLSv1.3 cipher=C bits=256 ccert=untrusted fingerprint=AA"},
    {TRUSTED, "RCPT", "r@cert.example", "s@x.example", "DUNNO"},
    {TRUSTED, "RCPT", "r@print.example", "s@x.example", "450 4.7.1 Client certificate not trusted"},
    {TRUSTED, "RCPT", "r@tls.example", "s@x.example",
     "PREPEND X-R: tls=yes protocol=TLSv1.2 cipher=C?X: y bits=0 ccert=trusted fingerprint=BB"},
    {STRANGE, "RCPT", "r@mid.example", "s@x.example",
     "450 4.7.1 Session encryption with TLSv1.2 to TLSv1.3 is required"},
};

static void test_answers(void **state)
{
    struct diag diag = {0};
    struct config *config = config_parse("F", rules, strlen(rules), NULL, 0, &diag);
    struct mail_policy *policy = config != NULL ? mail_policy_load(config, &diag) : NULL;
    char out[POLICY_ANSWER_MAX];

    (void)state;
    assert_non_null(policy);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct policy_request request = {0};
        const struct policy_answer_facts facts = {
            .policy = policy,
            .reject_code = 450,
            .session = answers[i].session >= 0 ? &sessions[answers[i].session] : NULL};

        snprintf(request.state, sizeof(request.state), "%s", answers[i].state);
        snprintf(request.recipient, sizeof(request.recipient), "%s", answers[i].recipient);
        snprintf(request.sender, sizeof(request.sender), "%s", answers[i].sender);
        const struct mail_rule *rule = policy_answer(&facts, &request, out);
        if (strcmp(out, answers[i].answer) != 0)
            fail_msg("case %zu: \"%s\", wanted \"%s\"", i, out, answers[i].answer);
        assert_int_equal(rule == NULL, strcmp(out, "DUNNO") == 0);
    }
    mail_policy_free(policy);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
