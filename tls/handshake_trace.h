/*
 * handshake_trace.h: what is kept of a handshake while it lasts, so that its failure can be
 * explained. Not part of an idle session: it is freed when the handshake is done.
 */
#ifndef GATEPOST_TLS_HANDSHAKE_TRACE_H
#define GATEPOST_TLS_HANDSHAKE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "tls/handshake_reason.h"

#define TLS_TRACE_FIRST 16
#define TLS_TRACE_LAST 7          /* a record with an alert */
#define TLS_TRACE_HELLO_MAX 16384 /* a longer one is not kept */

struct tls_handshake_trace {
    uint8_t first[TLS_TRACE_FIRST]; /* bytes that came */
    size_t first_length;
    uint8_t last[TLS_TRACE_LAST]; /* bytes that came; fewer have zeroes before them */
    uint8_t *hello;               /* the body of the first ClientHello; NULL: none. Owned. */
    size_t hello_length;
    enum tls_stage stage;
    int alert; /* that came; TLS_NO_ALERT: none */
};

/* NULL: out of memory; then failures are explained without what it would have known. */
struct tls_handshake_trace *tls_trace_new(void);
void tls_trace_free(struct tls_handshake_trace *trace); /* NULL is fine */

/* Bytes came from the client. TRACE may be NULL here and below. */
void tls_trace_bytes(struct tls_handshake_trace *trace, const void *bytes, size_t length);

/* The library's message callback was called: see SSL_set_msg_callback. */
void tls_trace_message(struct tls_handshake_trace *trace, int is_write, int content_type,
                       const uint8_t *bytes, size_t length);

/*
 * The alert that ended a handshake which the library ended as an error, or TLS_NO_ALERT. That may
 * be one that the library could not read: OpenSSL's clients refuse a certificate of TLS 1.3 with
 * an alert in cleartext, since they have not yet begun to encrypt, where the library expects
 * ciphertext. (Anybody on the way could have written it; nothing but words depends on it.)
 */
int tls_trace_alert(const struct tls_handshake_trace *trace);

#endif
