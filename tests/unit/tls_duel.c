/* tls_duel.c: see tls_duel.h. */
#include "tests/unit/tls_duel.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- findings ---- */

static void sink(void *ctx, enum diag_severity severity, const char *text)
{
    struct findings *findings = ctx;
    size_t used = strlen(findings->text);
    snprintf(findings->text + used, sizeof findings->text - used, "%c %s\n", "IWE"[severity], text);
}

void findings_reset(struct findings *findings)
{
    *findings = (struct findings){.diag = {.sink = sink, .ctx = findings}};
}

/* ---- the two ends ---- */

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

static const struct tls_transport transport = {.recv = duel_recv, .send = duel_send};

struct tls_credential ecdsa, ecdsa384, rsa, ed25519;

struct tls_policy complete_policy(const struct tls_policy *base)
{
    static char ciphers[] = ALL_CIPHERS, curves[] = "";
    struct tls_policy policy = *base;
    policy.cipher_list = base->cipher_list != NULL ? base->cipher_list : ciphers;
    policy.curves = base->curves != NULL ? base->curves : curves;
    policy.min_version = base->min_version ? base->min_version : TLS_VERSION_1_0;
    policy.max_version = base->max_version ? base->max_version : TLS_VERSION_1_3;
    policy.session_timeout = base->session_timeout != 0 ? base->session_timeout : 3600;
    policy.tickets = policy.session_timeout > 0;
    return policy;
}

struct tls_context *server_context_of(const struct tls_policy *base,
                                      const struct tls_credentials *credentials)
{
    struct tls_policy policy = complete_policy(base);
    struct findings findings;
    findings_reset(&findings);
    struct tls_context *context = tls_context_new(&policy, credentials, &findings.diag);
    if (context == NULL || findings.diag.errors != 0) {
        fail_msg("%s", findings.text);
    }
    return context;
}

struct tls_context *server_context(const struct tls_policy *base, const char *which)
{
    struct tls_credential items[4];
    struct tls_credentials credentials = {.items = items};
    for (; *which != '\0'; which++) {
        items[credentials.count++] = *which == 'E'   ? ecdsa
                                     : *which == '3' ? ecdsa384
                                     : *which == 'D' ? ed25519
                                                     : rsa;
    }
    return server_context_of(base, &credentials);
}

SSL_CTX *client_context(const struct client_spec *spec)
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
    if (spec->ocsp) {
        SSL_CTX_enable_ocsp_stapling(ctx);
    }
    SSL_CTX_set_app_data(ctx, (char *)(uintptr_t)spec->server_name);
    return ctx;
}

void duel_begin(struct duel *duel, struct tls_context *context, SSL_CTX *ctx)
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
    if (SSL_CTX_get_app_data(ctx) != NULL) {
        assert_true(SSL_set_tlsext_host_name(duel->client, SSL_CTX_get_app_data(ctx)));
    }
    duel->conn = tls_conn_new(context, &transport, duel);
    assert_non_null(duel->conn);
}

void duel_end(struct duel *duel)
{
    tls_conn_free(duel->conn);
    SSL_free(duel->client);
}

enum tls_result duel_handshake(struct duel *duel)
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

void server_says(struct duel *duel, const char *text)
{
    char got[256];
    size_t count;
    assert_int_equal(tls_conn_write(duel->conn, text, strlen(text), &count), TLS_OK);
    assert_int_equal(count, strlen(text));
    assert_int_equal(SSL_read(duel->client, got, sizeof got), (int)count);
    assert_memory_equal(got, text, count);
}

void client_says(struct duel *duel, const char *text)
{
    char got[256];
    size_t count;
    assert_int_equal(SSL_write(duel->client, text, (int)strlen(text)), (int)strlen(text));
    assert_int_equal(tls_conn_read(duel->conn, got, sizeof got, &count), TLS_OK);
    assert_int_equal(count, strlen(text));
    assert_memory_equal(got, text, count);
}

/* ---- sessions ---- */

SSL_SESSION *saved_session;
unsigned sessions_seen;

static int save_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(saved_session);
    saved_session = session;
    sessions_seen++;
    return 1;
}

void keep_sessions(SSL_CTX *ctx)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ctx, save_session);
    sessions_seen = 0;
}

void forget_session(void)
{
    SSL_SESSION_free(saved_session);
    saved_session = NULL;
}

/* ---- keys ---- */

int duel_make_keys(void **state)
{
    (void)state;
    return tls_selfsigned_make(TLS_KEY_ECDSA_P256, "mx.test", 1, &ecdsa) &&
                   tls_selfsigned_make(TLS_KEY_ECDSA_P384, "client.test", 1, &ecdsa384) &&
                   tls_selfsigned_make(TLS_KEY_RSA_2048, "mx.test", 1, &rsa) &&
                   tls_selfsigned_make(TLS_KEY_ED25519, "mx.test", 1, &ed25519)
               ? 0
               : -1;
}

int duel_free_keys(void **state)
{
    (void)state;
    tls_credential_clear(&ecdsa);
    tls_credential_clear(&ecdsa384);
    tls_credential_clear(&rsa);
    tls_credential_clear(&ed25519);
    return 0;
}
