/*
 * tls_sni_test.c: other certificates for other names, and OCSP responses: the files and what
 * clients get.
 */
#include "tests/unit/tls_duel.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/tls_pki.h"
#include "tls/ocsp.h"
#include "tls/sni.h"
#include "tls/sni_maps.h"

static char directory[] = "/tmp/gatepost-sni-XXXXXX";
static struct tls_credential a_ec, a_rsa, b_ec;

static void path_of(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", directory, name);
}

static void write_bytes(const char *name, const void *bytes, size_t length)
{
    char path[128];
    path_of(path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void write_chain(const char *name, const struct tls_credential *first,
                        const struct tls_credential *second)
{
    char path[128];
    path_of(path, name);
    pki_write(path, (const struct tls_credential *[]){first, second}, second != NULL ? 2 : 1, true);
}

static int make_files(void **state)
{
    assert_int_equal(duel_make_keys(state), 0);
    assert_non_null(mkdtemp(directory));
    assert_true(tls_selfsigned_make(TLS_KEY_ECDSA_P256, "a.test", 1, &a_ec));
    assert_true(tls_selfsigned_make(TLS_KEY_RSA_2048, "a.test", 1, &a_rsa));
    assert_true(tls_selfsigned_make(TLS_KEY_ECDSA_P256, "b.test", 1, &b_ec));
    write_chain("mx.pem", &ecdsa, &rsa);
    write_chain("a.ec", &a_ec, NULL);
    write_chain("a.rsa", &a_rsa, NULL);
    write_chain("b.pem", &b_ec, NULL);
    return 0;
}

static int remove_files(void **state)
{
    char command[80];
    tls_credential_clear(&a_ec);
    tls_credential_clear(&a_rsa);
    tls_credential_clear(&b_ec);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return duel_free_keys(state) | system(command);
}

/* ---- what is loaded ---- */

static struct tls_credentials *load(const char *maps, const char *suffix, struct findings *findings)
{
    char chain[128], value[512];
    size_t used = 0;
    path_of(chain, "mx.pem");
    for (const char *p = maps; *p != '\0'; p++) {
        used += (size_t)(*p == '@' ? snprintf(value + used, sizeof value - used, "%s/", directory)
                                   : snprintf(value + used, sizeof value - used, "%c", *p));
    }
    value[used] = '\0';
    findings_reset(findings);
    struct tls_sni_list *list = tls_sni_list_read(value, "F, line 1", &findings->diag);
    if (list == NULL) {
        return NULL;
    }
    const struct tls_credential_files files = {.chain_files = chain,
                                               .cert_file = "",
                                               .key_file = "",
                                               .eccert_file = "",
                                               .eckey_file = "",
                                               .sni = list,
                                               .ocsp_suffix = suffix};
    struct tls_credentials *credentials = tls_credentials_from_files(&files, &findings->diag);
    tls_sni_list_free(list);
    return credentials;
}

static void test_loading(void **state)
{
    static const struct {
        const char *maps;
        size_t names, sets; /* 0: an error */
        const char *said;
    } cases[] = {
        {"inline:{ { a.test = @a.ec @a.rsa }, { b.test = @b.pem } }", 2, 2, ""},
        {"inline:{ a.test=@a.ec, b.test=@a.ec, .c.test=@b.pem }", 3, 2, ""},
        {"inline:{ a.test=@a.ec } inline:{ A.TEST=@b.pem b.test=@b.pem }", 2, 2, ""},
        {"inline:{ a.test=@a.ec, A.test=@b.pem }", 0, 0, "a.test is there twice"},
        {"inline:{ a.test=@missing }", 0, 0, "missing: cannot read"},
        {"inline:{ a.test=@missing }", 0, 0,
         "I F, line 1: tls_server_sni_maps: the above is about"},
        {"hash:@sni", 0, 0, "gatepost reads inline:"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct findings findings;
        struct tls_credentials *credentials = load(cases[i].maps, "", &findings);
        bool good = credentials != NULL;
        if (good != (cases[i].names > 0) || strstr(findings.text, cases[i].said) == NULL ||
            (findings.diag.errors == 0) != good ||
            (good && (credentials->sni->name_count != cases[i].names ||
                      credentials->sni->set_count != cases[i].sets))) {
            fail_msg("\"%s\": %s", cases[i].maps, findings.text);
        }
        tls_credentials_free(credentials);
    }
}

/* ---- what clients get ---- */

#define MAPS "inline:{ { a.test = @a.ec @a.rsa }, { .b.test = @b.pem }, { x.b.test = @a.rsa } }"

static void test_choice(void **state)
{
    static const struct {
        const char *name; /* asked for; NULL: not */
        uint16_t version;
        const char *ciphers;
        const struct tls_credential *shown;
        enum tls_sni kind;
        const char *logged;
    } cases[] = {
        {NULL, TLS1_3_VERSION, "", &ecdsa, TLS_SNI_IGNORED, ""},
        {"mx.test", TLS1_3_VERSION, "", &ecdsa, TLS_SNI_UNMATCHED, "mx.test"},
        {"a.test", TLS1_3_VERSION, "", &a_ec, TLS_SNI_MATCHED, "a.test"},
        {"A.TEST", TLS1_3_VERSION, "", &a_ec, TLS_SNI_MATCHED, "A.TEST"},
        {"a.test", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", &a_ec, TLS_SNI_MATCHED,
         "a.test"},
        {"a.test", TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", &a_rsa, TLS_SNI_MATCHED,
         "a.test"},
        {"a.test", TLS1_VERSION, "AES128-SHA", &a_rsa, TLS_SNI_MATCHED, "a.test"},
        {"other.test", TLS1_2_VERSION, "AES128-SHA", &rsa, TLS_SNI_UNMATCHED, "other.test"},
        {"y.b.test", TLS1_3_VERSION, "", &b_ec, TLS_SNI_MATCHED, "y.b.test"},
        {"z.y.b.test", TLS1_2_VERSION, "", &b_ec, TLS_SNI_MATCHED, "z.y.b.test"},
        {"x.b.test", TLS1_3_VERSION, "", &a_rsa, TLS_SNI_MATCHED, "x.b.test"},
        {"w.x.b.test", TLS1_3_VERSION, "", &b_ec, TLS_SNI_MATCHED, "w.x.b.test"},
        {"b.test", TLS1_3_VERSION, "", &ecdsa, TLS_SNI_UNMATCHED, "b.test"},
        {"192.0.2.1", TLS1_3_VERSION, "", &ecdsa, TLS_SNI_INVALID, ""},
        {"a.test\n\x1b", TLS1_3_VERSION, "", &ecdsa, TLS_SNI_INVALID, ""},
    };
    struct findings findings;
    struct tls_credentials *credentials = load(MAPS, "", &findings);
    assert_non_null(credentials);
    struct tls_context *context = server_context_of(&(struct tls_policy){0}, credentials);
    tls_credentials_free(credentials);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SSL_CTX *ctx = client_context(&(struct client_spec){
            .max = cases[i].version, .ciphers = cases[i].ciphers, .server_name = cases[i].name});
        struct tls_summary summary;
        struct duel duel;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        server_says(&duel, "220 hello\r\n");
        tls_conn_summary(duel.conn, &summary);
        const CRYPTO_BUFFER *leaf =
            sk_CRYPTO_BUFFER_value(SSL_get0_peer_certificates(duel.client), 0);
        const CRYPTO_BUFFER *wanted = cases[i].shown->chain[0];
        bool same = CRYPTO_BUFFER_len(leaf) == CRYPTO_BUFFER_len(wanted) &&
                    memcmp(CRYPTO_BUFFER_data(leaf), CRYPTO_BUFFER_data(wanted),
                           CRYPTO_BUFFER_len(leaf)) == 0;
        if (!same || tls_conn_sni(duel.conn) != cases[i].kind ||
            strcmp(tls_conn_server_name(duel.conn), cases[i].logged) != 0) {
            fail_msg("case %zu: right certificate %d, sni %d, \"%s\"", i, same,
                     (int)tls_conn_sni(duel.conn), tls_conn_server_name(duel.conn));
        }
        assert_string_equal(tls_conn_invalid_server_name(duel.conn),
                            cases[i].kind == TLS_SNI_INVALID ? cases[i].name : "");
        if (cases[i].version == TLS1_3_VERSION) { /* the key's kind is known for every name */
            assert_string_equal(summary.server_signature, cases[i].shown == &a_rsa
                                                              ? "RSA-PSS (2048 bits)"
                                                              : "ECDSA (prime256v1)");
        }
        duel_end(&duel);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* A session under one certificate is not resumed where another is shown (RFC 6066 section 3). */
static void test_resumption_by_name(void **state)
{
    static const char *const names[] = {"a.test", "y.b.test", "mx.test", "q.b.test"};
    static const int sets[] = {0, 1, 2, 1};
    static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct findings findings;
    struct tls_credentials *credentials = load(MAPS, "", &findings);
    struct tls_context *context = server_context_of(&(struct tls_policy){0}, credentials);
    tls_credentials_free(credentials);
    (void)state;
    for (size_t i = 0; i < 2 * 16; i++) {
        const size_t which[] = {i % 4, i / 4 % 4};
        for (int round = 0; round < 2; round++) {
            SSL_CTX *ctx = client_context(
                &(struct client_spec){.max = versions[i / 16], .server_name = names[which[round]]});
            struct duel duel;
            keep_sessions(ctx);
            duel_begin(&duel, context, ctx);
            if (round == 1) {
                assert_true(SSL_set_session(duel.client, saved_session));
            }
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            server_says(&duel, "220 hello\r\n");
            assert_int_equal(SSL_session_reused(duel.client),
                             round == 1 && sets[which[0]] == sets[which[1]]);
            duel_end(&duel);
            SSL_CTX_free(ctx);
        }
        forget_session();
    }
    tls_context_unref(context);
}

/* ---- OCSP ---- */

/* A response that says STATUS (a tag) of the leaf of CREDENTIAL until UPDATE (NULL: not told). */
static size_t make_response(const struct tls_credential *credential, unsigned status,
                            const char *update, uint8_t **der)
{
    static const uint8_t basic[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};
    const unsigned tagged = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED;
    CBB out, outer, inner, bytes, octets, response, data, list, single, id, next, child;
    uint8_t *serial = NULL;
    size_t length;
    X509 *leaf = X509_parse_from_buffer(credential->chain[0]);
    int serial_length = i2d_ASN1_INTEGER(X509_get_serialNumber(leaf), &serial);
    assert_true(CBB_init(&out, 256) && CBB_add_asn1(&out, &outer, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&outer, &child, CBS_ASN1_ENUMERATED) && CBB_add_u8(&child, 0) &&
                CBB_add_asn1(&outer, &inner, tagged | 0) &&
                CBB_add_asn1(&inner, &bytes, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&bytes, &child, CBS_ASN1_OBJECT) &&
                CBB_add_bytes(&child, basic, sizeof basic) &&
                CBB_add_asn1(&bytes, &octets, CBS_ASN1_OCTETSTRING) &&
                CBB_add_asn1(&octets, &response, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&response, &data, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&data, &child, tagged | 2) && /* responderID by key */
                CBB_add_asn1(&data, &child, CBS_ASN1_GENERALIZEDTIME) &&
                CBB_add_bytes(&child, (const uint8_t *)"20260101000000Z", 15) &&
                CBB_add_asn1(&data, &list, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&list, &single, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&single, &id, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&id, &child, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&id, &child, CBS_ASN1_OCTETSTRING) &&
                CBB_add_asn1(&id, &child, CBS_ASN1_OCTETSTRING) &&
                CBB_add_bytes(&id, serial, (size_t)serial_length) &&
                CBB_add_asn1(&single, &child, status) &&
                CBB_add_asn1(&single, &child, CBS_ASN1_GENERALIZEDTIME) &&
                CBB_add_bytes(&child, (const uint8_t *)"20260101000000Z", 15));
    if (update != NULL) {
        assert_true(CBB_add_asn1(&single, &next, tagged | 0) &&
                    CBB_add_asn1(&next, &child, CBS_ASN1_GENERALIZEDTIME) &&
                    CBB_add_bytes(&child, (const uint8_t *)update, 15));
    }
    assert_true(CBB_finish(&out, der, &length));
    OPENSSL_free(serial);
    X509_free(leaf);
    return length;
}

static void test_ocsp_files(void **state)
{
    const unsigned good = CBS_ASN1_CONTEXT_SPECIFIC | 0;
    const unsigned revoked = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 1;
    const unsigned unknown = CBS_ASN1_CONTEXT_SPECIFIC | 2;
    const struct {
        const struct tls_credential *credential; /* NULL: BYTES */
        unsigned status;
        const char *update;
        const char *bytes;
        size_t length;
        const char *said; /* "E...": an error */
    } cases[] = {
        {&ecdsa, good, "20990101000000Z", NULL, 0, ""},
        {&rsa, good, NULL, NULL, 0, ""},
        {&ecdsa, revoked, NULL, NULL, 0,
         "W mx.pem.ocsp: the response says that the certificate is revoked"},
        {&ecdsa, unknown, NULL, NULL, 0, "is unknown"},
        {&ecdsa, good, "20200101000000Z", NULL, 0, "W mx.pem.ocsp: the response is out of date"},
        {&ed25519, good, NULL, NULL, 0, "E mx.pem.ocsp: cannot be stapled: it is for another"},
        {NULL, 0, NULL, "", 0, "E mx.pem.ocsp: cannot be stapled: not an OCSP response in DER"},
        {NULL, 0, NULL, "-----BEGIN", 10, "E mx.pem.ocsp: cannot be stapled: not an OCSP"},
        {NULL, 0, NULL, "\x30\x03\x0a\x01\x03", 5,
         "E mx.pem.ocsp: cannot be stapled: the responder"},
        {NULL, 0, NULL, "\x30\x03\x0a\x01\x00", 5, "E mx.pem.ocsp: cannot be stapled: not an OCSP"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *der = NULL;
        struct findings findings;
        char said[512] = "";
        if (cases[i].credential != NULL) {
            size_t length =
                make_response(cases[i].credential, cases[i].status, cases[i].update, &der);
            write_bytes("mx.pem.ocsp", der, length);
            /* Cut anywhere, it is refused or for nobody. */
            for (size_t k = 0; k < length; k++) {
                struct tls_ocsp out;
                assert_non_null(tls_ocsp_read(der, k, (const uint8_t *)"", 0, &out));
            }
        } else {
            write_bytes("mx.pem.ocsp", cases[i].bytes, cases[i].length);
        }
        OPENSSL_free(der);
        struct tls_credentials *credentials = load("", ".ocsp", &findings);
        /* "X /tmp/.../name" becomes "X name". */
        for (const char *p = findings.text; *p != '\0'; p++) {
            size_t skip = strncmp(p, directory, strlen(directory)) == 0 ? strlen(directory) + 1 : 0;
            size_t used = strlen(said);
            p += skip;
            snprintf(said + used, sizeof said - used, "%c", *p);
        }
        bool wanted = *cases[i].said != 'E';
        if ((credentials != NULL) != wanted || strstr(said, cases[i].said) == NULL ||
            (*cases[i].said == '\0') != (*said == '\0')) {
            fail_msg("case %zu: %s", i, said);
        }
        if (credentials != NULL) {
            assert_int_equal(credentials->items[0].ocsp != NULL, cases[i].credential == &ecdsa);
            assert_int_equal(credentials->items[1].ocsp != NULL, cases[i].credential == &rsa);
        }
        tls_credentials_free(credentials);
        struct findings unused;
        credentials = load("", "", &unused); /* no suffix: the file is not looked at */
        assert_non_null(credentials);
        tls_credentials_free(credentials);
    }
    char path[128];
    path_of(path, "mx.pem.ocsp");
    assert_int_equal(unlink(path), 0);
}

/* Each certificate's own response comes with it, and only to clients that ask. */
static void test_stapling(void **state)
{
    static const struct {
        const char *name, *ciphers;
        const char *file; /* whose response is stapled; NULL: none */
        bool asks;
    } cases[] = {
        {NULL, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, true}, /* mx.pem's is for RSA */
        {NULL, "ECDHE-RSA-AES128-GCM-SHA256", "mx.pem", true},
        {NULL, "ECDHE-RSA-AES128-GCM-SHA256", NULL, false},
        {"a.test", "ECDHE-ECDSA-AES128-GCM-SHA256", "a.ec", true},
        {"a.test", "ECDHE-RSA-AES128-GCM-SHA256", NULL, true},
        {"y.b.test", "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, true},
    };
    static const struct {
        const char *file;
        const struct tls_credential *credential;
    } files[] = {{"mx.pem", &rsa}, {"a.ec", &a_ec}};
    uint8_t *ders[2];
    size_t lengths[2];
    struct findings findings;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.ocsp", files[i].file);
        lengths[i] =
            make_response(files[i].credential, CBS_ASN1_CONTEXT_SPECIFIC | 0, NULL, &ders[i]);
        write_bytes(name, ders[i], lengths[i]);
    }
    for (size_t i = 0; i < 4 * sizeof cases / sizeof cases[0]; i++) {
        size_t at = i / 4;
        bool tls13 = i % 2 != 0, maps = i / 2 % 2 != 0;
        if ((!maps && cases[at].name != NULL) || (tls13 && strstr(cases[at].ciphers, "RSA-"))) {
            continue; /* TLS 1.3 suites do not choose the certificate */
        }
        struct tls_credentials *credentials = load(maps ? MAPS : "", ".ocsp", &findings);
        assert_non_null(credentials);
        struct tls_context *context = server_context_of(&(struct tls_policy){0}, credentials);
        tls_credentials_free(credentials);
        SSL_CTX *ctx =
            client_context(&(struct client_spec){.max = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION,
                                                 .ciphers = cases[at].ciphers,
                                                 .server_name = cases[at].name,
                                                 .ocsp = cases[at].asks});
        const uint8_t *got;
        size_t length;
        struct duel duel;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        server_says(&duel, "220 hello\r\n");
        SSL_get0_ocsp_response(duel.client, &got, &length);
        size_t which = cases[at].file != NULL && strcmp(cases[at].file, "a.ec") == 0;
        size_t wanted = cases[at].file != NULL ? lengths[which] : 0;
        if (length != wanted || (length > 0 && memcmp(got, ders[which], length) != 0)) {
            fail_msg("case %zu, maps %d, TLS 1.3 %d: %zu bytes, not %zu", at, maps, tls13, length,
                     wanted);
        }
        duel_end(&duel);
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
    OPENSSL_free(ders[0]);
    OPENSSL_free(ders[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {

        cmocka_unit_test(test_loading),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_ocsp_files),
        cmocka_unit_test(test_stapling),
        cmocka_unit_test(test_resumption_by_name),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
