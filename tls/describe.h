/*
 * describe.h: from a connection to its summary. What the library forgets when the handshake is over
 * is noted while it goes by.
 */
#ifndef GATEPOST_TLS_DESCRIBE_H
#define GATEPOST_TLS_DESCRIBE_H

#include <stdint.h>

#include "tls/credentials.h"
#include "tls/handshake_trace.h"
#include "tls/library.h"
#include "tls/summary.h"

struct tls_handshake_notes {
    const struct tls_credentials *credentials; /* borrowed: what the server may present */
    const struct tls_credential *presented;    /* one of them; NULL: none */
    struct tls_handshake_trace *trace;         /* borrowed: sees all messages; NULL: none */
    uint16_t own_scheme; /* of the server's CertificateVerify; 0: there was none */
};

/* Let NOTES, which must stay where it is until tls_notes_end, follow SSL's handshake. */
void tls_notes_begin(struct tls_handshake_notes *notes, SSL *ssl);
void tls_notes_end(SSL *ssl);

/* SUMMARY of a finished handshake. */
void tls_describe(const SSL *ssl, const struct tls_handshake_notes *notes,
                  struct tls_summary *summary);

#endif
