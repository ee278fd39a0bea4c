/*
 * hello_reason_test.c: for many pairs of policy and client, what is said of the ClientHello alone
 * agrees with what the library then does; and what is said can be shown, whatever the bytes.
 */
#include "tests/unit/tls_duel.h"

#include <ctype.h>
#include <openssl/bio.h>
#include <string.h>

#define MAIN "main configuration"

static const struct tls_failure_site main_site = {.place = MAIN, .began = "STARTTLS"};

static const uint16_t only_rsa[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256, 0};
static const uint16_t only_ecdsa[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, 0};
static const uint16_t only_p384[] = {SSL_SIGN_ECDSA_SECP384R1_SHA384, 0};

/* The body of the ClientHello that waits in the duel's BIO, which is one record. */
static size_t waiting_hello(struct duel *duel, const uint8_t **hello)
{
    const uint8_t *bytes;
    size_t length;
    assert_true(BIO_mem_contents(duel->to_server, &bytes, &length) == 1 && length > 9);
    *hello = bytes + 9;
    return length - 9;
}

static void test_agreement(void **state)
{
    static const struct tls_policy policies[] = {
        {.min_version = TLS_VERSION_1_0},
        {.min_version = TLS_VERSION_1_2, .cipher_list = "ECDHE+AESGCM"},
        {.max_version = TLS_VERSION_1_2, .cipher_list = "kRSA+AES:DES-CBC3-SHA"},
        {.max_version = TLS_VERSION_1_1, .cipher_list = "ECDHE-ECDSA-AES128-SHA:AES256-SHA"},
        {.curves = "P-384", .cipher_list = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE+AES256"},
        {.min_version = TLS_VERSION_1_3, .curves = "X25519"},
        {.cipher_list = "ECDHE+CHACHA20", .curves = "P-521"},
    };
    static const char *const certificates[] = {"E", "R", "ER", "D", "3"};
    static const uint16_t versions[][2] = {{TLS1_VERSION, TLS1_VERSION},
                                           {TLS1_VERSION, TLS1_2_VERSION},
                                           {TLS1_2_VERSION, TLS1_2_VERSION},
                                           {TLS1_VERSION, TLS1_3_VERSION},
                                           {TLS1_3_VERSION, TLS1_3_VERSION}};
    static const char *const ciphers[] = {ALL_CIPHERS, "kRSA+AES", "ECDHE+AES128", "DES-CBC3-SHA"};
    static const char *const curves[] = {NULL, "P-256", "P-384:P-521"};
    static const uint16_t *const schemes[] = {NULL, only_rsa, only_ecdsa, only_p384};
    static const char *const alpn[] = {NULL, "\x04smtp", "\x02h2"};
    size_t agreed[2] = {0};
    (void)state;
    for (size_t p = 0; p < sizeof policies / sizeof policies[0] * 5; p++) {
        struct tls_context *context = server_context(&policies[p / 5], certificates[p % 5]);
        for (size_t c = p % 3; c < 5 * 4 * 3 * 4; c += 3) { /* a third is enough for each */
            struct client_spec spec = {.min = versions[c % 5][0],
                                       .max = versions[c % 5][1],
                                       .ciphers = ciphers[c / 5 % 4],
                                       .curves = curves[c / 20 % 3],
                                       .schemes = schemes[c / 60 % 4],
                                       .alpn = alpn[(c + p) % 9 < 7 ? 0 : (c + p) % 9 - 6]};
            SSL_CTX *ctx = client_context(&spec);
            struct tls_failure_reason reason;
            struct tls_offer offer;
            const uint8_t *hello;
            struct duel duel;
            duel_begin(&duel, context, ctx);
            SSL_do_handshake(duel.client);
            size_t length = waiting_hello(&duel, &hello);
            tls_context_offer(context, hello, length, MAIN, &offer);
            enum tls_failure kind = tls_hello_explain(hello, length, &offer, &reason);
            enum tls_result result = duel_handshake(&duel);
            bool good = result == TLS_OK;
            /* Libraries before SSL_CREDENTIAL choose the suite first, and do not go back. */
            if (!good && kind == TLS_FAILURE_NONE &&
                strcmp(tls_conn_reason(duel.conn), "no suitable signature algorithm") == 0) {
                assert_int_equal(tls_conn_explain(duel.conn, &main_site)->kind,
                                 TLS_FAILURE_NO_CERTIFICATE_TYPE);
                good = true;
            }
            /* Without supported_versions a client does not tell the oldest version it wants. */
            if (!good && kind == TLS_FAILURE_NONE &&
                strcmp(tls_conn_reason(duel.conn), "tlsv1 alert protocol version") == 0) {
                assert_int_equal(tls_conn_explain(duel.conn, &main_site)->kind,
                                 TLS_FAILURE_PROTOCOL_TOO_NEW);
                good = true;
            }
            if (good != (kind == TLS_FAILURE_NONE)) {
                fail_msg("policy %zu, certificates %s, client %zu: said \"%s\", but: %s", p / 5,
                         certificates[p % 5], c, reason.text,
                         good ? "all went well" : tls_conn_reason(duel.conn));
            }
            assert_true((kind == TLS_FAILURE_NONE) == (reason.text[0] == '\0'));
            agreed[good]++;
            duel_end(&duel);
            SSL_CTX_free(ctx);
        }
        tls_context_unref(context);
    }
    assert_true(agreed[0] > 300 && agreed[1] > 300);
}

/* Nothing but printing ASCII, whatever the bytes; and a bounded text. */
static void test_bounds(void **state)
{
    struct tls_context *context = server_context(&(struct tls_policy){0}, "ER");
    SSL_CTX *ctx = client_context(&(struct client_spec){.alpn = "\x0f...............\x02h2"});
    struct duel duel;
    const uint8_t *hello;
    (void)state;
    duel_begin(&duel, context, ctx);
    SSL_do_handshake(duel.client);
    size_t length = waiting_hello(&duel, &hello);
    for (size_t cut = 0; cut <= length; cut++) {
        for (unsigned flip = 0; flip < 256; flip += 51) {
            uint8_t copy[4096];
            struct tls_offer offer;
            struct tls_failure_reason reason;
            memcpy(copy, hello, length);
            copy[cut % length] ^= (uint8_t)flip;
            size_t used = flip == 0 ? cut : length;
            tls_context_offer(context, copy, used, MAIN, &offer);
            tls_hello_explain(copy, used, &offer, &reason);
            for (const char *p = reason.text; *p != '\0'; p++) {
                assert_true(isprint((unsigned char)*p));
            }
            assert_true(used >= 38 || reason.kind == TLS_FAILURE_MALFORMED);
        }
    }
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, duel_make_keys, duel_free_keys);
}
