/*
 * import_files_test.c: "gatepost import" of directories: real configurations, and files that are
 * none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/config.h"
#include "policy/import.h"
#include "policy/text.h"
#include "policy/tls_policy.h"
#include "tests/unit/import_check.h"

#define FIXTURES "tests/e2e/fixtures/"
#define EXCLUDE_S1 ":!aNULL:!eNULL:!EXPORT:!DES:!3DES:!RC4:!MD5:!PSK:!aECDH:!CAMELLIA"
#define EXCLUDE_S3 ":!aNULL:!DES:!3DES:!RC4:!MD5:!PSD"

/* Real configurations, and the TLS that they stand for. */
static const struct {
    const char *name;
    enum tls_level level;
    bool server_preference;
    const char *cipher_list; /* NULL: the default of the grade medium */
    const char *has[IMPORT_CHECK_MOST];
} fixtures[] = {
    {"postfix-s0",
     TLS_LEVEL_NONE,
     true,
     NULL,
     {"\n#smtpd_tls_dh1024_param_file = ", "\n#smtpd_tls_dh512_param_file = ",
      "\n#smtpd_tls_eecdh_grade = strong\n"}},
    {"postfix-s1",
     TLS_LEVEL_ENCRYPT,
     true,
     "!aNULL:!eNULL:!CAMELLIA:HIGH:@STRENGTH" EXCLUDE_S1 EXCLUDE_S1,
     {"\ntls_eecdh_auto_curves = X25519 X448 secp521r1 secp384r1 prime256v1\n",
      "\ntls_ssl_options = 0x40000000\n"}},
    {"postfix-s2",
     TLS_LEVEL_MAY,
     true,
     NULL,
     {"Did you mean smtpd_tls_CApath?", "Did you mean smtp_tls_CApath?", " debugger_command ",
      "\nsmtpd_tls_session_cache_timeout = 3600s\n", "\n#smtpd_use_tls = yes\n",
      "\nsmtpd_tls_received_header = yes\n"}},
    {"postfix-s3",
     TLS_LEVEL_MAY,
     false,
     "aNULL:-aNULL:ALL:!EXPORT:!LOW:!MEDIUM:+RC4:@STRENGTH" EXCLUDE_S3,
     {"\n#tls_legacy_public_key_fingerprints = no\n", "\n#smtpd_use_tls = yes\n"}},
};

/* Import a directory; returns the output. */
static char *convert_directory(const char *directory, struct text *findings, int *status)
{
    struct diag diag = {.sink = import_check_collect, .ctx = findings};
    char *output = NULL;
    size_t length;
    FILE *out = open_memstream(&output, &length);

    assert_non_null(out);
    text_add(findings, "", 0);
    *status = import_postfix(directory, out, &diag);
    assert_int_equal(fclose(out), 0);
    return output;
}

static void real_configurations(void **state)
{
    static const char *const no_lacks[IMPORT_CHECK_MOST] = {NULL};

    (void)state;
    for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
        struct text path = {0};
        struct text findings = {0};
        struct diag diag = {0};
        int status;

        text_format(&path, FIXTURES "%s", fixtures[i].name);
        char *output = convert_directory(path.data, &findings, &status);
        if (status != 0)
            fail_msg("%s: %s", fixtures[i].name, findings.data);
        import_check_compare(fixtures[i].name, output, fixtures[i].has, no_lacks);
        struct config *config = import_check_take(fixtures[i].name, output);
        struct tls_policy *policy = tls_policy_from_config(config, &diag);
        assert_non_null(policy);
        assert_int_equal(policy->level, fixtures[i].level);
        assert_int_equal(policy->min_version, TLS_VERSION_1_0);
        assert_int_equal(policy->max_version, TLS_VERSION_1_3);
        assert_int_equal(policy->server_preference, fixtures[i].server_preference);
        assert_string_equal(policy->cipher_list,
                            fixtures[i].cipher_list != NULL
                                ? fixtures[i].cipher_list
                                : config_str(config, PARAM_tls_medium_cipherlist));
        tls_policy_free(policy);
        config_free(config);
        text_free(&findings);
        text_free(&path);
        free(output);
    }
}

static void broken_configurations(void **state)
{
    static const struct {
        const char *directory;
        const char *finding;
    } cases[] = {
        {FIXTURES "postfix-s2-as-printed",
         "postfix-s2-as-printed/main.cf, line 52: missing '=' after attribute name: "
         "\"permit_mynetworks,reject_unauth_destination\""},
        {FIXTURES "no-such-directory", "no-such-directory: No such file or directory"},
        {FIXTURES, "fixtures/main.cf: No such file or directory"},
        {"/dev/null", "main.cf: Not a directory"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text findings = {0};
        int status;
        char *output = convert_directory(cases[i].directory, &findings, &status);

        assert_int_equal(status, -1);
        assert_string_equal(output, "");
        if (strstr(findings.data, cases[i].finding) == NULL)
            fail_msg("%s: %s", cases[i].directory, findings.data);
        text_free(&findings);
        free(output);
    }
}

/* Make DIRECTORY/NAME with TEXT in it. */
static void make_file(const char *directory, const char *name, const char *text)
{
    struct text path = {0};

    text_format(&path, "%s/%s", directory, name);
    FILE *file = fopen(path.data, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    text_free(&path);
}

static void odd_files(void **state)
{
    char directory[] = "/tmp/import_test.XXXXXX";
    struct text path = {0};
    struct text findings = {0};
    int status;

    (void)state;
    assert_non_null(mkdtemp(directory));
    make_file(directory, "main.cf", "a = b\n");
    free(convert_directory(directory, &findings, &status));
    assert_int_equal(status, -1);
    assert_non_null(strstr(findings.data, "master.cf: No such file"));

    text_format(&path, "%s/master.cf", directory);
    assert_int_equal(mkfifo(path.data, 0600), 0);
    free(convert_directory(directory, &findings, &status));
    assert_int_equal(status, -1);
    assert_non_null(strstr(findings.data, "master.cf: something special, not a regular file"));
    assert_int_equal(unlink(path.data), 0);

    make_file(directory, "master.cf", "smtp inet n - n - - smtpd -o\n");
    free(convert_directory(directory, &findings, &status));
    assert_int_equal(status, -1);
    assert_non_null(strstr(findings.data, "master.cf, line 1: nothing follows -o"));
    assert_int_equal(unlink(path.data), 0);

    text_free(&path);
    text_format(&path, "%s/main.cf", directory);
    assert_int_equal(unlink(path.data), 0);
    assert_int_equal(rmdir(directory), 0);
    text_free(&path);
    text_free(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_configurations),
        cmocka_unit_test(broken_configurations),
        cmocka_unit_test(odd_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
