/*
 * tls_context_test.c: credentials out of files, and what cipher strings, group lists and protocol
 * bounds come to in the library.
 */
#include "tests/unit/tls_duel.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/ciphers.h"
#include "tls/groups.h"

/* ---- files ---- */

static char directory[] = "/tmp/gatepost-tls-XXXXXX";
static struct tls_credential other_rsa;

static void path_of(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", directory, name);
}

static void write_text(const char *name, const char *text)
{
    char path[128];
    path_of(path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* One file: 'k' is the key and 'c' the certificate of the next of CREDENTIALS, as ORDER says. */
static void write_pem(const char *name, const char *order, const struct tls_credential *key,
                      const struct tls_credential *certificate)
{
    char path[128];
    path_of(path, name);
    BIO *bio = BIO_new_file(path, "w");
    assert_non_null(bio);
    for (; *order != '\0'; order++) {
        if (*order == 'k') {
            assert_true(PEM_write_bio_PrivateKey(bio, key->key, NULL, NULL, 0, NULL, NULL));
        } else {
            const CRYPTO_BUFFER *leaf = certificate->chain[0];
            assert_true(PEM_write_bio(bio, "CERTIFICATE", "", CRYPTO_BUFFER_data(leaf),
                                      (long)CRYPTO_BUFFER_len(leaf)));
        }
    }
    assert_true(BIO_free(bio));
}

static const char ed448_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MEcCAQAwBQYDK2VxBDsEOSD2/tQD6z1FkR4RPebxcA6nG5E5PXRHtEV5tfqWW5Qc\n"
                                "6jBZ3QgL4Uaxxn5Ms8PrEOUA0LGDp/0m7g==\n"
                                "-----END PRIVATE KEY-----\n";
static const char secp256k1_key[] =
    "-----BEGIN EC PARAMETERS-----\nBgUrgQQACg==\n-----END EC PARAMETERS-----\n"
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHQCAQEEIF4mIOzXxMYScngoBojPop/euRSKYbha4O9noJhchih8oAcGBSuBBAAK\n"
    "oUQDQgAEsOh6q+1s9rg5GKXrOxhz4giBDjant0suk7avGRCqYKKjn3700HitQgyn\n"
    "b/MY2sCmSpAQmxTPW2Z8kXTNqAXvOw==\n"
    "-----END EC PRIVATE KEY-----\n";
static const char encrypted_pkcs8[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgfQMJMDvBWlgICCAAw\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";
static const char encrypted_traditional[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,AD69CE3807735CC532B9E0BD99232048\n\n"
    "e+YGlXF718141tXJFoxFgJUf96tMd/UfrrM4oVY2HNeJdWGejKQMJlTmkCsAgQ6z\n"
    "-----END EC PRIVATE KEY-----\n";

static int make_files(void **state)
{
    char path[128];
    assert_non_null(mkdtemp(directory));
    assert_int_equal(duel_make_keys(state), 0);
    assert_true(tls_selfsigned_make(TLS_KEY_RSA_2048, "other.test", 1, &other_rsa));
    write_pem("ec.pem", "kc", &ecdsa, &ecdsa);
    write_pem("ec384.pem", "kc", &ecdsa384, &ecdsa384);
    write_pem("ed.pem", "kc", &ed25519, &ed25519);
    write_pem("rsa.pem", "kc", &rsa, &rsa);
    write_pem("rsa-chain.pem", "kccc", &rsa, &rsa);
    write_pem("rsa-mixed.pem", "cck", &rsa, &rsa);
    write_pem("rsa-two-keys.pem", "kck", &rsa, &rsa);
    write_pem("rsa.key", "k", &rsa, &rsa);
    write_pem("rsa.crt", "cc", &rsa, &rsa);
    write_pem("mismatch.pem", "kc", &other_rsa, &rsa);
    write_pem("other.key", "k", &other_rsa, &rsa);
    write_text("ed448.pem", ed448_key);
    write_text("k1.pem", secp256k1_key);
    write_text("enc8.pem", encrypted_pkcs8);
    write_text("enc.pem", encrypted_traditional);
    write_text("empty.pem", "");
    write_text("dsa.pem", "-----BEGIN DSA PRIVATE KEY-----\nMAA=\n-----END DSA PRIVATE KEY-----\n");
    write_text("crl.pem", "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n");
    write_text("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    write_text("not-x509.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    write_text("cut.pem", "-----BEGIN PRIVATE KEY-----\nMEcCAQAwBQYDK2Vx\n");
    path_of(path, "folder");
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(path, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    path_of(path, "huge");
    write_text("huge", "");
    assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
    return 0;
}

static int remove_files(void **state)
{
    char command[160];
    duel_free_keys(state);
    tls_credential_clear(&other_rsa);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

/* ---- credentials ---- */

/* "a.pem b.pem" with the directory before each name; "" and "none" stay. */
static const char *expand(char *out, size_t size, const char *names)
{
    char copy[256], *rest = NULL;
    size_t used = 0;
    *out = '\0';
    snprintf(copy, sizeof copy, "%s", names);
    for (char *name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        const char *separator = used == 0 ? "" : used % 2 ? ", " : "\t";
        used += (size_t)snprintf(out + used, size - used, "%s%s%s%s", separator,
                                 strcmp(name, "none") ? directory : "",
                                 strcmp(name, "none") ? "/" : "", name);
    }
    return out;
}

static void test_credentials(void **state)
{
    static const struct {
        const char *chain_files, *cert_file, *key_file, *eccert_file, *eckey_file;
        const char *types; /* E, D (Ed25519), R in order of preference; "" for NULL */
        unsigned errors, warnings;
        const char *said; /* must occur in what was reported */
    } cases[] = {
        {"", "", "", "", "", "", 0, 0, ""},
        {"rsa.pem", "", "", "", "", "R", 0, 0, ""},
        {"rsa.pem ec.pem", "", "", "", "", "ER", 0, 0, ""},
        {"rsa.pem ed.pem ec384.pem ec.pem", "", "", "", "", "EEDR", 0, 0, ""},
        {"rsa.key rsa.crt ec.pem", "", "", "", "", "ER", 0, 0, ""},
        {"rsa-chain.pem", "", "", "", "", "R", 0, 0, ""},
        {"", "rsa.crt", "rsa.key", "", "", "R", 0, 0, ""},
        {"", "rsa.crt", "rsa.key", "ec.pem", "", "ER", 0, 0, ""},
        {"", "rsa-mixed.pem", "rsa-mixed.pem", "", "", "R", 0, 0, ""},
        {"", "rsa-mixed.pem", "", "", "", "R", 0, 0, ""},
        {"", "rsa-two-keys.pem", "", "", "", "R", 0, 1, "PEM object 3: ignoring a second"},
        {"rsa.pem", "ec.pem", "", "", "", "R", 0, 1, "are ignored"},
        {"rsa.pem crl.pem", "", "", "", "", "R", 0, 1, "ignoring PEM type X509 CRL"},
        {"", "none", "none", "", "", "", 0, 1, "no anonymous cipher suites"},
        {"", "missing.pem", "", "", "", "", 1, 0, "missing.pem: cannot read: No such file"},
        {"", "rsa.crt", "missing.key", "", "", "", 1, 0, "missing.key: cannot read: No such"},
        {"rsa.pem missing.pem", "", "", "", "", "", 1, 0, "missing.pem: cannot read"},
        {"folder", "", "", "", "", "", 1, 0, "folder: cannot read: Is a directory"},
        {"fifo", "", "", "", "", "", 1, 0, "fifo: cannot read: not a regular file"},
        {"huge", "", "", "", "", "", 1, 0, "huge: cannot read: File too large"},
        {"empty.pem", "", "", "", "", "", 1, 0, "no private key or certificate"},
        {"", "empty.pem", "", "", "", "", 2, 0, "empty.pem: no certificate in this file"},
        {"", "rsa.crt", "rsa.crt", "", "", "", 1, 0, "rsa.crt: no private key in this file"},
        {"rsa-mixed.pem", "", "", "", "", "", 1, 0, "rsa-mixed.pem: PEM object 1: a certificate"},
        {"rsa.key", "", "", "", "", "", 1, 0, "rsa.key: PEM object 1: the private key is not"},
        {"rsa.key ec.pem", "", "", "", "", "", 1, 0, "rsa.key: PEM object 1: the private key is"},
        {"mismatch.pem", "", "", "", "", "", 1, 0, "mismatch.pem: the private key does not match"},
        {"", "rsa.crt", "other.key", "", "", "", 1, 0, "other.key: the private key does not match"},
        {"ed448.pem", "", "", "", "", "", 1, 0, "ed448.pem: PEM object 1: BoringSSL cannot use"},
        {"k1.pem", "", "", "", "", "", 1, 0, "k1.pem: PEM object 2: BoringSSL cannot use"},
        {"dsa.pem", "", "", "", "", "", 1, 0, "BoringSSL has no DSA"},
        {"enc8.pem", "", "", "", "", "", 1, 0, "enc8.pem: PEM object 1: the private key is encr"},
        {"enc.pem", "", "", "", "", "", 1, 0, "enc.pem: PEM object 1: the private key is encr"},
        {"broken.pem", "", "", "", "", "", 1, 0, "broken.pem: damaged PEM data: bad base64"},
        {"not-x509.pem", "", "", "", "", "", 1, 0, "PEM object 1: not a usable certificate"},
        {"cut.pem", "", "", "", "", "", 1, 0, "cut.pem: damaged PEM data"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char paths[5][512], types[8] = "";
        struct findings findings;
        findings_reset(&findings);
        const struct tls_credential_files files = {
            .chain_files = expand(paths[0], sizeof paths[0], cases[i].chain_files),
            .cert_file = expand(paths[1], sizeof paths[1], cases[i].cert_file),
            .key_file = expand(paths[2], sizeof paths[2], cases[i].key_file),
            .eccert_file = expand(paths[3], sizeof paths[3], cases[i].eccert_file),
            .eckey_file = expand(paths[4], sizeof paths[4], cases[i].eckey_file),
        };
        struct tls_credentials *credentials = tls_credentials_from_files(&files, &findings.diag);
        for (size_t k = 0; credentials != NULL && k < credentials->count; k++) {
            int type = EVP_PKEY_id(credentials->items[k].key);
            types[k] = type == EVP_PKEY_EC ? 'E' : type == EVP_PKEY_RSA ? 'R' : 'D';
        }
        tls_credentials_free(credentials);
        if (strcmp(types, cases[i].types) != 0 || findings.diag.errors != cases[i].errors ||
            findings.diag.warnings != cases[i].warnings ||
            strstr(findings.text, cases[i].said) == NULL) {
            fail_msg("case %zu: types \"%s\", wanted \"%s\"; said:\n%s", i, types, cases[i].types,
                     findings.text);
        }
    }
}

static void test_chain_is_kept(void **state)
{
    char path[128];
    struct findings findings;
    (void)state;
    findings_reset(&findings);
    path_of(path, "rsa-chain.pem");
    const struct tls_credential_files files = {
        .chain_files = path, .cert_file = "", .key_file = "", .eccert_file = "", .eckey_file = ""};
    struct tls_credentials *credentials = tls_credentials_from_files(&files, &findings.diag);
    assert_non_null(credentials);
    assert_int_equal(credentials->items[0].chain_length, 3);
    const CRYPTO_BUFFER *leaf = rsa.chain[0];
    assert_string_equal(credentials->items[0].file, path);
    assert_ptr_equal(
        tls_credentials_find_leaf(credentials, CRYPTO_BUFFER_data(leaf), CRYPTO_BUFFER_len(leaf)),
        &credentials->items[0]);
    assert_null(tls_credentials_find_leaf(credentials, CRYPTO_BUFFER_data(leaf), 10));
    tls_credentials_free(credentials);
}

/* ---- cipher strings ---- */

/* The suites of CTX by name, "a b [c d] e". */
static void suite_names(const SSL_CTX *ctx, char *out, size_t size)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);
    size_t used = 0;
    bool open = false;
    *out = '\0';
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        bool linked = SSL_CTX_cipher_in_group(ctx, i) != 0;
        used += (size_t)snprintf(
            out + used, size - used, "%s%s%s%s", i > 0 ? " " : "", linked && !open ? "[" : "",
            SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)), open && !linked ? "]" : "");
        open = linked;
    }
}

#define MEDIUM_3_12                                                                                \
    "aNULL:-aNULL:HIGH:MEDIUM:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:+RC4:"       \
    "@STRENGTH"
/* The same on both libraries, with AES hardware or without. */
#define FOURTEEN                                                                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"     \
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:AES256-GCM-SHA384:"   \
    "AES256-SHA:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:" \
    "ECDHE-RSA-AES128-SHA:AES128-GCM-SHA256:AES128-SHA"

static unsigned count_suites(const char *names)
{
    unsigned count = *names != '\0';
    for (; *names != '\0'; names++) {
        count += *names == ' ';
    }
    return count;
}

static void test_ciphers(void **state)
{
    static const struct {
        const char *list;
        const char *suites; /* NULL: only COUNT is looked at; "": an error */
        unsigned count, warnings;
        const char *said;
    } cases[] = {
        {MEDIUM_3_12, NULL, 14, 0, "I cipher list: BoringSSL has no such suites"},
        {FOURTEEN, NULL, 14, 0, ""},
        {"aNULL:-aNULL:HIGH:MEDIUM:LOW:EXPORT:+RC4:@STRENGTH", NULL, 14, 0,
         "nothing is lost: aNULL, MEDIUM, LOW, EXPORT, RC4"},
        {"HIGH", NULL, 14, 0, ""},
        {"DEFAULT", NULL, 14, 0, ""},
        {"ALL:!PSK", NULL, 14, 0, ""},
        {"AES128-SHA:AES256-SHA", "AES128-SHA AES256-SHA", 2, 0, ""},
        {"AES128-SHA AES256-SHA,AES128-SHA", "AES128-SHA AES256-SHA", 2, 0, ""},
        {"HIGH:!ECDHE:!AESGCM:!AES256", "AES128-SHA", 1, 0, ""},
        {"AES128-SHA:DES-CBC3-SHA", "AES128-SHA DES-CBC3-SHA", 2, 0, ""},
        {"HIGH:!ECDHE:!AES:RSA+3DES", "DES-CBC3-SHA", 1, 0, ""},
        {"AES128-SHA:3DES:!3DES", "AES128-SHA", 1, 0, ""},
        /* OpenSSL's meaning of the version keywords. */
        {"TLSv1:!AES256:!aECDSA", "ECDHE-RSA-AES128-SHA", 1, 0, ""},
        {"SSLv3:!AES256", "AES128-SHA", 1, 0, ""},
        {"HIGH:!TLSv1.0:!TLSv1.2", "AES128-SHA AES256-SHA", 2, 0, ""},
        {"HIGH:!CBC:!ECDHE:!AES256", "AES128-GCM-SHA256", 1, 0, ""},
        /* Groups of equal preference, and exclusions behind them. */
        {"[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:AES128-SHA",
         "[ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-CHACHA20-POLY1305] AES128-SHA", 3, 0, ""},
        {"[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305|AES128-SHA]:!CHACHA20:!aNULL",
         "[ECDHE-RSA-AES128-GCM-SHA256 AES128-SHA]", 2, 0, "nothing is lost: aNULL"},
        {"[ECDHE-RSA-AES128-GCM-SHA256|CAMELLIA|ECDHE-RSA-CHACHA20-POLY1305]",
         "[ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-CHACHA20-POLY1305]", 2, 1,
         "BoringSSL lacks CAMELLIA"},
        {"[CAMELLIA|AES128-SHA]:AES256-SHA", "AES128-SHA AES256-SHA", 2, 1, ""},
        {"[AES128-SHA|DES-CBC3-SHA]:!RSA:ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", 1, 0, ""},
        {"[PSK-AES128-CBC-SHA|AES128-SHA]", "AES128-SHA", 1, 0, ""},
        {"HIGH:!PSD:!AES:!PSD", NULL, 2, 1, "no such keyword or suite, ignored: PSD\n"},
        {"DHE-RSA-AES256-SHA:AES256-SHA:!DHE-RSA-AES128-SHA", "AES256-SHA", 1, 1,
         "lacks DHE-RSA-AES256-SHA:"},
        {"AES128-SHA:@SECLEVEL=0", "AES128-SHA", 1, 0, "I cipher list: @SECLEVEL=0"},
        {"AES128-SHA:@SECLEVEL=2", "", 0, 0, "@SECLEVEL=2 cannot be honoured"},
        {"AES128-SHA:@FOO", "", 0, 0, "@FOO is not a command"},
        {"", "", 0, 0, "nothing is left"},
        {"eNULL:!aNULL", "", 0, 1, "cannot be used with BoringSSL: nothing is left"},
        {"AES:!AES", "", 0, 0, "no cipher match"},
        {"PSK", "", 0, 0, "leaves no cipher suite"},
        {"[AES128-SHA|AES256-SHA]:!AES", "", 0, 0, "leaves no cipher suite"},
        {"[AES128-SHA|AES256-SHA]:@STRENGTH", "", 0, 0, "mixed special operator with groups"},
        {"[AES128-SHA", "", 0, 0, "']' is missing"},
        {"AES128-SHA]", "", 0, 0, "misplaced ']'"},
        {"[AES128-SHA|[AES256-SHA]]", "", 0, 0, "misplaced '['"},
        {"AES128-SHA|AES256-SHA", "", 0, 0, "misplaced '|'"},
        {"AES128-SHA:!", "", 0, 0, "an element is empty"},
        {"AES128-SHA:\"X\"", "AES128-SHA", 1, 1, "no such keyword"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char names[2048];
        struct findings findings;
        findings_reset(&findings);
        SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
        bool good = tls_ciphers_apply(ctx, cases[i].list, &findings.diag);
        suite_names(ctx, names, sizeof names);
        SSL_CTX_free(ctx);
        bool wanted = cases[i].suites == NULL || *cases[i].suites != '\0';
        bool right = good == wanted && (findings.diag.errors == 0) == good &&
                     findings.diag.warnings == cases[i].warnings &&
                     strstr(findings.text, cases[i].said) != NULL;
        if (right && good) {
            right = count_suites(names) == cases[i].count &&
                    (cases[i].suites == NULL || strcmp(names, cases[i].suites) == 0);
        }
        if (!right) {
            fail_msg("case %zu \"%s\": %s; said:\n%s", i, cases[i].list, names, findings.text);
        }
    }
}

/* An element longer than any suite's name. */
static void test_long_cipher_word(void **state)
{
    char list[600];
    struct findings findings;
    (void)state;
    findings_reset(&findings);
    memset(list, 'A', sizeof list - 1);
    list[sizeof list - 1] = '\0';
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_false(tls_ciphers_apply(ctx, list, &findings.diag));
    assert_non_null(strstr(findings.text, "too long"));
    SSL_CTX_free(ctx);
}

/* ---- groups ---- */

static void test_groups(void **state)
{
    static const struct {
        const char *list;
        uint16_t ids[8]; /* but for X25519MLKEM768, which not every library has; none: an error */
        unsigned warnings;
        const char *said;
    } cases[] = {
        {"", {0x1d, 0x17, 0x18}, 0, ""},
        {" , ", {0x1d, 0x17, 0x18}, 0, ""},
        {"X25519 X448 prime256v1 secp521r1 secp384r1",
         {0x1d, 0x17, 0x19, 0x18},
         0,
         "does not have X448;"},
        {"?X25519MLKEM768:DEFAULT", {0x1d, 0x17, 0x18}, 0, ""},
        {"?X25519MLKEM768/*X25519:?secp256r1 / ?X448:secp384r1", {0x1d, 0x17, 0x18}, 0, ""},
        {"DEFAULT:-P-256:P-521", {0x1d, 0x18, 0x19}, 0, ""},
        {"P-521:x25519:-DEFAULT", {0x19}, 0, ""},
        {"x25519,X25519;", {0x1d}, 1, "no such group: X25519;"},
        {"P-256 X25519 X25519 secp256r1", {0x17, 0x1d}, 0, ""},
        {"X25519 X25591 x25591 X2559", {0x1d}, 1, "no such group: X25591, X2559\n"},
        {"ffdhe2048 brainpoolP256r1 X25519", {0x1d}, 0, "have ffdhe2048, brainpoolP256r1;"},
        {"X448", {0}, 0, "none of the groups \"X448\""},
        {"X25519:-X25519", {0}, 0, "none of the groups"},
        {"DEFAULT:-DEFAULT", {0}, 0, "none of the groups"},
        {"? *", {0}, 1, "none of the groups"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", {0}, 1, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct findings findings;
        struct tls_groups groups;
        size_t at = 0;
        bool right = true;
        findings_reset(&findings);
        SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
        bool good = tls_groups_apply(ctx, cases[i].list, &groups, &findings.diag);
        SSL_CTX_free(ctx);
        for (size_t k = 0; good && k < groups.count; k++) {
            if (groups.ids[k] != 0x11ec) {
                right = right && groups.ids[k] == cases[i].ids[at++];
            }
        }
        right = right && cases[i].ids[at] == 0 && good == (at > 0);
        if (!right || findings.diag.warnings != cases[i].warnings ||
            (findings.diag.errors == 0) != good || strstr(findings.text, cases[i].said) == NULL) {
            fail_msg("case %zu \"%s\": said:\n%s", i, cases[i].list, findings.text);
        }
    }
}

/* ---- contexts ---- */

static void test_protocols(void **state)
{
    static const struct {
        uint16_t min, max;
        bool good;
    } cases[] = {
        {TLS_VERSION_1_0, TLS_VERSION_1_3, true},  {TLS_VERSION_1_2, TLS_VERSION_1_2, true},
        {TLS_VERSION_1_3, TLS_VERSION_1_3, true},  {0, TLS_VERSION_1_3, false},
        {0x0300, TLS_VERSION_1_3, false},          {TLS_VERSION_1_0, 0x0305, false},
        {TLS_VERSION_1_3, TLS_VERSION_1_2, false}, {TLS_VERSION_1_0, 0, false},
    };
    char ciphers[] = "HIGH", curves[] = "";
    struct tls_credentials credentials = {.items = &ecdsa, .count = 1};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct findings findings;
        findings_reset(&findings);
        const struct tls_policy policy = {.level = TLS_LEVEL_MAY,
                                          .min_version = cases[i].min,
                                          .max_version = cases[i].max,
                                          .cipher_list = ciphers,
                                          .curves = curves};
        struct tls_context *context = tls_context_new(&policy, &credentials, &findings.diag);
        assert_int_equal(context != NULL, cases[i].good);
        assert_int_equal(findings.diag.errors, !cases[i].good);
        if (context != NULL) {
            assert_int_equal(SSL_CTX_get_min_proto_version(context->ssl), cases[i].min);
            assert_int_equal(SSL_CTX_get_max_proto_version(context->ssl), cases[i].max);
        }
        assert_ptr_equal(context, context != NULL ? tls_context_ref(context) : NULL);
        tls_context_unref(context);
        tls_context_unref(context);
    }
}

/* One run reports every mistake. */
static void test_all_mistakes(void **state)
{
    char ciphers[] = "FOO", curves[] = "X448";
    const struct tls_policy policy = {.cipher_list = ciphers, .curves = curves};
    struct findings findings;
    (void)state;
    findings_reset(&findings);
    assert_null(tls_context_new(&policy, NULL, &findings.diag));
    assert_int_equal(findings.diag.errors, 4);
    assert_non_null(strstr(findings.text, "TLS needs a certificate"));
}

static void test_version(void **state)
{
    (void)state;
    assert_memory_equal(tls_library_version(), "BoringSSL (API ", 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials),  cmocka_unit_test(test_chain_is_kept),
        cmocka_unit_test(test_ciphers),      cmocka_unit_test(test_long_cipher_word),
        cmocka_unit_test(test_groups),       cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_all_mistakes), cmocka_unit_test(test_version),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
