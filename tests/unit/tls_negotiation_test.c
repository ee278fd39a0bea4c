/*
 * tls_negotiation_test.c: what a handshake comes to, for all kinds of clients.
 */
#include "tests/unit/tls_duel.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* ---- what is negotiated ---- */

static const uint16_t rsa_schemes[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256,
                                       SSL_SIGN_RSA_PKCS1_SHA1, 0};
static const uint16_t ecdsa_schemes[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, 0};
static const uint16_t ed25519_schemes[] = {SSL_SIGN_ED25519, SSL_SIGN_RSA_PSS_RSAE_SHA384, 0};
static const uint16_t rsa_sha384[] = {SSL_SIGN_RSA_PSS_RSAE_SHA384, 0};

static void test_negotiation(void **state)
{
    static char ecdhe_ecdsa[] = "ECDHE-ECDSA-AES128-GCM-SHA256", aes128[] = "AES128-SHA:AES256-SHA",
                p384[] = "P-384",
                rsa_first[] = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:AES128-SHA",
                order[] = "P-521:X25519";
    static const struct {
        const char *name;
        struct tls_policy policy;
        const char *credentials;
        struct client_spec client;
        enum tls_result result;
        const char *text; /* how the log line's text ends; or the reason of a failure */
    } cases[] = {
        {"1.0 static RSA",
         {0},
         "R",
         {.max = TLS1_VERSION, .ciphers = "AES128-SHA"},
         TLS_OK,
         "TLSv1 with cipher AES128-SHA (128/128 bits)"},
        {"1.0 3DES",
         {0},
         "R",
         {.max = TLS1_VERSION, .ciphers = "DES-CBC3-SHA"},
         TLS_OK,
         "TLSv1 with cipher DES-CBC3-SHA (112/168 bits)"},
        {"1.0 ECDSA",
         {0},
         "ER",
         {.max = TLS1_VERSION, .ciphers = "ECDHE+AES256"},
         TLS_OK,
         "TLSv1 with cipher ECDHE-ECDSA-AES256-SHA (256/256 bits)"},
        {"1.1",
         {0},
         "R",
         {.max = TLS1_1_VERSION, .ciphers = "ECDHE-RSA-AES128-SHA"},
         TLS_OK,
         "TLSv1.1 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)"},
        {"1.2 RSA",
         {0},
         "R",
         {.max = TLS1_2_VERSION, .ciphers = "AES256+AESGCM"},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)"},
        {"1.2 ECDSA",
         {0},
         "E",
         {.max = TLS1_2_VERSION, .ciphers = "AES128+AESGCM"},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-ECDSA-AES128-GCM-SHA256 (128/128 bits)"},
        {"1.2 both",
         {0},
         "ER",
         {.max = TLS1_2_VERSION, .ciphers = "AES128+AESGCM"},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-ECDSA-AES128-GCM-SHA256 (128/128 bits)"},
        {"1.2 both, aRSA",
         {0},
         "ER",
         {.max = TLS1_2_VERSION, .ciphers = "aRSA+ECDHE+CHACHA20"},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-RSA-CHACHA20-POLY1305 (256/256 bits)"},
        {"1.2 both, static RSA",
         {0},
         "ER",
         {.max = TLS1_2_VERSION, .ciphers = "AES256-SHA"},
         TLS_OK,
         "TLSv1.2 with cipher AES256-SHA (256/256 bits)"},
        {"1.2 both, RSA signatures",
         {0},
         "ER",
         {.max = TLS1_2_VERSION, .ciphers = "AES128+AESGCM", .schemes = rsa_schemes},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits)"},
        {"1.2 both, curve of the key not offered",
         {0},
         "3R",
         {.max = TLS1_2_VERSION, .ciphers = "AES128+AESGCM", .curves = "P-256"},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits)"},
        {"1.2 both, no groups in common with the server",
         {.curves = p384},
         "ER",
         {.max = TLS1_2_VERSION, .ciphers = "AES128-SHA:AES128+AESGCM", .curves = "P-256"},
         TLS_OK,
         "TLSv1.2 with cipher AES128-SHA (128/128 bits)"},
        {"1.2 Ed25519",
         {0},
         "DR",
         {.max = TLS1_2_VERSION, .ciphers = "AES128+AESGCM", .schemes = ed25519_schemes},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-ECDSA-AES128-GCM-SHA256 (128/128 bits)"},
        {"1.2 server preference",
         {.server_preference = true, .cipher_list = aes128},
         "R",
         {.max = TLS1_2_VERSION, .ciphers = "AES256-SHA:AES128-SHA"},
         TLS_OK,
         "TLSv1.2 with cipher AES128-SHA (128/128 bits)"},
        {"1.2 client preference",
         {.cipher_list = aes128},
         "R",
         {.max = TLS1_2_VERSION, .ciphers = "AES256-SHA:AES128-SHA"},
         TLS_OK,
         "TLSv1.2 with cipher AES256-SHA (256/256 bits)"},
        {"1.2 both, the server's order begins with RSA",
         {.server_preference = true, .cipher_list = rsa_first},
         "ER",
         {.max = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384"},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)"},
        {"1.2 both, the server's order begins with RSA, which the client lacks",
         {.server_preference = true, .cipher_list = rsa_first},
         "ER",
         {.max = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA:AES128-SHA"},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-ECDSA-AES128-SHA (128/128 bits)"},
        {"1.2 both, the server's order does not count",
         {.cipher_list = rsa_first},
         "ER",
         {.max = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384"},
         TLS_OK,
         "TLSv1.2 with cipher ECDHE-ECDSA-AES128-SHA (128/128 bits)"},
        {"1.3 RSA",
         {0},
         "R",
         {.curves = "X25519"},
         TLS_OK,
         "key-exchange x25519 server-signature RSA-PSS (2048 bits) server-digest SHA256"},
        {"1.3 RSA, SHA384",
         {0},
         "R",
         {.schemes = rsa_sha384, .curves = "P-256"},
         TLS_OK,
         "key-exchange secp256r1 server-signature RSA-PSS (2048 bits) server-digest SHA384"},
        {"1.3 ECDSA",
         {0},
         "E",
         {.curves = "P-384"},
         TLS_OK,
         "key-exchange secp384r1 server-signature ECDSA (prime256v1) server-digest SHA256"},
        {"1.3 ECDSA P-384", {0}, "3", {.curves = "P-521"}, TLS_FAILED, "no suitable key share"},
        {"1.3 P-521",
         {.curves = order},
         "3",
         {.curves = "P-521"},
         TLS_OK,
         "key-exchange secp521r1 server-signature ECDSA (secp384r1) server-digest SHA384"},
        {"1.3 both",
         {0},
         "ER",
         {.curves = "X25519"},
         TLS_OK,
         "server-signature ECDSA (prime256v1) server-digest SHA256"},
        {"1.3 both, RSA signatures",
         {0},
         "ER",
         {.schemes = rsa_schemes},
         TLS_OK,
         "server-signature RSA-PSS (2048 bits) server-digest SHA256"},
        {"1.3 all, only P-256 signatures",
         {0},
         "3DER",
         {.schemes = ecdsa_schemes},
         TLS_OK,
         "server-signature ECDSA (prime256v1) server-digest SHA256"},
        {"1.3 Ed25519",
         {0},
         "EDR",
         {.schemes = ed25519_schemes, .curves = "X25519"},
         TLS_OK,
         "key-exchange x25519 server-signature ED25519"},
        {"1.3 HelloRetryRequest",
         {.curves = p384},
         "ER",
         {.curves = "X25519:P-384"},
         TLS_OK,
         "key-exchange secp384r1 server-signature ECDSA (prime256v1) server-digest SHA256"},
        {"group order is the server's",
         {.curves = order, .server_preference = true},
         "E",
         {.curves = "X25519:P-521"},
         TLS_OK,
         "key-exchange secp521r1 server-signature ECDSA (prime256v1) server-digest SHA256"},
        {"client too old",
         {.min_version = TLS_VERSION_1_3},
         "R",
         {.max = TLS1_2_VERSION},
         TLS_FAILED,
         "unsupported protocol"},
        {"client too new",
         {.max_version = TLS_VERSION_1_2},
         "R",
         {.min = TLS1_3_VERSION},
         TLS_FAILED,
         "unsupported protocol"},
        {"no shared cipher",
         {.cipher_list = aes128},
         "R",
         {.max = TLS1_2_VERSION, .ciphers = "AESGCM"},
         TLS_FAILED,
         "no shared cipher"},
        {"certificate of no use",
         {.cipher_list = ecdhe_ecdsa},
         "R",
         {.max = TLS1_2_VERSION, .ciphers = "ALL"},
         TLS_FAILED,
         "no shared cipher"},
        {"no signature for this client",
         {0},
         "R",
         {.min = TLS1_3_VERSION, .schemes = ecdsa_schemes},
         TLS_FAILED,
         "no suitable signature algorithm"},
#ifdef SSL_GROUP_X25519_MLKEM768
        {"post-quantum group",
         {0},
         "E",
         {.curves = "X25519MLKEM768:X25519"},
         TLS_OK,
         "key-exchange X25519MLKEM768 server-signature ECDSA (prime256v1) server-digest SHA256"},
#endif
        {"ALPN smtp",
         {0},
         "E",
         {.alpn = "\x08http/1.1\x04smtp"},
         TLS_OK,
         "server-signature ECDSA (prime256v1) server-digest SHA256"},
        {"ALPN other",
         {0},
         "E",
         {.alpn = "\x02h2\x05smtpx"},
         TLS_FAILED,
         "no application protocol"},
        {"ALPN other 1.2",
         {0},
         "E",
         {.alpn = "\x02h2", .max = TLS1_2_VERSION},
         TLS_FAILED,
         "no application protocol"},
    };
    (void)state;
    /* In one piece, and in the smallest pieces with EINTR all the time. */
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        size_t at = i / 2;
        struct tls_context *context = server_context(&cases[at].policy, cases[at].credentials);
        SSL_CTX *ctx = client_context(&cases[at].client);
        struct duel duel;
        struct tls_summary summary;
        char text[TLS_SUMMARY_TEXT_MAX] = "";
        duel_begin(&duel, context, ctx);
        tls_context_unref(context); /* the connection holds it */
        duel.step = i % 2;
        duel.interrupted = i % 2 != 0;
        enum tls_result result = duel_handshake(&duel);
        if (result == TLS_OK) {
            tls_conn_summary(duel.conn, &summary);
            tls_summary_text(&summary, text);
            assert_int_equal(summary.peer, TLS_PEER_ANONYMOUS);
            assert_false(summary.resumed);
        } else if (result == TLS_FAILED) {
            snprintf(text, sizeof text, "%s", tls_conn_reason(duel.conn));
            assert_non_null(strstr(tls_conn_error_text(duel.conn), text));
            assert_true(duel.sent >= 7); /* an alert */
            assert_int_equal(tls_conn_handshake(duel.conn), TLS_FAILED);
        }
        size_t wanted = strlen(cases[at].text), length = strlen(text);
        if (result != cases[at].result || length < wanted ||
            strcmp(text + length - wanted, cases[at].text) != 0) {
            fail_msg("%s: result %d: %s", cases[at].name, (int)result, text);
        }
        if (result == TLS_OK) {
            client_says(&duel, "EHLO client.test\r\n");
            server_says(&duel, "250 mx.test\r\n");
        }
        duel_end(&duel);
        SSL_CTX_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiation),
    };
    return cmocka_run_group_tests(tests, duel_make_keys, duel_free_keys);
}
