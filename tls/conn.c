/*
 * conn.c: see conn.h. One SSL object, shed of its handshake state when the handshake is done, over
 * one BIO. What the library says about a failure is taken from its queue at once, since the queue
 * belongs to the process and not to the connection.
 */
#include "tls/conn.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "tls/context_private.h"
#include "tls/describe.h"
#include "tls/errors.h"
#include "tls/handshake_trace.h"
#include "tls/key_use.h"
#include "tls/sni.h"
#include "tls/sni_maps.h"
#include "tls/transport_bio.h"
#include "tls/trust.h"

struct tls_conn {
    SSL *ssl;                    /* owned */
    struct tls_context *context; /* a reference */
    struct tls_error *failure;   /* owned; NULL until a TLS error ended the connection */
    struct tls_link link;        /* the BIO in SSL points here */
    struct tls_handshake_notes notes;
    struct tls_key_use keys;
    enum tls_result end; /* TLS_OK, or how the connection ended: TLS_FAILED, or TLS_LOST by a socket
                            error. Mere end of file leaves the other direction open. */
    bool shut_down;
    bool waits_for_key;
    struct tls_handshake_trace *trace; /* owned; NULL when the handshake is done */
    struct tls_hello_record *hello;    /* owned; NULL: none is wanted (any more) */
    struct tls_failure_reason *reason; /* owned; NULL until tls_conn_explain or the like */
};

struct tls_conn *tls_conn_new(struct tls_context *context, const struct tls_transport *transport,
                              void *arg)
{
    struct tls_conn *conn = calloc(1, sizeof *conn);
    BIO *bio = NULL;
    if (conn == NULL || (conn->ssl = SSL_new(context->ssl)) == NULL ||
        (bio = tls_transport_bio_new(&conn->link)) == NULL) {
        if (conn != NULL) {
            SSL_free(conn->ssl);
        }
        free(conn);
        ERR_clear_error();
        return NULL;
    }
    conn->context = tls_context_ref(context);
    conn->link = (struct tls_link){.transport = transport, .arg = arg};
    conn->trace = conn->link.trace = conn->notes.trace = tls_trace_new();
    conn->notes.credentials = context->credentials;
    conn->keys = (struct tls_key_use){
        .credentials = context->credentials, .ready = transport->key_ready, .arg = arg};
    tls_key_use_begin(&conn->keys, conn->ssl);
    SSL_set_bio(conn->ssl, bio, bio);
    SSL_set_accept_state(conn->ssl);
    SSL_set_shed_handshake_config(conn->ssl, 1);
    tls_notes_begin(&conn->notes, conn->ssl);
    return conn;
}

void tls_conn_free(struct tls_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    SSL_free(conn->ssl);
    tls_key_use_end(&conn->keys);
    tls_context_unref(conn->context);
    free(conn->failure);
    free(conn->reason);
    tls_trace_free(conn->trace);
    tls_conn_forget_hello(conn);
    free(conn);
}

void tls_conn_record_hello(struct tls_conn *conn)
{
    conn->hello = calloc(1, sizeof *conn->hello);
}

const struct tls_hello_record *tls_conn_hello(struct tls_conn *conn)
{
    const struct tls_handshake_trace *trace = conn->trace;
    if (conn->hello != NULL && trace != NULL && trace->hello != NULL) {
        tls_hello_record_take(conn->hello, trace->hello, trace->hello_length);
    }
    return conn->hello != NULL && conn->hello->taken ? conn->hello : NULL;
}

void tls_conn_forget_hello(struct tls_conn *conn)
{
    if (conn->hello != NULL) {
        tls_hello_record_forget(conn->hello);
    }
    free(conn->hello);
    conn->hello = NULL;
}

/* Every call into the library begins here: old errors must not be taken for its own. */
static void begin_operation(struct tls_conn *conn)
{
    ERR_clear_error();
    conn->link.error = 0;
}

/* Keep what the library says about the failure. */
static enum tls_result fail(struct tls_conn *conn)
{
    conn->end = TLS_FAILED;
    conn->failure = malloc(sizeof *conn->failure);
    if (conn->failure != NULL) {
        tls_error_take(conn->failure);
    }
    ERR_clear_error();
    return TLS_FAILED;
}

/* What RESULT of the last call into the library, not a success, means. */
static enum tls_result outcome(struct tls_conn *conn, int result)
{
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_WANT_PRIVATE_KEY_OPERATION:
        return TLS_WANT_KEY;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    case SSL_ERROR_SYSCALL:
        if (conn->link.error == 0 && !conn->link.ended) {
            tls_error_put_malformed_hello();
            return fail(conn);
        }
        conn->end = conn->link.error != 0 ? TLS_LOST : TLS_OK;
        return TLS_LOST;
    default:
        return fail(conn);
    }
}

enum tls_result tls_conn_handshake(struct tls_conn *conn)
{
    if (conn->end != TLS_OK) {
        return conn->end;
    }
    begin_operation(conn);
    int result = SSL_do_handshake(conn->ssl);
    if (result != 1) {
        enum tls_result meaning = outcome(conn, result);
        conn->waits_for_key = meaning == TLS_WANT_KEY;
        return meaning;
    }
    tls_notes_end(conn->ssl);
    (void)tls_conn_hello(conn); /* takes it from the trace */
    tls_trace_free(conn->trace);
    conn->trace = conn->link.trace = conn->notes.trace = NULL;
    return TLS_OK;
}

/* The library counts in int. */
static int int_length(size_t length)
{
    return length > INT_MAX ? INT_MAX : (int)length;
}

enum tls_result tls_conn_read(struct tls_conn *conn, void *buffer, size_t length, size_t *count)
{
    *count = 0;
    if (conn->end != TLS_OK) {
        return conn->end;
    }
    begin_operation(conn);
    int result = SSL_read(conn->ssl, buffer, int_length(length));
    if (result <= 0) {
        return outcome(conn, result);
    }
    *count = (size_t)result;
    return TLS_OK;
}

enum tls_result tls_conn_write(struct tls_conn *conn, const void *buffer, size_t length,
                               size_t *count)
{
    *count = 0;
    if (conn->end != TLS_OK) {
        return conn->end;
    }
    begin_operation(conn);
    int result = SSL_write(conn->ssl, buffer, int_length(length));
    if (result <= 0) {
        return outcome(conn, result);
    }
    *count = (size_t)result;
    return TLS_OK;
}

bool tls_conn_pending(const struct tls_conn *conn)
{
    return SSL_pending(conn->ssl) > 0;
}

enum tls_result tls_conn_shutdown(struct tls_conn *conn)
{
    if (conn->end != TLS_OK || conn->shut_down || SSL_in_init(conn->ssl)) {
        return TLS_OK;
    }
    begin_operation(conn);
    int result = SSL_shutdown(conn->ssl);
    /* Once it is sent, another call would wait for the peer's. */
    conn->shut_down = result >= 0 || SSL_get_error(conn->ssl, result) != SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return conn->shut_down ? TLS_OK : TLS_WANT_WRITE;
}

const char *tls_conn_reason(const struct tls_conn *conn)
{
    return conn->failure != NULL ? conn->failure->reason : "unknown error";
}

const char *tls_conn_error_text(const struct tls_conn *conn)
{
    return conn->failure != NULL ? conn->failure->text : "error:00000000:::unknown error:::";
}

/* Room for the reason; NULL if there is one already, or memory is out. */
static struct tls_failure_reason *new_reason(struct tls_conn *conn)
{
    if (conn->reason != NULL) {
        return NULL;
    }
    conn->reason = calloc(1, sizeof *conn->reason);
    return conn->reason;
}

/* What is known of a handshake without having followed it. */
static const struct tls_handshake_trace no_trace = {.alert = TLS_NO_ALERT};

const struct tls_failure_reason *tls_conn_explain(struct tls_conn *conn,
                                                  const struct tls_failure_site *site)
{
    const struct tls_handshake_trace *trace = conn->trace != NULL ? conn->trace : &no_trace;
    struct tls_failure_reason *reason = new_reason(conn);
    struct tls_offer offer;
    if (reason == NULL) {
        return conn->reason;
    }
    if (conn->failure != NULL && !SSL_in_init(conn->ssl)) {
        tls_session_explain(conn->failure->reason, reason);
        return reason;
    }
    tls_context_offer(conn->context, trace->hello, trace->hello_length, site->place, &offer);
    struct tls_evidence evidence = {.offer = &offer,
                                    .hello = trace->hello,
                                    .hello_length = trace->hello_length,
                                    .first = trace->first,
                                    .first_length = trace->first_length,
                                    .began = site->began,
                                    .stage = trace->stage,
                                    .end = site->timed_out           ? TLS_END_TIMEOUT
                                           : conn->end == TLS_FAILED ? TLS_END_ERROR
                                                                     : TLS_END_CLOSED,
                                    .error = conn->link.error,
                                    .alert = conn->end == TLS_FAILED ? tls_trace_alert(trace)
                                                                     : trace->alert,
                                    .waits_for_key = conn->waits_for_key,
                                    .library = tls_conn_reason(conn)};
    tls_handshake_explain(&evidence, reason);
    return reason;
}

const struct tls_failure_reason *tls_conn_explain_ccert(struct tls_conn *conn,
                                                        const struct tls_failure_site *site)
{
    struct tls_ccert_details details;
    enum tls_ccert verdict = tls_conn_ccert(conn);
    struct tls_failure_reason *reason = new_reason(conn);
    if (reason != NULL) {
        tls_conn_ccert_details(conn, &details);
        tls_ccert_explain(verdict == TLS_CCERT_MISSING    ? TLS_LACKS_CCERT
                          : verdict == TLS_CCERT_NO_MATCH ? TLS_LACKS_MATCH
                                                          : TLS_LACKS_TRUST,
                          details.error, site->place, reason);
    }
    return conn->reason;
}

const struct tls_failure_reason *tls_conn_failure(const struct tls_conn *conn)
{
    return conn->reason;
}

int tls_conn_errno(const struct tls_conn *conn)
{
    return conn->link.error;
}

void tls_conn_summary(const struct tls_conn *conn, struct tls_summary *summary)
{
    tls_describe(conn->ssl, &conn->notes, summary);
}

enum tls_ccert tls_conn_ccert(const struct tls_conn *conn)
{
    X509 *certificate = SSL_get_peer_certificate(conn->ssl);
    enum tls_ccert verdict = tls_trust_verdict(conn->context, conn->ssl, certificate);
    X509_free(certificate);
    ERR_clear_error();
    return verdict;
}

bool tls_conn_ccert_details(const struct tls_conn *conn, struct tls_ccert_details *details)
{
    const char *digest = conn->context->demands.digest;
    X509 *certificate = SSL_get_peer_certificate(conn->ssl);
    *details = (struct tls_ccert_details){0};
    if (certificate == NULL) {
        return false;
    }
    tls_fingerprint_certificate(certificate, digest, details->fingerprint);
    tls_fingerprint_key(certificate, digest, details->key_fingerprint);
    long result = SSL_get_verify_result(conn->ssl);
    if (result != X509_V_OK) {
        snprintf(details->error, sizeof details->error, "%s",
                 X509_verify_cert_error_string(result));
    }
    X509_free(certificate);
    ERR_clear_error();
    return true;
}

enum tls_sni tls_conn_sni(const struct tls_conn *conn)
{
    const struct tls_credentials *credentials = conn->context->credentials;
    const char *name = tls_sni_asked(conn->ssl);
    if (credentials->sni == NULL || *name == '\0') {
        return TLS_SNI_IGNORED;
    }
    if (!tls_sni_is_host_name(name)) {
        return TLS_SNI_INVALID;
    }
    return tls_sni_choose(credentials, conn->ssl) != credentials ? TLS_SNI_MATCHED
                                                                 : TLS_SNI_UNMATCHED;
}

const char *tls_conn_server_name(const struct tls_conn *conn)
{
    enum tls_sni kind = tls_conn_sni(conn);
    return kind == TLS_SNI_MATCHED || kind == TLS_SNI_UNMATCHED ? tls_sni_asked(conn->ssl) : "";
}

const char *tls_conn_invalid_server_name(const struct tls_conn *conn)
{
    return tls_conn_sni(conn) == TLS_SNI_INVALID ? tls_sni_asked(conn->ssl) : "";
}
