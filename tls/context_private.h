/* context_private.h: what the files of this room know of a context, and nobody else. */
#ifndef GATEPOST_TLS_CONTEXT_PRIVATE_H
#define GATEPOST_TLS_CONTEXT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/sha.h>

#include "tls/context.h"
#include "tls/credentials.h"
#include "tls/groups.h"
#include "tls/library.h"
#include "tls/tickets.h"

/* What is demanded of client certificates. */
struct tls_demands {
    bool ask;
    bool require; /* one that leads to a trusted authority */
    char *match;  /* fingerprints, "|" between them; "": any. Owned. */
    char *digest; /* of fingerprints. Owned. */
    int verify_depth;
    bool trust_server_ccerts;
    uint8_t anchors[SHA256_DIGEST_LENGTH]; /* digest of all that is trusted */
};

struct tls_context {
    SSL_CTX *ssl;
    struct tls_credentials *credentials; /* own copy; older libraries choose from it */
    struct tls_groups groups;
    struct tls_demands demands;
    struct tls_tickets *tickets; /* owned; NULL: none */
    long session_timeout;        /* seconds; 0: no tickets */
    char *chacha_first;          /* cipher list for clients that want ChaCha20, behind a ':';
                                    NULL: as for others. Owned. */
    uint8_t session_id[SHA256_DIGEST_LENGTH]; /* session id context */
    unsigned references;
};

#endif
