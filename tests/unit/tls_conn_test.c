/*
 * tls_conn_test.c: whole handshakes in memory. The client is BoringSSL's own, on memory BIOs that
 * the server's transport reads and writes.
 */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/conn.h"
#include "tls/context_private.h"
#include "tls/selfsigned.h"

#define ALL_CIPHERS "HIGH:DES-CBC3-SHA"

/* ---- the two ends ---- */

struct client_spec {
    uint16_t min, max;
    const char *ciphers; /* "" for the library's */
    const char *curves;
    const uint16_t *schemes; /* what signatures it verifies; ends in 0; NULL for the library's */
    const char *alpn;        /* as on the wire */
    const struct tls_credential *credential;
};

/* One connection, and how its transport misbehaves. */
struct duel {
    struct tls_conn *conn;
    SSL *client;
    BIO *to_server, *to_client; /* owned by the client */
    size_t step;                /* bytes moved by one call at most; 0: any number */
    size_t receive_limit;       /* after so many bytes comes the end */
    int end_errno;              /* 0: end of file */
    size_t send_limit;          /* after so many bytes the transport takes no more for now... */
    int send_errno;             /* ...or fails with this */
    bool interrupted;           /* EINTR before each success */
    bool interrupt_next;
    size_t received, sent;
};

static bool interrupt(struct duel *duel)
{
    duel->interrupt_next = duel->interrupted && !duel->interrupt_next;
    errno = EINTR;
    return duel->interrupt_next;
}

static ssize_t duel_recv(void *arg, void *buffer, size_t length)
{
    struct duel *duel = arg;
    if (interrupt(duel)) {
        return -1;
    }
    size_t left = duel->receive_limit - duel->received;
    if (left == 0) {
        errno = duel->end_errno;
        return duel->end_errno == 0 ? 0 : -1;
    }
    length = duel->step != 0 && length > duel->step ? duel->step : length;
    length = length > left ? left : length;
    int count = BIO_read(duel->to_server, buffer, (int)length);
    if (count <= 0) {
        errno = EAGAIN;
        return -1;
    }
    duel->received += (size_t)count;
    return count;
}

static ssize_t duel_send(void *arg, const void *buffer, size_t length)
{
    struct duel *duel = arg;
    if (interrupt(duel)) {
        return -1;
    }
    size_t left = duel->send_limit - duel->sent;
    if (left == 0) {
        errno = duel->send_errno != 0 ? duel->send_errno : EAGAIN;
        return -1;
    }
    length = duel->step != 0 && length > duel->step ? duel->step : length;
    length = length > left ? left : length;
    assert_int_equal(BIO_write(duel->to_client, buffer, (int)length), (int)length);
    duel->sent += length;
    return (ssize_t)length;
}

static const struct tls_transport transport = {duel_recv, duel_send};

static struct tls_credential ecdsa, ecdsa384, rsa, ed25519;

static struct tls_context *server_context(const struct tls_policy *base, const char *which)
{
    struct tls_credential items[4];
    struct tls_credentials credentials = {.items = items};
    struct diag diag = {0};
    struct tls_policy policy = *base;
    char ciphers[256], curves[64];
    snprintf(ciphers, sizeof ciphers, "%s", base->cipher_list ? base->cipher_list : ALL_CIPHERS);
    snprintf(curves, sizeof curves, "%s", base->curves ? base->curves : "");
    policy.cipher_list = ciphers;
    policy.curves = curves;
    policy.min_version = base->min_version ? base->min_version : TLS_VERSION_1_0;
    policy.max_version = base->max_version ? base->max_version : TLS_VERSION_1_3;
    policy.session_timeout = base->session_timeout != 0 ? base->session_timeout : 3600;
    for (; *which != '\0'; which++) {
        items[credentials.count++] = *which == 'E'   ? ecdsa
                                     : *which == '3' ? ecdsa384
                                     : *which == 'D' ? ed25519
                                                     : rsa;
    }
    struct tls_context *context = tls_context_new(&policy, &credentials, &diag);
    assert_non_null(context);
    assert_int_equal(diag.errors, 0);
    return context;
}

static SSL_CTX *client_context(const struct client_spec *spec)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(ctx);
    assert_true(SSL_CTX_set_min_proto_version(ctx, spec->min ? spec->min : TLS1_VERSION));
    assert_true(SSL_CTX_set_max_proto_version(ctx, spec->max ? spec->max : TLS1_3_VERSION));
    assert_true(SSL_CTX_set_cipher_list(ctx, spec->ciphers && *spec->ciphers ? spec->ciphers
                                                                             : ALL_CIPHERS));
    if (spec->curves != NULL) {
        assert_true(SSL_CTX_set1_curves_list(ctx, spec->curves));
    }
    if (spec->schemes != NULL) {
        size_t count = 0;
        while (spec->schemes[count] != 0) {
            count++;
        }
        assert_true(SSL_CTX_set_verify_algorithm_prefs(ctx, spec->schemes, count));
    }
    if (spec->alpn != NULL) {
        assert_int_equal(
            SSL_CTX_set_alpn_protos(ctx, (const uint8_t *)spec->alpn, (unsigned)strlen(spec->alpn)),
            0);
    }
    if (spec->credential != NULL) {
        assert_true(SSL_CTX_set_chain_and_key(ctx, spec->credential->chain,
                                              spec->credential->chain_length, spec->credential->key,
                                              NULL));
    }
    return ctx;
}

static void duel_begin(struct duel *duel, struct tls_context *context, SSL_CTX *ctx)
{
    *duel = (struct duel){.receive_limit = SIZE_MAX, .send_limit = SIZE_MAX};
    duel->client = SSL_new(ctx);
    duel->to_server = BIO_new(BIO_s_mem());
    duel->to_client = BIO_new(BIO_s_mem());
    assert_non_null(duel->client);
    BIO_set_mem_eof_return(duel->to_server, -1);
    BIO_set_mem_eof_return(duel->to_client, -1);
    SSL_set_bio(duel->client, duel->to_client, duel->to_server);
    SSL_set_connect_state(duel->client);
    duel->conn = tls_conn_new(context, &transport, duel);
    assert_non_null(duel->conn);
}

static void duel_end(struct duel *duel)
{
    tls_conn_free(duel->conn);
    SSL_free(duel->client);
}

/* Let both ends work until the server has a result that waiting will not change. */
static enum tls_result duel_handshake(struct duel *duel)
{
    for (int round = 0; round < 20000; round++) {
        ERR_clear_error();
        SSL_do_handshake(duel->client);
        enum tls_result result = tls_conn_handshake(duel->conn);
        if (result != TLS_WANT_READ && result != TLS_WANT_WRITE) {
            return result;
        }
        if (result == TLS_WANT_WRITE) {
            duel->send_limit = SIZE_MAX;
        }
        if (result == TLS_WANT_READ && BIO_pending(duel->to_client) == 0 &&
            BIO_pending(duel->to_server) == 0 && duel->received < duel->receive_limit) {
            return TLS_WANT_READ; /* the client has given up */
        }
    }
    fail_msg("the handshake does not end");
    return TLS_FAILED;
}

/* The server sends TEXT, the client must read just that. */
static void server_says(struct duel *duel, const char *text)
{
    char got[256];
    size_t count;
    assert_int_equal(tls_conn_write(duel->conn, text, strlen(text), &count), TLS_OK);
    assert_int_equal(count, strlen(text));
    assert_int_equal(SSL_read(duel->client, got, sizeof got), (int)count);
    assert_memory_equal(got, text, count);
}

/* The client sends TEXT, the server must read just that. */
static void client_says(struct duel *duel, const char *text)
{
    char got[256];
    size_t count;
    assert_int_equal(SSL_write(duel->client, text, (int)strlen(text)), (int)strlen(text));
    assert_int_equal(tls_conn_read(duel->conn, got, sizeof got, &count), TLS_OK);
    assert_int_equal(count, strlen(text));
    assert_memory_equal(got, text, count);
}

/* ---- what is negotiated ---- */

static const uint16_t rsa_schemes[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256,
                                       SSL_SIGN_RSA_PKCS1_SHA1, 0};
static const uint16_t ecdsa_schemes[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, 0};
static const uint16_t ed25519_schemes[] = {SSL_SIGN_ED25519, SSL_SIGN_RSA_PSS_RSAE_SHA384, 0};
static const uint16_t rsa_sha384[] = {SSL_SIGN_RSA_PSS_RSAE_SHA384, 0};

static void test_negotiation(void **state)
{
    static char ecdhe_ecdsa[] = "ECDHE-ECDSA-AES128-GCM-SHA256", aes128[] = "AES128-SHA:AES256-SHA",
                p384[] = "P-384", order[] = "P-521:X25519";
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

/* ---- resumption ---- */

static SSL_SESSION *saved_session;
static unsigned sessions_seen;

static int save_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(saved_session);
    saved_session = session;
    sessions_seen++;
    return 1;
}

static void test_resumption(void **state)
{
    static const struct {
        uint16_t version;
        const char *first, *second;
    } cases[] = {
        {TLS1_VERSION, "TLSv1 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)",
         "TLSv1 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)"},
        {TLS1_2_VERSION, "TLSv1.2 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)",
         "TLSv1.2 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)"},
        {TLS1_3_VERSION,
         " key-exchange x25519 server-signature RSA-PSS (2048 bits) server-digest SHA256",
         " key-exchange x25519"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_context *context = server_context(&(struct tls_policy){0}, "R");
        SSL_CTX *ctx = client_context(&(struct client_spec){
            .max = cases[i].version, .ciphers = "ECDHE-RSA-AES128-SHA", .curves = "X25519"});
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(ctx, save_session);
        sessions_seen = 0;
        for (int round = 0; round < 2; round++) {
            struct duel duel;
            struct tls_summary summary;
            char text[TLS_SUMMARY_TEXT_MAX];
            duel_begin(&duel, context, ctx);
            if (round == 1) {
                assert_non_null(saved_session);
                assert_true(SSL_set_session(duel.client, saved_session));
            }
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            server_says(&duel, "220 hello\r\n");
            client_says(&duel, "QUIT\r\n");
            assert_int_equal(SSL_session_reused(duel.client), round);
            tls_conn_summary(duel.conn, &summary);
            assert_int_equal(summary.resumed, round);
            const char *wanted = round == 0 ? cases[i].first : cases[i].second;
            tls_summary_text(&summary, text);
            assert_true(strlen(text) >= strlen(wanted));
            assert_string_equal(text + strlen(text) - strlen(wanted), wanted);
            if (round == 0) {
                assert_int_equal(sessions_seen, 1); /* one ticket, not two */
            }
            duel_end(&duel);
        }
        SSL_SESSION_free(saved_session);
        saved_session = NULL;
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

/* smtpd_tls_session_cache_timeout = 0: no tickets. */
static void test_no_tickets(void **state)
{
    static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_context *context = server_context(&(struct tls_policy){.session_timeout = -1}, "E");
    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = versions[i]});
        struct duel duel;
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(ctx, save_session);
        sessions_seen = 0;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        server_says(&duel, "220 hello\r\n");
        /* TLS 1.2 gives the client a session that names no ticket. */
        assert_true(saved_session == NULL || !SSL_SESSION_has_ticket(saved_session));
        SSL_SESSION_free(saved_session);
        saved_session = NULL;
        duel_end(&duel);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* A session of one policy is worth nothing under another, even with the same ticket keys. */
static void test_no_resumption_across_policies(void **state)
{
    struct tls_context *contexts[2] = {
        server_context(&(struct tls_policy){0}, "R"),
        server_context(&(struct tls_policy){.ask_ccert = true}, "R"),
    };
    uint8_t keys[48] = {1};
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    (void)state;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ctx, save_session);
    for (int round = 0; round < 3; round++) {
        struct duel duel;
        struct tls_context *context = contexts[round == 2];
        assert_true(SSL_CTX_set_tlsext_ticket_keys(context->ssl, keys, sizeof keys));
        duel_begin(&duel, context, ctx);
        if (round > 0) {
            assert_true(SSL_set_session(duel.client, saved_session));
        }
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        server_says(&duel, "220 hello\r\n");
        assert_int_equal(SSL_session_reused(duel.client), round == 1);
        duel_end(&duel);
    }
    SSL_SESSION_free(saved_session);
    saved_session = NULL;
    SSL_CTX_free(ctx);
    tls_context_unref(contexts[0]);
    tls_context_unref(contexts[1]);
}

/* ---- what is not TLS, and ends too early ---- */

static void test_garbage(void **state)
{
#define BYTES(text) text, sizeof text - 1
    static const struct {
        const char *bytes;
        size_t length;
        enum tls_result result;
        const char *reason;
        bool alert;
    } cases[] = {
        {BYTES("EHLO x\r\n"), TLS_FAILED, "wrong version number", true},
        {BYTES("QUIT\r\n"), TLS_FAILED, "wrong version number", true},
        {BYTES("GET / HTTP/1.0\r\n\r\n"), TLS_FAILED, "http request", false},
        {BYTES("CONNECT x:25 HTTP/1.0\r\n\r\n"), TLS_FAILED, "https proxy request", false},
        {BYTES("\x15\x03\x01\x00\x02\x02\x28"), TLS_FAILED, "sslv3 alert handshake failure", false},
        {BYTES("\x15\x03\x01\x00\x02\x02\x30"), TLS_FAILED, "tlsv1 alert unknown ca", false},
        {BYTES("\x15\x03\x01\x00\x02\x02\x46"), TLS_FAILED, "tlsv1 alert protocol version", false},
        {BYTES("\x17\x03\x01\x00\x01x"), TLS_FAILED, "unexpected record", true},
        {BYTES("\x16\x03\x01\xff\xff......"), TLS_FAILED, "encrypted length too long", true},
        /* SSLv3, nothing newer: one suite, no extensions. */
        {BYTES("\x16\x03\x00\x00\x2d\x01\x00\x00\x29\x03\x00"
               "01234567890123456789012345678901\x00\x00\x02\x00\x2f\x01\x00"),
         TLS_FAILED, "unsupported protocol", true},
        /* A ClientHello that says 48 bytes of extensions and has none. */
        {BYTES("\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03"
               "01234567890123456789012345678901\x00\x00\x02\x00\x2f\x01\x00\x00\x30"),
         TLS_FAILED, "decode error", true},
        /* The last extension is longer than the message: no library says why it refuses that. */
        {BYTES("\x16\x03\x01\x00\x35\x01\x00\x00\x31\x03\x03"
               "01234567890123456789012345678901\x00\x00\x02\x00\x2f\x01\x00\x00\x06"
               "\x00\x0d\x00\x14\x00\x12"),
         TLS_FAILED, "decode error", true},
        {BYTES("EHL"), TLS_WANT_READ, "", false},
        {BYTES(""), TLS_WANT_READ, "", false},
    };
    struct tls_context *context = server_context(&(struct tls_policy){0}, "ER");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct duel duel;
        duel_begin(&duel, context, ctx);
        if (cases[i].length > 0) {
            BIO_write(duel.to_server, cases[i].bytes, (int)cases[i].length);
        }
        enum tls_result result = tls_conn_handshake(duel.conn);
        if (result != cases[i].result ||
            (result == TLS_FAILED && strcmp(tls_conn_reason(duel.conn), cases[i].reason) != 0) ||
            (duel.sent > 0) != cases[i].alert) {
            fail_msg("case %zu: result %d: %s; %zu bytes sent", i, (int)result,
                     tls_conn_reason(duel.conn), duel.sent);
        }
        if (cases[i].alert) { /* the whole alert record is with the client */
            assert_int_equal(duel.sent, 7);
        }
        size_t count;
        char byte;
        if (result == TLS_FAILED) {
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_FAILED);
            assert_int_equal(tls_conn_write(duel.conn, "x", 1, &count), TLS_FAILED);
            assert_int_equal(count, 0);
            tls_conn_shutdown(duel.conn);
            assert_int_equal(duel.sent, cases[i].alert ? 7 : 0);
        }
        duel_end(&duel);
    }
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* The transport ends, one way or the other, after each number of bytes of the handshake. */
static void test_end_at_each_byte(void **state)
{
    static const int errors[] = {0, ECONNRESET};
    static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_context *context = server_context(&(struct tls_policy){0}, "ER");
    (void)state;
    for (int i = 0; i < 4; i++) {
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = versions[i / 2]});
        size_t limit = 0;
        for (enum tls_result result = TLS_LOST; result != TLS_OK; limit++) {
            struct duel duel;
            duel_begin(&duel, context, ctx);
            duel.receive_limit = limit;
            duel.end_errno = errors[i % 2];
            result = duel_handshake(&duel);
            if (result != TLS_OK) {
                assert_int_equal(result, TLS_LOST);
                assert_int_equal(tls_conn_errno(duel.conn), errors[i % 2]);
                assert_int_equal(tls_conn_handshake(duel.conn), TLS_LOST);
                assert_int_equal(tls_conn_errno(duel.conn), errors[i % 2]);
            }
            duel_end(&duel);
        }
        assert_true(limit > 200 && limit < 3000);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* The client does not take what the server sends: not now, or never again. */
static void test_send_fails(void **state)
{
    static const int errors[] = {0, EPIPE};
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct duel duel;
        size_t count;
        duel_begin(&duel, context, ctx);
        duel.send_limit = 100;
        duel.send_errno = errors[i];
        if (errors[i] == 0) {
            SSL_do_handshake(duel.client);
            assert_int_equal(tls_conn_handshake(duel.conn), TLS_WANT_WRITE);
            assert_int_equal(tls_conn_handshake(duel.conn), TLS_WANT_WRITE);
            assert_int_equal(duel_handshake(&duel), TLS_OK); /* lifts the limit */
            duel.send_limit = duel.sent + 10;
            assert_int_equal(tls_conn_write(duel.conn, "250 ok\r\n", 8, &count), TLS_WANT_WRITE);
            assert_int_equal(count, 0);
            duel.send_limit = SIZE_MAX;
            server_says(&duel, "250 ok\r\n");
        } else {
            assert_int_equal(duel_handshake(&duel), TLS_LOST);
            assert_int_equal(tls_conn_errno(duel.conn), EPIPE);
        }
        duel_end(&duel);
    }
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* ---- after the handshake ---- */

static void test_close(void **state)
{
    static const uint16_t versions[] = {TLS1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    (void)state;
    for (size_t i = 0; i < 4 * sizeof versions / sizeof versions[0]; i++) {
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = versions[i / 4]});
        struct duel duel;
        char byte;
        size_t count = 7;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        client_says(&duel, "NOOP\r\n");
        assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_WANT_READ);
        assert_int_equal(count, 0);
        size_t sent = duel.sent;
        switch (i % 4) {
        case 0: /* close_notify from the client; the server may still write */
            SSL_shutdown(duel.client);
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_CLOSED);
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_CLOSED);
            assert_int_equal(tls_conn_write(duel.conn, "221 bye\r\n", 9, &count), TLS_OK);
            break;
        case 1: /* end of file */
            duel.receive_limit = duel.received;
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_LOST);
            assert_int_equal(tls_conn_errno(duel.conn), 0);
            break;
        case 2:
            duel.receive_limit = duel.received;
            duel.end_errno = ECONNRESET;
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_LOST);
            assert_int_equal(tls_conn_errno(duel.conn), ECONNRESET);
            break;
        case 3: /* close_notify from the server, once */
            tls_conn_shutdown(duel.conn);
            assert_true(duel.sent > sent);
            sent = duel.sent;
            tls_conn_shutdown(duel.conn);
            assert_int_equal(duel.sent, sent);
            assert_int_equal(SSL_read(duel.client, &byte, 1), 0);
            assert_int_equal(SSL_get_error(duel.client, 0), SSL_ERROR_ZERO_RETURN);
            break;
        }
        duel_end(&duel);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* A record that was changed on its way ends the connection with an alert. */
static void test_tampering(void **state)
{
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    struct duel duel;
    char record[64], byte;
    size_t count;
    (void)state;
    duel_begin(&duel, context, ctx);
    assert_int_equal(duel_handshake(&duel), TLS_OK);
    assert_int_equal(SSL_write(duel.client, "RSET\r\n", 6), 6);
    int length = BIO_read(duel.to_server, record, sizeof record);
    record[length - 1] ^= 1;
    assert_int_equal(BIO_write(duel.to_server, record, length), length);
    size_t sent = duel.sent;
    assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_FAILED);
    assert_string_equal(tls_conn_reason(duel.conn), "decryption failed or bad record mac");
    assert_true(duel.sent > sent);
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* A megabyte each way, in pieces of many sizes. */
static void test_bulk(void **state)
{
    enum { SIZE = 1024 * 1024 };
    static uint8_t pattern[SIZE], got[SIZE];
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    struct duel duel;
    (void)state;
    for (size_t i = 0; i < SIZE; i++) {
        pattern[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    duel_begin(&duel, context, ctx);
    assert_int_equal(duel_handshake(&duel), TLS_OK);
    for (size_t sent = 0, received = 0, turn = 1; received < SIZE; turn++) {
        size_t count;
        if (sent < SIZE) {
            size_t length = turn * 977 % 40000 + 1;
            length = length > SIZE - sent ? SIZE - sent : length;
            assert_int_equal(tls_conn_write(duel.conn, pattern + sent, length, &count), TLS_OK);
            sent += count;
        }
        int n;
        while ((n = SSL_read(duel.client, got + received, SIZE)) > 0) {
            received += (size_t)n;
        }
    }
    assert_memory_equal(got, pattern, SIZE);
    memset(got, 0, SIZE);
    for (size_t sent = 0, received = 0, turn = 1; received < SIZE; turn++) {
        size_t count, room = turn * 613 % 30000 + 1;
        if (sent < SIZE) {
            size_t length = SIZE - sent > 16384 ? 16384 : SIZE - sent;
            assert_int_equal(SSL_write(duel.client, pattern + sent, (int)length), (int)length);
            sent += length;
        }
        enum tls_result result = tls_conn_read(
            duel.conn, got + received, room > SIZE - received ? SIZE - received : room, &count);
        assert_true(result == TLS_OK || (result == TLS_WANT_READ && count == 0));
        received += count;
        if (tls_conn_pending(duel.conn)) { /* then nothing need arrive */
            size_t limit = duel.receive_limit;
            duel.receive_limit = duel.received;
            assert_int_equal(tls_conn_read(duel.conn, got + received, 1, &count), TLS_OK);
            duel.receive_limit = limit;
            received += count;
        }
    }
    assert_memory_equal(got, pattern, SIZE);
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* ---- client certificates ---- */

static void test_client_certificates(void **state)
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
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(ctx, save_session);
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
        SSL_SESSION_free(saved_session);
        saved_session = NULL;
        X509_free(anchor);
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

static int make_keys(void **state)
{
    (void)state;
    return tls_selfsigned_make(TLS_KEY_ECDSA_P256, "mx.test", 1, &ecdsa) &&
                   tls_selfsigned_make(TLS_KEY_ECDSA_P384, "client.test", 1, &ecdsa384) &&
                   tls_selfsigned_make(TLS_KEY_RSA_2048, "mx.test", 1, &rsa) &&
                   tls_selfsigned_make(TLS_KEY_ED25519, "mx.test", 1, &ed25519)
               ? 0
               : -1;
}

static int free_keys(void **state)
{
    (void)state;
    tls_credential_clear(&ecdsa);
    tls_credential_clear(&ecdsa384);
    tls_credential_clear(&rsa);
    tls_credential_clear(&ed25519);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_no_tickets),
        cmocka_unit_test(test_no_resumption_across_policies),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_end_at_each_byte),
        cmocka_unit_test(test_send_fails),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_client_certificates),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
