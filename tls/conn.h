/*
 * conn.h: the server side of one TLS connection, without a socket: ciphertext goes through two
 * functions that the owner supplies, so the same code runs over sockets, in tests and under a
 * fuzzer.
 */
#ifndef GATEPOST_TLS_CONN_H
#define GATEPOST_TLS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tls/context.h"
#include "tls/fingerprint.h"
#include "tls/handshake_reason.h"
#include "tls/hello_record.h"
#include "tls/summary.h"

/* Ciphertext transport. Like recv(2) and send(2): bytes moved; 0 from recv is end of file; -1 with
 * errno (EAGAIN: try again when the descriptor is ready). */
struct tls_transport {
    ssize_t (*recv)(void *arg, void *buffer, size_t length);
    ssize_t (*send)(void *arg, const void *buffer, size_t length);
    void (*key_ready)(void *arg); /* after TLS_WANT_KEY: go on; it may free the connection. NULL:
                                     nobody is to be told */
};

enum tls_result {
    TLS_OK,
    TLS_WANT_READ,  /* call again when ciphertext can be received */
    TLS_WANT_WRITE, /* call again when ciphertext can be sent */
    TLS_WANT_KEY,   /* call again when key_ready was called (tls/key_client.h); handshake only */
    TLS_CLOSED,     /* the peer sent close_notify; it may still be written to */
    TLS_LOST,       /* end of file or a socket error without close_notify: tls_conn_errno. After end
                       of file it may still be written to */
    TLS_FAILED      /* a TLS error; an alert has been queued to the transport: tls_conn_reason */
};

struct tls_conn;

/* A new connection that waits for a ClientHello. TRANSPORT must outlive it; ARG is passed to its
 * functions. Takes its own reference to CONTEXT. NULL only if memory is out. */
struct tls_conn *tls_conn_new(struct tls_context *context, const struct tls_transport *transport,
                              void *arg);
void tls_conn_free(struct tls_conn *conn);

/* Before the handshake: keep the ClientHello beyond its end. */
void tls_conn_record_hello(struct tls_conn *conn);
/* When the handshake is over: what came; NULL: nothing, or it was not to be kept. Owned by CONN. */
const struct tls_hello_record *tls_conn_hello(struct tls_conn *conn);
/* It is not needed any more. */
void tls_conn_forget_hello(struct tls_conn *conn);

/* Drive the handshake: TLS_OK when done. */
enum tls_result tls_conn_handshake(struct tls_conn *conn);

/* Read plaintext (LENGTH > 0): TLS_OK and *COUNT > 0, or another result and *COUNT 0. */
enum tls_result tls_conn_read(struct tls_conn *conn, void *buffer, size_t length, size_t *count);

/* Write plaintext (LENGTH > 0). TLS_OK: *COUNT bytes were taken (maybe fewer than LENGTH). After
 * TLS_WANT_WRITE call again with at least the same bytes (they may have moved). */
enum tls_result tls_conn_write(struct tls_conn *conn, const void *buffer, size_t length,
                               size_t *count);

/* Plaintext that tls_conn_read can give without receiving anything. */
bool tls_conn_pending(const struct tls_conn *conn);

/* Send close_notify once. TLS_OK: it was sent, or there is nobody to send it to; TLS_WANT_WRITE: call
 * again. */
enum tls_result tls_conn_shutdown(struct tls_conn *conn);

/*
 * Why the last call gave TLS_FAILED, in the words of OpenSSL's logs as far as possible: "no shared
 * cipher", "wrong version number", "tlsv1 alert unknown ca". Full text for the "TLS library
 * problem" line in tls_conn_error_text. Constant or owned by CONN.
 */
const char *tls_conn_reason(const struct tls_conn *conn);
const char *tls_conn_error_text(const struct tls_conn *conn);

/* Where a handshake failed, for its explanation. Borrowed. */
struct tls_failure_site {
    const char *place; /* of the policy: "main configuration", or "FILE, line N" */
    const char *began; /* what the client was to begin TLS after: "STARTTLS", "CONNECT" */
    bool timed_out;    /* it is given up now */
};

/*
 * Why it came to nothing, in words (tls/handshake_reason.h), worked out once: after a handshake
 * that did not give TLS_OK, or a TLS_FAILED after that. Owned by CONN; NULL only if memory is out.
 */
const struct tls_failure_reason *tls_conn_explain(struct tls_conn *conn,
                                                  const struct tls_failure_site *site);

/* The same for a handshake after which tls_conn_ccert was not content. */
const struct tls_failure_reason *tls_conn_explain_ccert(struct tls_conn *conn,
                                                        const struct tls_failure_site *site);

/* What these have found; NULL: nothing was to be explained. Owned by CONN. */
const struct tls_failure_reason *tls_conn_failure(const struct tls_conn *conn);

/* errno of the transport when the last result was TLS_LOST; 0: end of file. */
int tls_conn_errno(const struct tls_conn *conn);

/* What the handshake came to. Only after tls_conn_handshake gave TLS_OK. */
void tls_conn_summary(const struct tls_conn *conn, struct tls_summary *summary);

/*
 * Whether the client's certificate is what the policy demands; nothing of this ends a handshake.
 * With match= a fingerprint of the certificate or of its public key decides, and neither issuer nor
 * dates matter (as with Postfix's level "fingerprint"); without it require_ccert demands a
 * certificate that leads to a trusted authority. Only after tls_conn_handshake gave TLS_OK.
 */
enum tls_ccert {
    TLS_CCERT_NOT_REQUIRED,
    TLS_CCERT_OK,
    TLS_CCERT_MISSING,
    TLS_CCERT_UNTRUSTED,
    TLS_CCERT_NO_MATCH
};
enum tls_ccert tls_conn_ccert(const struct tls_conn *conn);

/* What Postfix logs of a client's certificate besides the summary. */
struct tls_ccert_details {
    char fingerprint[TLS_FINGERPRINT_MAX];     /* by smtpd_tls_fingerprint_digest: "AB:CD:..." */
    char key_fingerprint[TLS_FINGERPRINT_MAX]; /* the same of the public key */
    char error[128];                           /* why it is not trusted; "" if it is */
};

/* False: the client has shown no certificate. Only after tls_conn_handshake gave TLS_OK. */
bool tls_conn_ccert_details(const struct tls_conn *conn, struct tls_ccert_details *details);

/*
 * The server name that the client asked for. TLS_SNI_IGNORED: none, or there is no
 * tls_server_sni_maps. From the ClientHello on.
 */
enum tls_sni {
    TLS_SNI_IGNORED,
    TLS_SNI_MATCHED,
    TLS_SNI_UNMATCHED, /* not in the maps: the default chains are used */
    TLS_SNI_INVALID    /* no host name: likewise */
};
enum tls_sni tls_conn_sni(const struct tls_conn *conn);

/* For the log's "to NAME" (MATCHED and UNMATCHED: a valid host name), else "". Of an INVALID one:
 * raw, at most 255 bytes, not to be shown as it is. Owned by CONN. */
const char *tls_conn_server_name(const struct tls_conn *conn);
const char *tls_conn_invalid_server_name(const struct tls_conn *conn);

#endif
