/*
 * transport_bio.h: the library's I/O object over a struct tls_transport. Remembers what the library
 * does not hand on: end of file and errno.
 */
#ifndef GATEPOST_TLS_TRANSPORT_BIO_H
#define GATEPOST_TLS_TRANSPORT_BIO_H

#include <stdbool.h>

#include <openssl/base.h>

#include "tls/conn.h"
#include "tls/handshake_trace.h"

struct tls_link {
    const struct tls_transport *transport; /* borrowed */
    void *arg;
    int error;                         /* errno of the last call that failed for good, else 0 */
    bool ended;                        /* recv has told the end of file */
    struct tls_handshake_trace *trace; /* borrowed: sees the first bytes; NULL: none */
};

/* A BIO that moves bytes over LINK, which must outlive it. NULL only if memory is out. */
BIO *tls_transport_bio_new(struct tls_link *link);

#endif
