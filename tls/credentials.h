/*
 * credentials.h: certificate chains with their private keys, in the order in which a server prefers
 * them: ECDSA before Ed25519 before RSA, and among those of one type as the operator listed them.
 * Whoever holds the last one up is who serves clients that can do nothing better.
 */
#ifndef GATEPOST_TLS_CREDENTIALS_H
#define GATEPOST_TLS_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/diag.h"
#include "tls/context.h"
#include "tls/key_name.h"
#include "tls/library.h"

/* Everything here is owned. */
struct tls_credential {
    EVP_PKEY *key; /* the public half only, if the key is elsewhere */
    uint8_t key_name[TLS_KEY_NAME_SIZE];
    CRYPTO_BUFFER **chain;          /* leaf first */
    size_t chain_length;            /* at least 1 */
    CRYPTO_BUFFER *ocsp;            /* the response to be stapled; NULL: none */
    char *file;                     /* where the leaf was read from; NULL: it was not */
    struct ssl_credential_st *made; /* newer libraries' form of all this; NULL: not made */
};

/* Free what CREDENTIAL owns, not itself. */
void tls_credential_clear(struct tls_credential *credential);

struct tls_sni_list;   /* tls/sni_maps.h */
struct tls_sni_table;  /* tls/sni.h */
struct tls_key_client; /* tls/key_client.h */

struct tls_credentials {
    struct tls_credential *items;
    size_t count;                /* at least 1 */
    struct tls_sni_table *sni;   /* a reference; NULL: no other credentials for other names */
    struct tls_key_client *keys; /* borrowed: where the private keys are; NULL: in the items */
};

/* The values of smtpd_tls_chain_files and of the older parameters, and of gatepost_ocsp_suffix;
 * what tls_server_sni_maps came to. "" or NULL where not set. */
struct tls_credential_files {
    const char *chain_files;
    const char *cert_file, *key_file;
    const char *eccert_file, *eckey_file;
    const struct tls_sni_list *sni;
    const char *ocsp_suffix;
};

/* tls_credentials_load (tls/context.h) with the parameters' values given. */
struct tls_credentials *tls_credentials_from_files(const struct tls_credential_files *files,
                                                   struct diag *diag);

/* A copy that shares keys and certificates by reference. NULL only if memory is out. */
struct tls_credentials *tls_credentials_copy(const struct tls_credentials *credentials);

/* The credential whose leaf certificate is these bytes, or NULL. Names are not looked at. */
const struct tls_credential *tls_credentials_find_leaf(const struct tls_credentials *credentials,
                                                       const uint8_t *der, size_t length);

#endif
