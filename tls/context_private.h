/* context_private.h: what the files of this room know of a context, and nobody else. */
#ifndef GATEPOST_TLS_CONTEXT_PRIVATE_H
#define GATEPOST_TLS_CONTEXT_PRIVATE_H

#include "tls/context.h"
#include "tls/credentials.h"
#include "tls/groups.h"
#include "tls/library.h"

struct tls_context {
    SSL_CTX *ssl;
    struct tls_credentials *credentials; /* own copy; older libraries choose from it */
    struct tls_groups groups;
    unsigned references;
};

#endif
