/*
 * key_use.h: one connection's use of the keys that a key client reaches. For the files of this room
 * only.
 */
#ifndef GATEPOST_TLS_KEY_USE_H
#define GATEPOST_TLS_KEY_USE_H

#include <stdbool.h>

#include "tls/credentials.h"
#include "tls/key_client.h"
#include "tls/library.h"

struct tls_key_operation;

/* Part of a connection. */
struct tls_key_use {
    const struct tls_credentials *credentials; /* those of the context; borrowed */
    const struct tls_credential *chosen;       /* of them, or of those for the name asked for; NULL:
                                                  the last. Older libraries only. */
    struct tls_key_operation *operation;       /* under way; NULL: none */
    void (*ready)(void *arg);                  /* the handshake can go on; NULL: nobody asks */
    void *arg;
};

/* Let SSL's operations go through USE, which must stay where it is until tls_key_use_end. */
void tls_key_use_begin(struct tls_key_use *use, SSL *ssl);
void tls_key_use_end(struct tls_key_use *use);

/* SSL presents CREDENTIAL. */
void tls_key_use_choose(SSL *ssl, const struct tls_credential *credential);

/* What makes a library's context, connection or credential use CREDENTIALS' keys from afar; NULL:
 * they are here. */
const SSL_PRIVATE_KEY_METHOD *tls_key_method(const struct tls_credentials *credentials);

#endif
