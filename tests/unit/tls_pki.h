/*
 * tls_pki.h: certificates for tests: authorities, intermediates, clients.
 */
#ifndef GATEPOST_TESTS_UNIT_TLS_PKI_H
#define GATEPOST_TESTS_UNIT_TLS_PKI_H

#include <stdbool.h>
#include <stddef.h>

#include "tls/credentials.h"

/* How a certificate is made. */
struct pki_spec {
    const char *name;                /* its CN; the issuer's for issuer_name NULL */
    bool authority;                  /* basicConstraints CA:TRUE */
    const char *usage;               /* extendedKeyUsage, "clientAuth,serverAuth"; NULL: none */
    int curve;                       /* NID of the key's curve; 0: P-256; -1: Ed25519 */
    int days_before, days_after;     /* validity; 0, 0: from yesterday until tomorrow */
    const struct tls_credential *by; /* the issuer; NULL: itself */
};

/* Make a certificate with its key: a chain of one, then the issuer's chain without its root. The
 * test fails if that does. Free with tls_credential_clear. */
struct tls_credential pki_make(const struct pki_spec *spec);

/* Write the leaf of each of COUNT credentials to FILE, after its key if KEYS. */
void pki_write(const char *file, const struct tls_credential *const *credentials, size_t count,
               bool keys);

/* Put the leaf of CREDENTIAL into DIRECTORY under its hashed name. */
void pki_write_hashed(const char *directory, const struct tls_credential *credential);

#endif
