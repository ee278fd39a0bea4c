/*
 * pem.h: keys and certificates out of PEM files. Never asks for a pass phrase.
 */
#ifndef GATEPOST_TLS_PEM_H
#define GATEPOST_TLS_PEM_H

#include <stddef.h>

#include <openssl/base.h>

#include "policy/diag.h"

/* One private key or one certificate; the other pointer is NULL. */
struct tls_pem_object {
    EVP_PKEY *key;              /* owned */
    CRYPTO_BUFFER *certificate; /* owned; DER of a certificate that parses */
    const char *file;           /* borrowed from the caller of tls_pem_load */
    unsigned number;            /* place among the PEM objects of its file, from 1 */
};

/* In the order of the files. Begin with {0}. */
struct tls_pem_list {
    struct tls_pem_object *objects;
    size_t count;
};

/*
 * Append what FILE holds. Reports to DIAG, with file name and reason: a file that cannot be read
 * (or is no regular file, or larger than 1 MiB), damaged PEM or DER, encrypted keys, key types that
 * BoringSSL refuses. Objects that are neither key nor certificate are passed over (a warning, but
 * for EC and DH parameters). Returns 0 or -1; LIST is to be freed in both cases. FILE must live as
 * long as LIST.
 */
int tls_pem_load(struct tls_pem_list *list, const char *file, struct diag *diag);
void tls_pem_list_free(struct tls_pem_list *list);

#endif
