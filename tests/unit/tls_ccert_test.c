/*
 * tls_ccert_test.c: client certificates: who is trusted, who matches, and what is told of it.
 */
#include "tests/unit/tls_duel.h"

#include <ctype.h>
#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/tls_pki.h"
#include "tls/fingerprint.h"

static char directory[] = "/tmp/gatepost-ccert-XXXXXX";
static char ca_file[64], other_file[64], both_file[64], empty_file[64], hashed[64], plain[64];

/* A root with three intermediates below each other, and clients at each level. */
static struct tls_credential root, other_root, middle[4], client[5], stranger;
static struct tls_credential expired, future, server_only, both_usages, other_usage, p521, edwards;

static int make_pki(void **state)
{
    assert_int_equal(duel_make_keys(state), 0);
    assert_non_null(mkdtemp(directory));
    root = pki_make(&(struct pki_spec){.name = "Root", .authority = true});
    other_root = pki_make(&(struct pki_spec){.name = "Other", .authority = true});
    const struct tls_credential *by = &root;
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "client%d", i);
        client[i] = pki_make(&(struct pki_spec){.name = name, .by = by});
        if (i < 4) {
            snprintf(name, sizeof name, "Middle %d", i);
            middle[i] = pki_make(&(struct pki_spec){.name = name, .authority = true, .by = by});
            by = &middle[i];
        }
    }
#define BELOW_ROOT(...) pki_make(&(struct pki_spec){.name = "client", .by = &root, __VA_ARGS__})
    stranger = pki_make(&(struct pki_spec){.name = "client", .by = &other_root});
    expired = BELOW_ROOT(.days_before = -9, .days_after = -2);
    future = BELOW_ROOT(.days_before = 2, .days_after = 9);
    server_only = BELOW_ROOT(.usage = "serverAuth");
    both_usages = BELOW_ROOT(.usage = "serverAuth,clientAuth");
    other_usage = BELOW_ROOT(.usage = "codeSigning");
    p521 = BELOW_ROOT(.curve = NID_secp521r1);
    edwards = BELOW_ROOT(.curve = -1);
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", directory);
    snprintf(other_file, sizeof other_file, "%s/other.pem", directory);
    snprintf(both_file, sizeof both_file, "%s/both.pem", directory);
    snprintf(empty_file, sizeof empty_file, "%s/empty.pem", directory);
    snprintf(hashed, sizeof hashed, "%s/hashed", directory);
    snprintf(plain, sizeof plain, "%s/plain", directory);
    assert_int_equal(mkdir(hashed, 0700) | mkdir(plain, 0700), 0);
    pki_write(ca_file, (const struct tls_credential *[]){&root}, 1, false);
    pki_write(other_file, (const struct tls_credential *[]){&other_root}, 1, false);
    pki_write(both_file, (const struct tls_credential *[]){&root, &other_root, &root}, 3, false);
    pki_write(empty_file, NULL, 0, false);
    pki_write_hashed(hashed, &root);
    char path[80];
    snprintf(path, sizeof path, "%s/ca.pem", plain); /* not a hashed name: not trusted */
    pki_write(path, (const struct tls_credential *[]){&root}, 1, false);
    snprintf(path, sizeof path, "%s/ca.pem", hashed);
    pki_write(path, (const struct tls_credential *[]){&other_root}, 1, false);
    return 0;
}

static int free_pki(void **state)
{
    struct tls_credential *all[] = {&root, &other_root,  &stranger,    &expired,     &future,
                                    &p521, &server_only, &both_usages, &other_usage, &edwards};
    char command[80];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tls_credential_clear(all[i]);
    }
    for (int i = 0; i < 5; i++) {
        tls_credential_clear(&client[i]);
        if (i < 4) {
            tls_credential_clear(&middle[i]);
        }
    }
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return duel_free_keys(state) | system(command);
}

/* What a policy makes of a client's certificate, in all versions, and again when resumed. */
static void test_trust(void **state)
{
    static const struct {
        const char *name;
        struct tls_policy policy;
        const struct tls_credential *credential;
        enum tls_ccert verdict;
        enum tls_peer_status status;
        const char *error; /* part of it; NULL: as if trusted */
    } cases[] = {
#define TRUSTED TLS_CCERT_OK, TLS_PEER_TRUSTED, NULL
#define UNTRUSTED(error) TLS_CCERT_UNTRUSTED, TLS_PEER_UNTRUSTED, error
        {"not asked",
         {.ca_file = ca_file},
         &client[0],
         TLS_CCERT_NOT_REQUIRED,
         TLS_PEER_ANONYMOUS,
         NULL},
        {"asked",
         {.ask_ccert = true, .ca_file = ca_file},
         &client[0],
         TLS_CCERT_NOT_REQUIRED,
         TLS_PEER_TRUSTED,
         NULL},
        {"asked, none",
         {.ask_ccert = true, .ca_file = ca_file},
         NULL,
         TLS_CCERT_NOT_REQUIRED,
         TLS_PEER_ANONYMOUS,
         NULL},
        {"asked, stranger",
         {.ask_ccert = true, .ca_file = ca_file},
         &stranger,
         TLS_CCERT_NOT_REQUIRED,
         TLS_PEER_UNTRUSTED,
         "issuer certificate"},
#define REQUIRE .require_ccert = true, .ca_file = ca_file, .verify_depth = 9
        {"none", {REQUIRE}, NULL, TLS_CCERT_MISSING, TLS_PEER_ANONYMOUS, NULL},
        {"trusted", {REQUIRE}, &client[0], TRUSTED},
        {"stranger", {REQUIRE}, &stranger, UNTRUSTED("issuer certificate")},
        {"self-signed", {REQUIRE}, &ecdsa384, UNTRUSTED("self signed")},
        {"expired", {REQUIRE}, &expired, UNTRUSTED("expired")},
        {"not yet valid", {REQUIRE}, &future, UNTRUSTED("not yet valid")},
        {"no intermediate too many", {REQUIRE}, &client[4], TRUSTED},
        {"for servers", {REQUIRE}, &server_only, UNTRUSTED("purpose")},
        {"for servers, allowed", {REQUIRE, .trust_server_ccerts = true}, &server_only, TRUSTED},
        {"for both", {REQUIRE}, &both_usages, TRUSTED},
        {"for both, allowed", {REQUIRE, .trust_server_ccerts = true}, &both_usages, TRUSTED},
        {"for something else",
         {REQUIRE, .trust_server_ccerts = true},
         &other_usage,
         UNTRUSTED("purpose")},
        {"for anything, allowed", {REQUIRE, .trust_server_ccerts = true}, &client[1], TRUSTED},
        {"P-521", {REQUIRE}, &p521, TRUSTED},
        {"Ed25519", {REQUIRE}, &edwards, TRUSTED},
        {"hashed directory", {.require_ccert = true, .ca_path = hashed}, &client[0], TRUSTED},
        {"hashed directory, plain name",
         {.require_ccert = true, .ca_path = hashed},
         &stranger,
         UNTRUSTED("issuer")},
        {"directory without hashes",
         {.require_ccert = true, .ca_path = plain},
         &client[0],
         UNTRUSTED("issuer")},
        {"file and directory",
         {.require_ccert = true, .ca_file = other_file, .ca_path = hashed},
         &client[0],
         TRUSTED},
        {"no authority", {.require_ccert = true}, &client[0], UNTRUSTED("issuer")},
        {"system's authorities",
         {.require_ccert = true, .ca_file = other_file, .default_ca = true},
         &client[0],
         TRUSTED},
        {"system's authorities only besides others",
         {.require_ccert = true, .default_ca = true},
         &client[0],
         UNTRUSTED("issuer")},
    };
    static const uint16_t versions[] = {TLS1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    assert_int_equal(setenv("SSL_CERT_FILE", ca_file, 1), 0); /* the system's, for the library */
    for (size_t i = 0; i < 6 * sizeof cases / sizeof cases[0]; i++) {
        size_t at = i / 6;
        int resumed = i % 2 != 0;
        uint16_t version = versions[i / 2 % 3];
        if (cases[at].credential == &edwards && version < TLS1_2_VERSION) {
            continue;
        }
        struct tls_context *context = server_context(&cases[at].policy, "R");
        SSL_CTX *ctx = client_context(
            &(struct client_spec){.max = version, .credential = cases[at].credential});
        struct tls_summary summary = {0};
        struct tls_ccert_details details = {0};
        enum tls_ccert verdict = TLS_CCERT_OK;
        bool has = false;
        keep_sessions(ctx);
        for (int round = 0; round <= resumed; round++) {
            struct duel duel;
            duel_begin(&duel, context, ctx);
            if (round > 0) {
                assert_true(SSL_set_session(duel.client, saved_session));
            }
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            server_says(&duel, "220 hello\r\n");
            tls_conn_summary(duel.conn, &summary);
            assert_int_equal(summary.resumed, round);
            verdict = tls_conn_ccert(duel.conn);
            has = tls_conn_ccert_details(duel.conn, &details);
            duel_end(&duel);
        }
        bool good = verdict == cases[at].verdict && summary.peer == cases[at].status &&
                    has == (summary.peer != TLS_PEER_ANONYMOUS) &&
                    (cases[at].error != NULL ? strstr(details.error, cases[at].error) != NULL
                                             : *details.error == '\0');
        if (!good) {
            fail_msg("%s, version %x, resumed %d: verdict %d, peer %d, error \"%s\"",
                     cases[at].name, version, resumed, (int)verdict, (int)summary.peer,
                     details.error);
        }
        forget_session();
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
    unsetenv("SSL_CERT_FILE");
}

/* smtpd_tls_ccert_verifydepth: one intermediate more than it says, on each library. */
static void test_depth(void **state)
{
    (void)state;
    for (int depth = 0; depth < 5; depth++) {
        for (int below = 0; below < 5; below++) { /* intermediates */
            struct tls_context *context = server_context(
                &(struct tls_policy){
                    .require_ccert = true, .ca_file = ca_file, .verify_depth = depth},
                "E");
            SSL_CTX *ctx = client_context(&(struct client_spec){.credential = &client[below]});
            struct duel duel;
            duel_begin(&duel, context, ctx);
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            enum tls_ccert verdict = tls_conn_ccert(duel.conn);
            if (verdict != (below <= depth + 1 ? TLS_CCERT_OK : TLS_CCERT_UNTRUSTED)) {
                fail_msg("depth %d, %d intermediates: %d", depth, below, (int)verdict);
            }
            duel_end(&duel);
            SSL_CTX_free(ctx);
            tls_context_unref(context);
        }
    }
}

/* Of several errors the one nearest to the client's certificate is told. */
static void test_nearest_error(void **state)
{
    struct tls_credential old_root = pki_make(
        &(struct pki_spec){.name = "Old", .authority = true, .days_before = -9, .days_after = -1});
    struct tls_credential leaf = pki_make(
        &(struct pki_spec){.name = "leaf", .by = &old_root, .days_before = 2, .days_after = 3});
    char path[80];
    (void)state;
    snprintf(path, sizeof path, "%s/old.pem", directory);
    pki_write(path, (const struct tls_credential *[]){&old_root}, 1, false);
    struct tls_context *context =
        server_context(&(struct tls_policy){.require_ccert = true, .ca_file = path}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){.credential = &leaf});
    struct tls_ccert_details details;
    struct duel duel;
    duel_begin(&duel, context, ctx);
    assert_int_equal(duel_handshake(&duel), TLS_OK);
    assert_true(tls_conn_ccert_details(duel.conn, &details));
    assert_non_null(strstr(details.error, "not yet valid"));
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(context);
    tls_credential_clear(&leaf);
    tls_credential_clear(&old_root);
}

/* Whom the client is told to have certificates from: smtpd_tls_CAfile alone. */
static void test_authority_names(void **state)
{
    static const struct {
        struct tls_policy policy;
        size_t names;
    } cases[] = {
        {{.ask_ccert = true}, 0},
        {{.ask_ccert = true, .ca_file = ca_file}, 1},
        {{.ask_ccert = true, .ca_file = both_file}, 2}, /* each once */
        {{.ask_ccert = true, .ca_path = hashed}, 0},
        {{.ask_ccert = true, .ca_file = ca_file, .ca_path = hashed}, 1},
        {{.ca_file = both_file}, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_context *context = server_context(&cases[i].policy, "E");
        const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(context->ssl);
        assert_int_equal(names != NULL ? sk_X509_NAME_num(names) : 0, cases[i].names);
        tls_context_unref(context);
    }
}

/* What is wrong with the files. */
static void test_files(void **state)
{
    static char missing[] = "/nonexistent/ca.pem", none[] = "/nonexistent";
    static const struct {
        struct tls_policy policy;
        bool good;
        const char *said;
    } cases[] = {
        {{.ask_ccert = true, .ca_file = missing}, false, "E /nonexistent/ca.pem: cannot read: No"},
        {{.ask_ccert = true, .ca_file = empty_file}, false, "no certificate in this file"},
        {{.ask_ccert = true, .ca_path = none}, false, "E /nonexistent: cannot read: No such"},
        {{.ask_ccert = true, .ca_path = plain}, true, "W smtpd_tls_CApath: "},
        {{.ask_ccert = true, .ca_path = plain}, true, "run \"openssl rehash "},
        {{.require_ccert = true}, true, "W client certificates are required, but no authority"},
        {{.ask_ccert = true, .ca_file = ca_file, .ca_path = hashed}, true, ""},
        {{.ca_file = missing, .ca_path = none}, true, ""}, /* of no use, and so not read */
    };
    struct tls_credentials credentials = {.items = &ecdsa, .count = 1};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct findings findings;
        struct tls_policy policy = complete_policy(&cases[i].policy);
        findings_reset(&findings);
        struct tls_context *context = tls_context_new(&policy, &credentials, &findings.diag);
        if ((context != NULL) != cases[i].good || strstr(findings.text, cases[i].said) == NULL ||
            (*cases[i].said == '\0' && *findings.text != '\0')) {
            fail_msg("case %zu: %s", i, findings.text);
        }
        tls_context_unref(context);
    }
}

/* ---- fingerprints ---- */

/* The digest of DER bytes, by the library, in one of the ways to write it. */
static void digest_text(const uint8_t *der, size_t length, const EVP_MD *md, bool lower,
                        bool colons, char out[TLS_FINGERPRINT_MAX])
{
    uint8_t bytes[64];
    unsigned count, used = 0;
    assert_true(EVP_Digest(der, length, bytes, &count, md, NULL));
    for (unsigned i = 0; i < count; i++) {
        used += (unsigned)snprintf(out + used, TLS_FINGERPRINT_MAX - used, lower ? "%02x" : "%02X",
                                   bytes[i]);
        if (colons && i + 1 < count) {
            out[used++] = ':';
        }
    }
    out[used] = '\0';
}

static void test_match(void **state)
{
    static char names[][8] = {"md5", "sha1", "sha224", "sha256", "sha384", "SHA512"};
    const EVP_MD *mds[] = {EVP_md5(),    EVP_sha1(),   EVP_sha224(),
                           EVP_sha256(), EVP_sha384(), EVP_sha512()};
    const CRYPTO_BUFFER *der = ecdsa384.chain[0];
    uint8_t *spki = NULL;
    int spki_length = i2d_PUBKEY(ecdsa384.key, &spki);
    (void)state;
    for (size_t i = 0; i < 6 * 8; i++) {
        size_t digest = i / 8;
        bool key = i & 1, lower = i & 2, colons = i & 4;
        char fingerprint[TLS_FINGERPRINT_MAX], list[2 * TLS_FINGERPRINT_MAX];
        digest_text(key ? spki : CRYPTO_BUFFER_data(der),
                    key ? (size_t)spki_length : CRYPTO_BUFFER_len(der), mds[digest], lower, colons,
                    fingerprint);
        snprintf(list, sizeof list, "AB:CD|%s", fingerprint);
        struct tls_context *context = server_context(
            &(struct tls_policy){.match = list, .fingerprint_digest = names[digest]}, "E");
        const struct tls_credential *shown[] = {&ecdsa384, &client[0], NULL};
        static const enum tls_ccert verdicts[] = {TLS_CCERT_OK, TLS_CCERT_NO_MATCH,
                                                  TLS_CCERT_MISSING};
        for (size_t k = 0; k < 3; k++) {
            SSL_CTX *ctx = client_context(&(struct client_spec){.credential = shown[k]});
            struct tls_ccert_details details;
            struct duel duel;
            duel_begin(&duel, context, ctx);
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            assert_int_equal(tls_conn_ccert(duel.conn), verdicts[k]);
            assert_int_equal(tls_conn_ccert_details(duel.conn, &details), shown[k] != NULL);
            if (k == 0 && !lower && colons) {
                assert_string_equal(key ? details.key_fingerprint : details.fingerprint,
                                    fingerprint);
            }
            duel_end(&duel);
            SSL_CTX_free(ctx);
        }
        tls_context_unref(context);
    }
    OPENSSL_free(spki);
}

static void test_listed(void **state)
{
    static const struct {
        const char *fingerprint, *list;
        bool listed;
    } cases[] = {
        {"AB:CD", "AB:CD", true},
        {"AB:CD", "ab:cd", true},
        {"AB:CD", "abcd", true},
        {"AB:CD", "00:11|AB:CD", true},
        {"AB:CD", "AB:CD|00", true},
        {"AB:CD", "AB:CD:EF", false},
        {"AB:CD", "AB", false},
        {"AB:CD", "", false},
        {"", "", false},
        {"", "AB", false},
        {"AB:CD", "00|AB|CD", false},
        {"AB:CD", "|", false},
        {"AB:CD", "AB:C|D|ABCD", true},
        {"AB:CD", "AB:CE", false},
        {"AB:CD", "||abCD", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (tls_fingerprint_is_listed(cases[i].fingerprint, cases[i].list) != cases[i].listed) {
            fail_msg("\"%s\" in \"%s\"", cases[i].fingerprint, cases[i].list);
        }
    }
}

/* No digest, no match. */
static void test_unknown_digest(void **state)
{
    X509 *certificate = X509_parse_from_buffer(ecdsa.chain[0]);
    char out[TLS_FINGERPRINT_MAX] = "x";
    (void)state;
    assert_false(tls_fingerprint_certificate(certificate, "whirlpool", out));
    assert_string_equal(out, "");
    assert_false(tls_fingerprint_key(certificate, "a digest with a long name", out));
    X509_free(certificate);
}

/* What the summary tells of names and signatures. */
static void test_signatures(void **state)
{
    static const struct {
        const char *name;
        bool ask, has, trusted;
        uint16_t version;
        enum tls_peer_status status;
        const char *signature, *digest;
    } cases[] = {
        {"not asked", false, true, false, TLS1_3_VERSION, TLS_PEER_ANONYMOUS, "", ""},
        {"not there", true, false, false, TLS1_3_VERSION, TLS_PEER_ANONYMOUS, "", ""},
        {"1.3", true, true, false, TLS1_3_VERSION, TLS_PEER_UNTRUSTED, "ECDSA (secp384r1)",
         "SHA384"},
        {"1.3 trusted", true, true, true, TLS1_3_VERSION, TLS_PEER_TRUSTED, "ECDSA (secp384r1)",
         "SHA384"},
        {"1.2", true, true, false, TLS1_2_VERSION, TLS_PEER_UNTRUSTED, "", ""},
        {"1.0 trusted", true, true, true, TLS1_VERSION, TLS_PEER_TRUSTED, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        size_t at = i / 2;
        bool resumed = i % 2 != 0;
        struct tls_context *context =
            server_context(&(struct tls_policy){.ask_ccert = cases[at].ask}, "R");
        X509 *anchor = X509_parse_from_buffer(ecdsa384.chain[0]);
        if (cases[at].trusted) {
            assert_true(X509_STORE_add_cert(SSL_CTX_get_cert_store(context->ssl), anchor));
        }
        SSL_CTX *ctx = client_context(&(struct client_spec){
            .max = cases[at].version, .credential = cases[at].has ? &ecdsa384 : NULL});
        keep_sessions(ctx);
        struct tls_summary summary;
        for (int round = 0; round <= resumed; round++) {
            struct duel duel;
            duel_begin(&duel, context, ctx);
            if (round > 0) {
                assert_true(SSL_set_session(duel.client, saved_session));
            }
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            server_says(&duel, "220 hello\r\n");
            tls_conn_summary(duel.conn, &summary);
            duel_end(&duel);
        }
        bool presented = cases[at].status != TLS_PEER_ANONYMOUS;
        if (summary.peer != cases[at].status || summary.resumed != resumed ||
            strcmp(summary.client_cn, presented ? "client.test" : "") != 0 ||
            strcmp(summary.client_issuer, presented ? "client.test" : "") != 0 ||
            strcmp(summary.client_signature, resumed ? "" : cases[at].signature) != 0 ||
            strcmp(summary.client_digest, resumed ? "" : cases[at].digest) != 0) {
            fail_msg("%s, resumed %d: peer %d, CN \"%s\", issuer \"%s\", %s %s", cases[at].name,
                     resumed, (int)summary.peer, summary.client_cn, summary.client_issuer,
                     summary.client_signature, summary.client_digest);
        }
        forget_session();
        X509_free(anchor);
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust),         cmocka_unit_test(test_depth),
        cmocka_unit_test(test_nearest_error), cmocka_unit_test(test_authority_names),
        cmocka_unit_test(test_files),         cmocka_unit_test(test_match),
        cmocka_unit_test(test_listed),        cmocka_unit_test(test_unknown_digest),
        cmocka_unit_test(test_signatures),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
