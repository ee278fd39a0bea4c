/*
 * tls_policy_test.c: what TLS parameters come to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/text.h"
#include "policy/tls_options.h"
#include "policy/tls_policy.h"

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

static void protocol_lists(void **state)
{
    (void)state;
    /* Versions by their last digit: 1 is TLS 1.0, 4 is TLS 1.3; 0: an error. */
    static const struct {
        const char *list;
        unsigned min;
        unsigned max;
        const char *finding; /* part of it, or "" for none */
    } rows[] = {
        {"", 1, 4, ""},
        {">=TLSv1", 1, 4, ""},
        {">=TLSv1.2", 3, 4, ""},
        {"<=TLSv1.2", 1, 3, ""},
        {">=TLSv1.1, <=TLSv1.2", 2, 3, ""},
        {">=TLSv1.3", 4, 4, ""},
        {">=none", 1, 4, ""},
        {"<=None", 1, 4, ""},
        {">=0", 1, 4, ""},
        {"<=0", 1, 4, ""},
        {">=SSLv3", 1, 4, ""},
        {">=303", 3, 4, ""},
        {">=0303", 3, 4, ""},
        {">=0x0303", 3, 4, ""},
        {">=0X303 <=0x303", 3, 3, ""},
        {">=TLSv1.3 >=TLSv1.1", 2, 4, ""},
        {">=tlsV1.2", 3, 4, ""},
        {"!SSLv2, !SSLv3", 1, 4, ""},
        {"!SSLv2:!SSLv3:!TLSv1", 2, 4, ""},
        {"!SSLv2\t!SSLv3\r\n!TLSv1,!TLSv1.1", 3, 4, ""},
        {"!TLSv1.3", 1, 3, ""},
        {"TLSv1.2", 3, 3, ""},
        {"TLSv1.2 TLSv1.3", 3, 4, ""},
        {"tlsv1 TLSV1.1", 1, 2, ""},
        {"TLSv1.2 TLSv1.3 !TLSv1.3", 3, 3, ""},
        {"TLSv1 TLSv1.1 TLSv1.2 >=TLSv1.1", 2, 3, ""},
        {"!TLSv1.1", 3, 4, "W P: the TLS protocol list \"!TLSv1.1\" has a hole"},
        {"!TLSv1.2", 4, 4, "only TLSv1.3 to TLSv1.3 are offered"},
        {"TLSv1 TLSv1.2", 3, 3, "has a hole"},
        {"TLSv1 TLSv1.3", 4, 4, "has a hole"},
        {"!TLSv1.2 <=TLSv1.2", 1, 2, ""},
        {"SSLv3 TLSv1", 1, 1, "W P: \"SSLv3 TLSv1\": BoringSSL has no SSLv2 and SSLv3"},
        {"SSLv3", 0, 0, "E P: the TLS protocol list \"SSLv3\" leaves no version"},
        {"SSLv2 SSLv3", 0, 0, "leaves no version"},
        {"<=SSLv3", 0, 0, "leaves no version"},
        {"<=0300", 0, 0, "leaves no version"},
        {">=TLSv1.3 <=TLSv1.2", 0, 0, "leaves no version"},
        {"!TLSv1 !TLSv1.1 !TLSv1.2 !TLSv1.3", 0, 0, "leaves no version"},
        {"TLSv1.0", 0, 0, "E P: invalid TLS protocol list \"TLSv1.0\": \"TLSv1.0\" is not known"},
        {"TLSv1.4", 0, 0, "is not known"},
        {"! SSLv2", 0, 0, "\"!\" is not known"},
        {"!!SSLv2", 0, 0, "\"!!SSLv2\" is not known"},
        {">= TLSv1.2", 0, 0, "\">=\" is not known"},
        {">=SSLv2", 0, 0, "is not known"},
        {">=TLSv1.4", 0, 0, "is not known"},
        {"<=0305", 0, 0, "is not known"},
        {">=0002", 0, 0, "is not known"},
        {">=0x", 0, 0, "is not known"},
        {">=030x", 0, 0, "is not known"},
        {">=10303", 0, 0, "is not known"},
        {">=100000303", 0, 0, "is not known"},
        {">TLSv1", 0, 0, "is not known"},
        {"TLSv1;TLSv1.1", 0, 0, "is not known"},
        {"all", 0, 0, "is not known"},
        {"TLSv1.2 bogus", 0, 0, "\"bogus\" is not known"},
        {"TLSv1.2TLSv1.2TLSv1.2TLSv1.2TLSv1.2TLSv1.2TLSv1.2", 0, 0, "is not known"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text findings = {0};
        struct diag diag = {collect, &findings, 0, 0};
        uint16_t min = 0x0300;
        uint16_t max = 0x0300;
        int status = tls_protocols_parse(rows[i].list, "P", &min, &max, &diag);

        text_add(&findings, "", 0);
        if (min != 0x0300 + rows[i].min || max != 0x0300 + rows[i].max ||
            strstr(findings.data, rows[i].finding) == NULL ||
            (*rows[i].finding == '\0' && findings.length > 0))
            fail_msg("\"%s\": %x to %x, %s", rows[i].list, min, max, findings.data);
        assert_int_equal(status, rows[i].min == 0 ? -1 : 0);
        assert_int_equal(diag.errors, rows[i].min == 0 ? 1 : 0);
        text_free(&findings);
    }
}

/* What is tested of a policy. */
static void describe(const struct tls_policy *policy, struct text *out)
{
    static const char *const levels[] = {"none", "may", "encrypt"};

    text_add(out, "", 0);
    if (policy != NULL)
        text_format(out, "%s %x-%x%s%s%s%s %ld %s", levels[policy->level], policy->min_version,
                    policy->max_version, policy->server_preference ? " server" : "",
                    policy->ask_ccert ? " ask" : "", policy->require_ccert ? " require" : "",
                    policy->auth_only ? " auth" : "", policy->session_timeout, policy->cipher_list);
}

/* What every file begins with, so that cipher lists are short. */
#define LISTS "tls_high_cipherlist = H\ntls_medium_cipherlist = M\n"

static void policies(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *result;  /* "" for an error */
        const char *finding; /* part of it, or "" for none */
    } rows[] = {
        /* levels */
        {"", "may 301-304 3600 M", ""},
        {"smtpd_tls_security_level = none", "none 301-304 3600 M", ""},
        {"smtpd_tls_security_level = may", "may 301-304 3600 M", ""},
        {"smtpd_tls_security_level = MAY", "may 301-304 3600 M", ""},
        {"smtpd_tls_security_level = encrypt", "encrypt 301-304 auth 3600 M", ""},
        {"smtpd_tls_security_level = verify", "encrypt 301-304 auth 3600 M",
         "W F, line 3: smtpd_tls_security_level = verify: a level of TLS clients: taken as "
         "encrypt"},
        {"smtpd_tls_security_level = fingerprint", "encrypt 301-304 auth 3600 M",
         "taken as encrypt"},
        {"smtpd_tls_security_level = secure", "encrypt 301-304 auth 3600 M", "taken as encrypt"},
        {"smtpd_tls_security_level = dane", "",
         "E F, line 3: smtpd_tls_security_level = dane: invalid TLS level: specify none, may or "
         "encrypt"},
        {"smtpd_tls_security_level = dane-only", "", "invalid TLS level"},
        {"smtpd_tls_security_level = halfdane", "", "invalid TLS level"},
        {"smtpd_tls_security_level = yes", "", "invalid TLS level"},
        {"smtpd_tls_security_level = may encrypt", "", "invalid TLS level"},
        {"smtpd_tls_security_level =", "none 301-304 3600 M", ""},
        {"smtpd_tls_security_level =\nsmtpd_use_tls = yes", "may 301-304 3600 M",
         "I F, line 4: smtpd_use_tls = yes: deprecated"},
        {"smtpd_tls_security_level =\nsmtpd_enforce_tls = yes", "encrypt 301-304 auth 3600 M",
         "deprecated"},
        {"smtpd_tls_security_level = none\nsmtpd_enforce_tls = yes", "none 301-304 3600 M",
         "deprecated"},
        {"smtpd_use_tls = yes", "may 301-304 3600 M", "deprecated"},
        {"smtpd_use_tls = no", "none 301-304 3600 M", "deprecated"},
        {"smtpd_enforce_tls = yes", "encrypt 301-304 auth 3600 M", "deprecated"},
        {"smtpd_use_tls = yes\nsmtpd_enforce_tls = no", "may 301-304 3600 M", "deprecated"},
        {"smtpd_tls_wrappermode = yes", "encrypt 301-304 auth 3600 M", ""},
        {"smtpd_tls_wrappermode = yes\nsmtpd_tls_security_level = none",
         "encrypt 301-304 auth 3600 M", ""},
        {"smtpd_tls_wrappermode = yes\nsmtpd_tls_security_level = dane",
         "encrypt 301-304 auth 3600 M", ""},
        {"smtpd_tls_auth_only = yes", "may 301-304 auth 3600 M", ""},
        /* protocols: the list that the level demands, and only that one */
        {"smtpd_tls_protocols = >=TLSv1.2", "may 303-304 3600 M", ""},
        {"smtpd_tls_mandatory_protocols = >=TLSv1.2", "may 301-304 3600 M", ""},
        {"smtpd_tls_mandatory_protocols = >=TLSv1.2\nsmtpd_tls_security_level = encrypt",
         "encrypt 303-304 auth 3600 M", ""},
        {"smtpd_tls_mandatory_protocols = >=TLSv1.2\nsmtpd_tls_wrappermode = yes",
         "encrypt 303-304 auth 3600 M", ""},
        {"smtpd_tls_protocols = TLSv9", "",
         "E F, line 3: smtpd_tls_protocols: invalid TLS protocol list \"TLSv9\""},
        /* cipher grades */
        {"smtpd_tls_ciphers = high", "may 301-304 3600 H", ""},
        {"smtpd_tls_ciphers = HIGH", "may 301-304 3600 H", ""},
        {"smtpd_tls_ciphers = medium", "may 301-304 3600 M", ""},
        {"smtpd_tls_ciphers = low", "may 301-304 3600 M", ""},
        {"smtpd_tls_ciphers = export", "may 301-304 3600 M", ""},
        {"smtpd_tls_ciphers = null", "",
         "E F, line 3: smtpd_tls_ciphers = null: BoringSSL has no ciphers without encryption"},
        {"smtpd_tls_ciphers = hihg", "", "invalid cipher grade: specify high or medium"},
        {"smtpd_tls_ciphers = invalid", "", "invalid cipher grade"},
        {"smtpd_tls_mandatory_ciphers = null", "may 301-304 3600 M", ""},
        {"smtpd_tls_mandatory_ciphers = high", "may 301-304 3600 M", ""},
        {"smtpd_tls_mandatory_ciphers = high\nsmtpd_tls_security_level = encrypt",
         "encrypt 301-304 auth 3600 H", ""},
        {"smtpd_tls_ciphers = null\nsmtpd_tls_security_level = encrypt",
         "encrypt 301-304 auth 3600 M", ""},
        {"tls_low_cipherlist = L", "may 301-304 3600 M",
         "I F, line 3: tls_low_cipherlist = L: ignored: the grade low is medium"},
        {"tls_medium_cipherlist = A:B C,D;E", "may 301-304 3600 A:B:C:D:E", "overriding"},
        {"tls_medium_cipherlist = A:@STRENGTH", "may 301-304 3600 A:@STRENGTH", "overriding"},
        {"tls_medium_cipherlist = A:@SECLEVEL=0", "may 301-304 3600 A",
         "W F, line 3: tls_medium_cipherlist = A:@SECLEVEL=0: BoringSSL has no security levels"},
        {"tls_medium_cipherlist = @seclevel=1:A B", "may 301-304 3600 A:B", "@SECLEVEL is ignored"},
        {"tls_medium_cipherlist = @SECLEVEL=1", "", "no ciphers"},
        {"tls_medium_cipherlist = ::", "", "no ciphers"},
        /* exclusions */
        {"smtpd_tls_exclude_ciphers = RC4, aNULL:A+B 3DES",
         "may 301-304 3600 M:!RC4:!aNULL:!A+B:!3DES", ""},
        {"smtpd_tls_mandatory_exclude_ciphers = RC4", "may 301-304 3600 M", ""},
        {"smtpd_tls_mandatory_exclude_ciphers = b\nsmtpd_tls_exclude_ciphers = a\n"
         "smtpd_tls_security_level = encrypt",
         "encrypt 301-304 auth 3600 M:!a:!b", ""},
        {"smtpd_tls_exclude_ciphers = !RC4", "",
         "E F, line 3: smtpd_tls_exclude_ciphers = !RC4: invalid unary '!+-@' in cipher exclusion"},
        {"smtpd_tls_exclude_ciphers = a +RC4", "", "invalid unary"},
        {"smtpd_tls_exclude_ciphers = -RC4", "", "invalid unary"},
        {"smtpd_tls_exclude_ciphers = @STRENGTH", "", "invalid unary"},
        {"smtpd_tls_mandatory_exclude_ciphers = !a\nsmtpd_tls_security_level = encrypt", "",
         "invalid unary"},
        /* client certificates */
        {"smtpd_tls_ask_ccert = yes", "may 301-304 ask 3600 M:!aNULL", ""},
        {"smtpd_tls_req_ccert = yes", "may 301-304 3600 M",
         "W F, line 3: smtpd_tls_req_ccert = yes: Can't require client certs unless TLS is "
         "required"},
        {"smtpd_tls_req_ccert = yes\nsmtpd_tls_ask_ccert = yes", "may 301-304 ask 3600 M:!aNULL",
         "Can't require"},
        {"smtpd_tls_req_ccert = yes\nsmtpd_tls_security_level = encrypt",
         "encrypt 301-304 ask require auth 3600 M:!aNULL", ""},
        {"smtpd_tls_req_ccert = yes\nsmtpd_tls_wrappermode = yes\nsmtpd_tls_exclude_ciphers = a",
         "encrypt 301-304 ask require auth 3600 M:!a:!aNULL", ""},
        /* the rest */
        {"tls_preempt_cipherlist = yes", "may 301-304 server 3600 M", ""},
        {"smtpd_tls_session_cache_timeout = 0", "may 301-304 0 M", ""},
        {"smtpd_tls_session_cache_timeout = 1", "may 301-304 120 M", ""},
        {"smtpd_tls_session_cache_timeout = 119s", "may 301-304 120 M", ""},
        {"smtpd_tls_session_cache_timeout = 2h", "may 301-304 7200 M", ""},
        {"tls_ssl_options = NO_TICKET", "may 301-304 0 M", ""},
        {"tls_ssl_options = bogus", "may 301-304 3600 M",
         "W F, line 3: tls_ssl_options: \"bogus\" has no meaning here and is ignored"},
        /* every mistake in one run */
        {"smtpd_tls_ciphers = x\nsmtpd_tls_protocols = y\nsmtpd_tls_security_level = z", "",
         "invalid TLS level"},
        {"smtpd_tls_ciphers = x\nsmtpd_tls_protocols = y\nsmtpd_tls_security_level = z", "",
         "invalid TLS protocol list"},
        {"smtpd_tls_ciphers = x\nsmtpd_tls_protocols = y\nsmtpd_tls_security_level = z", "",
         "invalid cipher grade"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text findings = {0};
        struct text result = {0};
        struct text file = {0};
        struct diag diag = {collect, &findings, 0, 0};

        text_format(&file, LISTS "%s\n", rows[i].text);
        struct config *config = config_parse("F", file.data, file.length, NULL, 0, &diag);
        assert_non_null(config);
        struct tls_policy *policy = tls_policy_from_config(config, &diag);
        config_free(config);
        describe(policy, &result);
        text_add(&findings, "", 0);
        if (strcmp(result.data, rows[i].result) != 0 ||
            strstr(findings.data, rows[i].finding) == NULL ||
            (*rows[i].finding == '\0' && findings.length > 0))
            fail_msg("%s: \"%s\" %s", rows[i].text, result.data, findings.data);
        assert_int_equal(policy == NULL, diag.errors > 0);
        tls_policy_free(policy);
        text_free(&file);
        text_free(&result);
        text_free(&findings);
    }
}

static void defaults(void **state)
{
    (void)state;
    struct diag diag = {0};
    struct config *config = config_parse("F", "", 0, NULL, 0, &diag);
    struct tls_policy *policy = tls_policy_from_config(config, &diag);

    assert_non_null(policy);
    assert_string_equal(policy->cipher_list,
                        "aNULL:-aNULL:HIGH:MEDIUM:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:"
                        "!aDSS:!MD5:+RC4:@STRENGTH");
    assert_string_equal(policy->curves, "X25519MLKEM768 X25519 prime256v1 secp384r1 secp521r1");
    assert_string_equal(policy->ca_file, "");
    assert_string_equal(policy->ca_path, "");
    assert_false(policy->default_ca);
    assert_int_equal(policy->verify_depth, 9);
    assert_int_equal(diag.warnings + diag.errors, 0);
    tls_policy_free(policy);
    tls_policy_free(NULL);
    config_free(config);
}

static void ssl_options(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool no_tickets;
        bool chacha;
        unsigned warnings;
    } rows[] = {
        {"", false, false, 0},
        {"NO_TICKET", true, false, 0},
        {"no_ticket", true, false, 0},
        {"0x4000", true, false, 0},
        {"0X4000", true, false, 0},
        {"NO_RENEGOTIATION", false, false, 0},
        {"0x40000000", false, false, 0},
        {"0x40004000", true, false, 0},
        {"NO_COMPRESSION, NO_TICKET", true, false, 0},
        {"NO_COMPRESSION:LEGACY_SERVER_CONNECT ENABLE_MIDDLEBOX_COMPAT", false, false, 0},
        {"NO_SESSION_RESUMPTION_ON_RENEGOTIATION", false, false, 0},
        {"PRIORITIZE_CHACHA", false, true, 0},
        {"0x200000", false, true, 0},
        {"0x1", false, false, 1},
        {"0x80000850", false, false, 0},
        {"0x3e400080", false, false, 0},
        {"0x8", false, false, 1},
        {"0x100000000", false, false, 1},
        {"0xffffffffffffffffff", false, false, 1},
        {"0x", false, false, 1},
        {"0x-4000", false, false, 1},
        {"0x4000z", false, false, 1},
        {"4000", false, false, 1},
        {"bogus NO_TICKET bogus", true, false, 2},
        {"0x204000", true, true, 0},
        {"NO_TICKET_NO_TICKET_NO_TICKET_NO_TICKET_NO_TICKET_NO_TICKET_NO_TICKET", false, false, 1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct diag diag = {0};
        struct tls_options options = {!rows[i].no_tickets, !rows[i].chacha};

        tls_options_parse(rows[i].list, "tls_ssl_options", &options, &diag);
        if (options.no_tickets != rows[i].no_tickets ||
            options.prioritize_chacha != rows[i].chacha || diag.warnings != rows[i].warnings)
            fail_msg("\"%s\": %d %d, %u warnings", rows[i].list, options.no_tickets,
                     options.prioritize_chacha, diag.warnings);
        assert_int_equal(diag.errors, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protocol_lists),
        cmocka_unit_test(policies),
        cmocka_unit_test(defaults),
        cmocka_unit_test(ssl_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
