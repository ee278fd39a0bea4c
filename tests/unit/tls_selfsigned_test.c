/*
 * tls_selfsigned_test.c: self-signed credentials in files, and the daemon's own when none is
 * configured.
 */
#include "tests/unit/tls_duel.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/config.h"

static char directory[] = "/tmp/gatepost-self-XXXXXX";

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[80];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

/* How many files the directory has. */
static unsigned count_files(void)
{
    char command[80], text[16] = "";
    snprintf(command, sizeof command, "ls -A %s | wc -l", directory);
    FILE *pipe = popen(command, "r");
    assert_non_null(fgets(text, sizeof text, pipe));
    assert_int_equal(pclose(pipe), 0);
    return (unsigned)atoi(text);
}

static void test_write(void **state)
{
    static const enum tls_key_kind kinds[] = {TLS_KEY_RSA_2048, TLS_KEY_ECDSA_P256,
                                              TLS_KEY_ED25519};
    char path[128], missing[128];
    struct findings findings;
    struct stat before, after;
    (void)state;
    snprintf(path, sizeof path, "%s/new.pem", directory);
    snprintf(missing, sizeof missing, "%s/missing/new.pem", directory);
    findings_reset(&findings);
    mode_t mask = umask(0);
    assert_int_equal(tls_selfsigned_write(path, "mx.test", 30, kinds, 3, &findings.diag), 0);
    umask(mask);
    assert_string_equal(findings.text, "");
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(before.st_mode & 07777, 0600);
    assert_int_equal(count_files(), 1); /* no draft is left */
    const struct tls_credential_files files = {
        .chain_files = path, .cert_file = "", .key_file = "", .eccert_file = "", .eckey_file = ""};
    struct tls_credentials *credentials = tls_credentials_from_files(&files, &findings.diag);
    assert_non_null(credentials);
    assert_int_equal(credentials->count, 3);
    assert_int_equal(EVP_PKEY_id(credentials->items[0].key), EVP_PKEY_EC);
    assert_int_equal(EVP_PKEY_id(credentials->items[2].key), EVP_PKEY_RSA);
    tls_credentials_free(credentials);
    /* What is there stays there. */
    assert_int_equal(tls_selfsigned_write(path, "mx.test", 30, kinds, 1, &findings.diag), -1);
    assert_non_null(strstr(findings.text, "new.pem: cannot write: File exists"));
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(tls_selfsigned_write(missing, "mx.test", 30, kinds, 1, &findings.diag), -1);
    assert_non_null(strstr(findings.text, "missing/new.pem: cannot write: No such file"));
    assert_int_equal(tls_selfsigned_write(missing, "no host", 30, kinds, 1, &findings.diag), -1);
    assert_non_null(strstr(findings.text, "for \"no host\": not a host name"));
    assert_int_equal(count_files(), 1);
    assert_int_equal(unlink(path), 0);
}

static struct config *configuration(const char *text)
{
    char file[512];
    struct diag diag = {0};
    int length =
        snprintf(file, sizeof file, "myhostname = mx.test\ngatepost_state_directory = %s\n%s\n",
                 directory, text);
    struct config *config = config_parse("F", file, (size_t)length, NULL, 0, &diag);
    assert_non_null(config);
    return config;
}

/* A daemon without a certificate makes one, once; one with a certificate does not. */
static void test_default(void **state)
{
    static const char *const configured[] = {
        "smtpd_tls_chain_files = /missing",
        "smtpd_tls_cert_file = none",
        "smtpd_tls_cert_file = /missing",
        "smtpd_tls_eccert_file = /missing",
    };
    struct findings findings;
    bool made = true;
    (void)state;
    findings_reset(&findings);
    for (size_t i = 0; i < sizeof configured / sizeof configured[0]; i++) {
        struct config *config = configuration(configured[i]);
        assert_int_equal(tls_credentials_make(config, &made, &findings.diag), 0);
        assert_false(made);
        config_free(config);
    }
    assert_int_equal(count_files(), 0);
    struct config *config = configuration("");
    assert_null(tls_credentials_load(config, NULL, &findings.diag));
    assert_string_equal(findings.text, ""); /* nothing there, nothing wrong */
    assert_int_equal(tls_credentials_make(config, &made, &findings.diag), 0);
    assert_true(made);
    assert_int_equal(tls_credentials_make(config, &made, &findings.diag), 0);
    assert_false(made);
    assert_string_equal(findings.text, "");
    struct tls_credentials *credentials = tls_credentials_load(config, NULL, &findings.diag);
    assert_non_null(credentials);
    assert_int_equal(credentials->count, 2);
    assert_non_null(
        strstr(findings.text,
               "W no certificate is configured (smtpd_tls_chain_files): using the self-signed"));
    tls_credentials_free(credentials);
    config_free(config);
    /* The file is not used where another is configured. */
    config = configuration(configured[0]);
    assert_null(tls_credentials_load(config, NULL, &findings.diag));
    assert_int_equal(findings.diag.errors, 1);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_default),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
