/*
 * tls_params_test.c: every TLS parameter of Postfix's server side: what is said when it is set.
 * Weaker than asked is an error, stricter a warning, no difference an information.
 */
#include "tests/unit/tls_duel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "tls/credentials.h"
#include "tls/sni_maps.h"

/* What is reported when all of TLS is set up from one line, and the worst of it: 'E', 'W', 'I' or
 * '-' for nothing. */
static char run(const char *name, const char *value, struct findings *findings)
{
    char file[1024];
    struct tls_credentials credentials = {.items = &ecdsa, .count = 1};
    struct tls_context *context = NULL;
    int length = snprintf(file, sizeof file,
                          "myhostname = mx.test\ngatepost_state_directory = /nonexistent\n"
                          "%s = %s\n",
                          name, value);
    findings_reset(findings);
    struct config *config = config_parse("F", file, (size_t)length, NULL, 0, &findings->diag);
    struct tls_policy *policy =
        config != NULL ? tls_policy_from_config(config, &findings->diag) : NULL;
    if (policy != NULL && policy->level != TLS_LEVEL_NONE) {
        context = tls_context_new(policy, &credentials, &findings->diag);
    }
    if (config != NULL) { /* a certificate file that is not there is an error of its own */
        struct tls_sni_list *sni = tls_sni_list_read(config_str(config, PARAM_tls_server_sni_maps),
                                                     "F, line 3", &findings->diag);
        tls_credentials_free(tls_credentials_load(config, sni, &findings->diag));
        tls_sni_list_free(sni);
    }
    tls_context_unref(context);
    tls_policy_free(policy);
    config_free(config);
    return findings->diag.errors > 0     ? 'E'
           : findings->diag.warnings > 0 ? 'W'
           : *findings->text != '\0'     ? 'I'
                                         : '-';
}

/* What the defaults say of the library's lacks; not a word about the parameter under test. */
static bool is_default_word(const char *line, size_t length)
{
    static const char *const words[] = {
        "I cipher list: BoringSSL has no such suites, nothing is lost",
        "I tls_eecdh_auto_curves: BoringSSL does not have X25519MLKEM768;",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (length >= strlen(words[i]) && memcmp(line, words[i], strlen(words[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Is anything left when the defaults' words are taken away? */
static bool says_more(const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (!is_default_word(text, length)) {
            return true;
        }
        text += length + 1;
    }
    return false;
}

static void test_findings(void **state)
{
    static const struct {
        const char *name, *value;
        char worst;       /* '-': nothing but what the defaults say as well */
        const char *said; /* part of it */
    } cases[] = {
#define FOREIGN 'I', "a parameter of Postfix that gatepost does not need"
        /* smtpd(8): levels */
        {"smtpd_tls_security_level", "encrypt", '-', ""},
        {"smtpd_tls_security_level", "none", '-', ""},
        {"smtpd_tls_security_level", "verify", 'W', "taken as encrypt"},
        {"smtpd_tls_security_level", "dane", 'E', "invalid TLS level"},
        {"smtpd_use_tls", "yes", 'I', "deprecated"},
        {"smtpd_enforce_tls", "yes", 'I', "deprecated"},
        {"smtpd_tls_auth_only", "yes", '-', ""},
        {"smtpd_tls_auth_only", "true", 'E', "smtpd_tls_auth_only"},
        {"smtpd_tls_wrappermode", "yes", '-', ""},
        /* certificates */
        {"smtpd_tls_cert_file", "none", 'W', "no anonymous cipher suites"},
        {"smtpd_tls_cert_file", "/nonexistent", 'E', "/nonexistent: cannot read"},
        {"smtpd_tls_chain_files", "/nonexistent", 'E', "/nonexistent: cannot read"},
        {"smtpd_tls_eccert_file", "/nonexistent", 'E', "/nonexistent: cannot read"},
        {"smtpd_tls_key_file", "/nonexistent", '-', ""},
        {"smtpd_tls_eckey_file", "/nonexistent", '-', ""},
        {"smtpd_tls_dcert_file", "/nonexistent", 'W', "no ciphers for DSA"},
        {"smtpd_tls_dkey_file", "/nonexistent", 'W', "no ciphers for DSA"},
        {"tls_server_sni_maps", "hash:/x", 'E', "gatepost reads inline:"},
        {"gatepost_ocsp_suffix", ".ocsp", '-', ""},
        /* client certificates */
        {"smtpd_tls_CAfile", "/nonexistent", '-', ""}, /* not asked for */
        {"smtpd_tls_CApath", "/nonexistent", '-', ""},
        {"smtpd_tls_ask_ccert", "yes", '-', ""},
        {"smtpd_tls_req_ccert", "yes", 'W', "Can't require client certs unless TLS is required"},
        {"smtpd_tls_ccert_verifydepth", "0", '-', ""},
        {"smtpd_tls_fingerprint_digest", "md5", '-', ""},
        {"smtpd_tls_fingerprint_digest", "SHA512", '-', ""},
        {"smtpd_tls_fingerprint_digest", "whirlpool", 'E', "smtpd_tls_fingerprint_digest"},
        {"smtpd_tls_enable_rpk", "yes", 'W', "raw public keys"},
        {"smtpd_tls_enable_rpk", "no", '-', ""},
        {"tls_append_default_CA", "yes", '-', ""},
        {"tls_trust_server_ccerts", "yes", '-', ""},
        {"tls_legacy_public_key_fingerprints", "no", FOREIGN},
        {"tls_legacy_public_key_fingerprints", "yes", FOREIGN},
        /* logs and headers */
        {"smtpd_tls_loglevel", "2", '-', ""},
        {"smtpd_tls_loglevel_maps", "cidr:/x", 'I', "one smtpd_tls_loglevel for all"},
        {"smtpd_tls_trace_size_limit", "1", FOREIGN},
        {"tls_trace_rate_limit", "1", FOREIGN},
        {"smtpd_tls_received_header", "yes", '-', ""},
        /* protocols and ciphers */
        {"smtpd_tls_protocols", "!SSLv2, !SSLv3", '-', ""},
        {"smtpd_tls_protocols", ">=TLSv1.2", '-', ""},
        {"smtpd_tls_protocols", "!TLSv1.1", 'W', "has a hole"},
        {"smtpd_tls_protocols", "SSLv3 TLSv1", 'W', "no SSLv2 and SSLv3"},
        {"smtpd_tls_protocols", "<=0305", 'E', "is not known"},
        {"smtpd_tls_mandatory_protocols", ">=TLSv1.2", '-', ""},
        {"smtpd_tls_ciphers", "high", '-', ""},
        {"smtpd_tls_ciphers", "low", '-', ""},
        {"smtpd_tls_ciphers", "null", 'E', "no ciphers without encryption"},
        {"smtpd_tls_mandatory_ciphers", "high", '-', ""},
        {"smtpd_tls_exclude_ciphers", "aNULL, RC4, 3DES, kRSA", '-', ""},
        {"smtpd_tls_exclude_ciphers", "kDHE+CAMELLIA", '-', ""},
        {"smtpd_tls_exclude_ciphers", "PSD", 'W', "no such keyword or suite, ignored: PSD"},
        {"smtpd_tls_exclude_ciphers", "!aNULL", 'E', "invalid unary"},
        {"smtpd_tls_exclude_ciphers", "AES, CHACHA20", 'E', "cannot be used with BoringSSL"},
        {"smtpd_tls_mandatory_exclude_ciphers", "aNULL", '-', ""},
        {"tls_high_cipherlist", "!aNULL:!eNULL:!CAMELLIA:HIGH:@STRENGTH", '-', ""},
        {"tls_medium_cipherlist", "aNULL:-aNULL:ALL:!EXPORT:!LOW:+RC4:@STRENGTH", '-', ""},
        {"tls_medium_cipherlist", "HIGH:RC4", 'W', "BoringSSL lacks RC4: clients that need it"},
        {"tls_medium_cipherlist", "CAMELLIA", 'E', "cannot be used"},
        {"tls_medium_cipherlist", "HIGH:@SECLEVEL=2", 'W', "@SECLEVEL"},
        {"tls_low_cipherlist", "ALL", 'I', "the grade low is medium"},
        {"tls_export_cipherlist", "ALL", 'I', "the grade export is medium"},
        {"tls_null_cipherlist", "eNULL", 'I', "there is no grade null"},
        {"tls_preempt_cipherlist", "yes", '-', ""},
        /* groups */
        {"tls_eecdh_auto_curves", "X25519 secp521r1 secp384r1 prime256v1", '-', ""},
        {"tls_eecdh_auto_curves", "?X25519MLKEM768:DEFAULT", '-', ""},
        {"tls_eecdh_auto_curves", "X25519 X448", 'I', "does not have X448"},
        {"tls_eecdh_auto_curves", "X25519 X25591", 'W', "no such group: X25591"},
        {"tls_eecdh_auto_curves", "X448", 'E', "none of the groups"},
        {"tls_eecdh_strong_curve", "secp521r1", 'I', "not used"},
        {"tls_eecdh_ultra_curve", "secp521r1", 'I', "not used"},
        {"smtpd_tls_eecdh_grade", "strong", 'I', "tls_eecdh_auto_curves is what counts"},
        {"smtpd_tls_eecdh_grade", "auto", '-', ""},
        {"smtpd_tls_dh1024_param_file", "/x", 'W', "no finite-field Diffie-Hellman"},
        {"smtpd_tls_dh1024_param_file", "auto", 'W', "no finite-field Diffie-Hellman"},
        {"smtpd_tls_dh512_param_file", "/x", 'I', "as in Postfix 3.6"},
        {"tls_ffdhe_auto_groups", "ffdhe2048", 'I', "no finite-field Diffie-Hellman"},
        /* options */
        {"tls_ssl_options", "NO_RENEGOTIATION, NO_COMPRESSION", '-', ""},
        {"tls_ssl_options", "0x40000000", '-', ""},
        {"tls_ssl_options", "NO_TICKET", '-', ""},
        {"tls_ssl_options", "PRIORITIZE_CHACHA", 'I', "without tls_preempt_cipherlist"},
        {"tls_ssl_options", "0x1", 'W', "cannot be had"},
        {"tls_ssl_options", "bogus", 'W', "has no meaning"},
        {"tls_disable_workarounds", "ALL", 'I', "none of these workarounds"},
        {"tls_config_file", "default", '-', ""},
        {"tls_config_file", "none", '-', ""},
        {"tls_config_file", "/etc/ssl/openssl.cnf", 'E', "does not read OpenSSL's configuration"},
        {"tls_config_name", "postfix", 'E', "does not read OpenSSL's configuration"},
        {"tls_fast_shutdown_enable", "yes", '-', ""},
        {"tls_fast_shutdown_enable", "no", 'I', "close_notify"},
        /* resumption */
        {"smtpd_tls_session_cache_timeout", "3600s", '-', ""},
        {"smtpd_tls_session_cache_timeout", "0", '-', ""},
        {"smtpd_tls_session_cache_timeout", "101d", 'E', "smtpd_tls_session_cache_timeout"},
        {"smtpd_tls_session_cache_database", "btree:/x", 'W', "clients that know no tickets"},
        {"smtpd_tls_always_issue_session_ids", "no", '-', ""},
        {"tls_session_ticket_cipher", "aes-128-cbc", '-', ""},
        {"tls_session_ticket_cipher", "AES256", '-', ""},
        {"tls_session_ticket_cipher", "", '-', ""},
        {"tls_session_ticket_cipher", "camellia-256-cbc", 'W', "session tickets disabled"},
        {"tls_session_ticket_cipher", "aes-256-gcm", 'W', "session tickets disabled"},
        /* random numbers, and what is for Postfix's other programs */
        {"tls_random_source", "dev:/dev/urandom", FOREIGN},
        {"tls_random_bytes", "32", FOREIGN},
        {"tls_daemon_random_bytes", "32", FOREIGN},
        {"tls_random_exchange_name", "/x", FOREIGN},
        {"tls_random_reseed_period", "1h", FOREIGN},
        {"tls_random_prng_update_period", "1h", FOREIGN},
        {"tls_wildcard_matches_multiple_labels", "no", FOREIGN},
        {"tls_dane_digests", "sha512", FOREIGN},
        {"tls_required_enable", "yes", FOREIGN},
        {"tlsmgr_service_name", "tlsmgr", FOREIGN},
        {"openssl_path", "openssl", FOREIGN},
        {"smtpd_sasl_tls_security_options", "noanonymous", FOREIGN},
        {"relay_clientcerts", "hash:/x", FOREIGN},
        {"smtpd_hide_client_session", "yes", FOREIGN},
        {"requiretls_enable", "yes", FOREIGN},
        {"smtpd_starttls_timeout", "30s", '-', ""},
        {"smtpd_client_new_tls_session_rate_limit", "10", '-', ""},
        {"smtpd_discard_ehlo_keywords", "starttls", 'I', "no effect there"},
        {"tlsproxy_tls_ciphers", "high", FOREIGN},
        {"postscreen_tls_security_level", "may", FOREIGN},
        /* names that are no parameters */
        {"smtpd_tls_CApth", "/x", 'W', "smtpd_tls_CApath"},
        {"smtptd_tls_dh1024_param_file", "/x", 'W', "smtpd_tls_dh1024_param_file"},
    };
    unsigned failures = 0;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct findings findings;
        char worst = run(cases[i].name, cases[i].value, &findings);
        if (worst == 'I' && !says_more(findings.text)) {
            worst = '-';
        }
        if ((worst != cases[i].worst) || strstr(findings.text, cases[i].said) == NULL) {
            print_error("%s = %s: %c, wanted %c \"%s\"; said:\n%s", cases[i].name, cases[i].value,
                        worst, cases[i].worst, cases[i].said, findings.text);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_findings),
    };
    return cmocka_run_group_tests(tests, duel_make_keys, duel_free_keys);
}
