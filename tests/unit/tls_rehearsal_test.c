/*
 * tls_rehearsal_test.c: what a rehearsal foretells is what a handshake comes to, for all pairs of
 * clients and policies; and it needs no key.
 */
#include "tests/unit/tls_duel.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "tls/key_client.h"
#include "tls/key_name.h"
#include "tls/rehearsal.h"

static const uint16_t rsa_schemes[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256,
                                       SSL_SIGN_RSA_PKCS1_SHA1, 0};
static const uint16_t ecdsa_schemes[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, 0};
static const uint16_t ed25519_schemes[] = {SSL_SIGN_ED25519, SSL_SIGN_RSA_PSS_RSAE_SHA384, 0};

static const struct client_spec clients[] = {
    {.max = TLS1_VERSION, .ciphers = "AES128-SHA"},
    {.max = TLS1_VERSION, .ciphers = "DES-CBC3-SHA"},
    {.max = TLS1_VERSION, .ciphers = "ECDHE+AES256"},
    {.max = TLS1_1_VERSION, .ciphers = "ECDHE-RSA-AES128-SHA"},
    {.max = TLS1_2_VERSION, .ciphers = "AES256+AESGCM"},
    {.max = TLS1_2_VERSION, .ciphers = "AES256-SHA"},
    {.max = TLS1_2_VERSION, .ciphers = "AES256-SHA:ECDHE+AESGCM", .curves = "P-256"},
    {.max = TLS1_2_VERSION, .ciphers = "ECDHE+AESGCM", .curves = "P-521"},
    {.max = TLS1_2_VERSION, .ciphers = "AES128+AESGCM", .schemes = rsa_schemes},
    {.max = TLS1_2_VERSION, .ciphers = "ECDHE+CHACHA20:ECDHE+AESGCM"},
    {.min = TLS1_3_VERSION},
    {.min = TLS1_3_VERSION, .schemes = rsa_schemes},
    {.min = TLS1_3_VERSION, .schemes = ecdsa_schemes},
    {.min = TLS1_3_VERSION, .schemes = ed25519_schemes, .curves = "X25519"},
    {.min = TLS1_3_VERSION, .curves = "P-521"},
    {.min = TLS1_3_VERSION, .curves = "P-384:X25519"},
    {.min = TLS1_3_VERSION, .curves = "X25519:P-384"},
    {.curves = "P-256", .server_name = "mx.example"},
    {.alpn = "\4smtp"},
    {.alpn = "\2h2"},
    {.ocsp = true},
};

static char high[] = "HIGH:!aNULL", aead[] = "ECDHE+AESGCM:ECDHE+CHACHA20", aes128[] = "AES128-SHA",
            rsa_first[] = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:AES128-SHA",
            p384[] = "P-384", x25519[] = "X25519", order[] = "P-521:X25519";

static const struct tls_policy policies[] = {
    {0},
    {.min_version = TLS_VERSION_1_2},
    {.min_version = TLS_VERSION_1_3},
    {.max_version = TLS_VERSION_1_2},
    {.cipher_list = high},
    {.cipher_list = aead, .min_version = TLS_VERSION_1_2},
    {.cipher_list = aes128, .server_preference = true},
    {.cipher_list = rsa_first, .server_preference = true},
    {.curves = p384},
    {.curves = x25519},
    {.curves = order, .server_preference = true},
    {.prioritize_chacha = true, .server_preference = true},
};

static const char *const chains[] = {"R", "E", "ER", "3DER"};

/* No key is used: not even there. */
static int no_way(void *arg, const uint8_t *packet, size_t length)
{
    (void)arg;
    (void)packet;
    (void)length;
    fail_msg("a request was sent");
    return -1;
}

static EVP_PKEY *public_half(EVP_PKEY *key)
{
    uint8_t *der = NULL;
    int length = i2d_PUBKEY(key, &der);
    assert_true(length > 0);
    const uint8_t *at = der;
    EVP_PKEY *half = d2i_PUBKEY(NULL, &at, length);
    OPENSSL_free(der);
    assert_non_null(half);
    return half;
}

/* The same server without its private keys. */
static struct tls_context *keyless_context(const struct tls_policy *policy, const char *which,
                                           struct tls_key_client *keys)
{
    struct tls_credential items[4];
    struct tls_credentials credentials = {.items = items, .keys = keys};
    for (; *which != '\0'; which++) {
        struct tls_credential *item = &items[credentials.count++];
        *item = *which == 'E' ? ecdsa : *which == '3' ? ecdsa384 : *which == 'D' ? ed25519 : rsa;
        item->key = public_half(item->key);
        assert_true(tls_key_name(item->key, item->key_name));
        item->made = NULL;
    }
    struct tls_context *context = server_context_of(policy, &credentials);
    for (size_t i = 0; i < credentials.count; i++) {
        EVP_PKEY_free(items[i].key);
#ifdef HAVE_SSL_CREDENTIAL_new_x509
        SSL_CREDENTIAL_free(items[i].made);
#endif
    }
    return context;
}

/* The key of the certificate that the client was shown. */
static const char *shown_chain(const SSL *client)
{
    static const struct {
        const struct tls_credential *credential;
        const char *text;
    } known[] = {{&ecdsa, "ECDSA (prime256v1)"},
                 {&ecdsa384, "ECDSA (secp384r1)"},
                 {&rsa, "RSA (2048 bits)"},
                 {&ed25519, "ED25519"}};
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(client);
    const CRYPTO_BUFFER *leaf = sk_CRYPTO_BUFFER_value(chain, 0);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const CRYPTO_BUFFER *own = known[i].credential->chain[0];
        if (CRYPTO_BUFFER_len(own) == CRYPTO_BUFFER_len(leaf) &&
            memcmp(CRYPTO_BUFFER_data(own), CRYPTO_BUFFER_data(leaf), CRYPTO_BUFFER_len(own)) ==
                0) {
            return known[i].text;
        }
    }
    return "unknown";
}

/* One client at one server, live and rehearsed. Returns whether the server had no objection. */
static bool compare(const struct client_spec *spec, const struct tls_policy *policy,
                    const char *which, struct tls_key_client *keys, const char *what)
{
    struct tls_context *live = server_context(policy, which);
    struct tls_context *keyless = keyless_context(policy, which, keys);
    SSL_CTX *ctx = client_context(spec);
    struct duel duel;
    duel_begin(&duel, live, ctx);
    tls_conn_record_hello(duel.conn);
    if (spec->server_name != NULL) {
        SSL_set_tlsext_host_name(duel.client, spec->server_name);
    }
    enum tls_result result = duel_handshake(&duel);
    const struct tls_hello_record *hello = tls_conn_hello(duel.conn);
    assert_non_null(hello);
    struct tls_rehearsal rehearsal;
    tls_rehearse(keyless, hello->bytes, hello->length, "here", &rehearsal);
    bool refused_by_client = strstr(tls_conn_reason(duel.conn), " alert ") != NULL;
    if (rehearsal.good != (result == TLS_OK || refused_by_client)) {
        fail_msg("%s: foretold %d (%s), came to %d (%s)", what, rehearsal.good, rehearsal.reason,
                 result == TLS_OK, tls_conn_reason(duel.conn));
    }
    if (rehearsal.good && !refused_by_client) {
        struct tls_summary summary;
        tls_conn_summary(duel.conn, &summary);
        assert_string_equal(rehearsal.protocol, summary.protocol);
        assert_string_equal(rehearsal.cipher, summary.cipher);
        assert_string_equal(rehearsal.chain, shown_chain(duel.client));
        if (strcmp(summary.protocol, "TLSv1.3") == 0) {
            assert_string_equal(rehearsal.group, summary.key_exchange);
        }
        assert_int_equal(*rehearsal.group != '\0', SSL_get_curve_id(duel.client) != 0);
    } else if (!rehearsal.good) {
        assert_string_equal(rehearsal.reason, tls_conn_reason(duel.conn));
        assert_int_not_equal(rehearsal.words.kind, TLS_FAILURE_NONE);
        assert_true(*rehearsal.words.text != '\0');
    }
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(live);
    tls_context_unref(keyless);
    return rehearsal.good;
}

static void test_all_pairs(void **state)
{
    (void)state;
    unsigned good = 0, bad = 0;
    struct tls_key_client *keys = tls_key_client_new(no_way, NULL);
    for (size_t c = 0; c < sizeof clients / sizeof clients[0]; c++) {
        for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++) {
            for (size_t k = 0; k < sizeof chains / sizeof chains[0]; k++) {
                char what[64];
                snprintf(what, sizeof what, "client %zu, policy %zu, chains %s", c, p, chains[k]);
                bool came = compare(&clients[c], &policies[p], chains[k], keys, what);
                good += came ? 1 : 0;
                bad += came ? 0 : 1;
            }
        }
    }
    assert_true(good > 300);
    assert_true(bad > 200);
    assert_int_equal(tls_key_client_pending(keys), 0);
    tls_key_client_free(keys);
}

/* What is no hello, or a damaged one, is a failure and nothing worse. */
static void test_damaged(void **state)
{
    (void)state;
    struct tls_key_client *keys = tls_key_client_new(no_way, NULL);
    const struct tls_policy policy = {0};
    struct tls_context *live = server_context(&policy, "ER");
    struct tls_context *keyless = keyless_context(&policy, "ER", keys);
    const struct client_spec spec = {.curves = "P-384:X25519"};
    SSL_CTX *ctx = client_context(&spec);
    struct duel duel;
    struct tls_rehearsal rehearsal;
    duel_begin(&duel, live, ctx);
    tls_conn_record_hello(duel.conn);
    assert_int_equal(duel_handshake(&duel), TLS_OK);
    const struct tls_hello_record *hello = tls_conn_hello(duel.conn);
    for (size_t length = 0; length < hello->length; length++) {
        tls_rehearse(keyless, hello->bytes, length, "here", &rehearsal);
        /* Without any extensions it is a hello of TLS 1.2. */
        if (!rehearsal.good) {
            assert_true(*rehearsal.reason != '\0');
        }
        assert_false(rehearsal.good && strcmp(rehearsal.protocol, "TLSv1.3") == 0);
    }
    tls_rehearse(keyless, hello->bytes, hello->length, "here", &rehearsal);
    assert_true(rehearsal.good);
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(live);
    tls_context_unref(keyless);
    tls_key_client_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pairs),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, duel_make_keys, duel_free_keys);
}
