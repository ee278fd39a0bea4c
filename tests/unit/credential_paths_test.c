/*
 * credential_paths_test.c: which files certificates, keys and authorities are read from.
 */
#include "tests/unit/tls_duel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/tls_policy.h"
#include "tls/context.h"
#include "tls/sni_maps.h"

static void collect(void *ctx, const char *path)
{
    char *out = ctx;
    size_t used = strlen(out);

    snprintf(out + used, 1024 - used, "%s%s", used > 0 ? " " : "", path);
}

static void test_paths(void **state)
{
    static const struct {
        const char *text;
        const char *paths;       /* of credentials */
        const char *authorities; /* of the policy */
    } cases[] = {
        {"", "/s/selfsigned.pem", ""},
        {"smtpd_tls_cert_file = /c", "/c /c", ""},
        {"smtpd_tls_cert_file = /c\nsmtpd_tls_key_file = /k", "/c /k", ""},
        {"smtpd_tls_cert_file = /c\nsmtpd_tls_key_file = /k\nsmtpd_tls_eccert_file = /e\n"
         "smtpd_tls_eckey_file = /f\ngatepost_ocsp_suffix = .o",
         "/c /c.o /k /e /e.o /f", ""},
        {"smtpd_tls_cert_file = none", "", ""},
        {"smtpd_tls_chain_files = /a, /b /a\nsmtpd_tls_cert_file = /ignored", "/a /b /a", ""},
        {"smtpd_tls_chain_files = /a\ngatepost_ocsp_suffix = .ocsp\n"
         "tls_server_sni_maps = inline:{ { x.test = /x /y }, { .z.test = /z } }",
         "/a /a.ocsp /x /x.ocsp /y /y.ocsp /z /z.ocsp", ""},
        {"smtpd_tls_chain_files = /a\nsmtpd_tls_CAfile = /ca\nsmtpd_tls_CApath = /cas", "/a", ""},
        {"smtpd_tls_chain_files = /a\nsmtpd_tls_CAfile = /ca\nsmtpd_tls_CApath = /cas\n"
         "smtpd_tls_ask_ccert = yes",
         "/a", "/ca /cas"},
        {"smtpd_tls_chain_files = /a\nsmtpd_tls_CAfile = /ca\nsmtpd_tls_req_ccert = yes\n"
         "smtpd_tls_security_level = encrypt",
         "/a", "/ca"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024], paths[1024] = "", authorities[1024] = "";
        struct findings findings;
        int length = snprintf(text, sizeof text,
                              "myhostname = mx.test\n"
                              "gatepost_state_directory = /s\n%s\n",
                              cases[i].text);
        findings_reset(&findings);
        struct config *config = config_parse("F", text, (size_t)length, NULL, 0, &findings.diag);
        assert_non_null(config);
        struct tls_policy *policy = tls_policy_from_config(config, &findings.diag);
        struct tls_sni_list *names =
            tls_sni_list_read(config_str(config, PARAM_tls_server_sni_maps), NULL, &findings.diag);
        assert_non_null(policy);
        assert_non_null(names);
        tls_credentials_each_path(config, names, collect, paths);
        tls_policy_each_path(policy, collect, authorities);
        assert_string_equal(paths, cases[i].paths);
        assert_string_equal(authorities, cases[i].authorities);
        tls_sni_list_free(names);
        tls_policy_free(policy);
        config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
