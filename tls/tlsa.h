/*
 * tlsa.h: certificates as DANE sees them (RFC 6698, RFC 7671, for SMTP RFC 7672): what TLSA records
 * to publish for a chain, and whether a record is about it. Knows no DNS.
 */
#ifndef GATEPOST_TLS_TLSA_H
#define GATEPOST_TLS_TLSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/diag.h"
#include "tls/context.h"
#include "tls/inventory.h"

/* The data of a TLSA record (RFC 6698 section 2.1). Borrowed. */
struct tls_tlsa_record {
    uint8_t usage;    /* 2: an issuer's, 3: the server's own; 0 and 1 are not for SMTP */
    uint8_t selector; /* 0: the whole certificate, 1: its public key */
    uint8_t matching; /* 0: as it is, 1: SHA-256, 2: SHA-512 */
    const uint8_t *data;
    size_t length;
};

/* One certificate of a chain. */
struct tls_tlsa_certificate {
    uint8_t *der;
    size_t der_length;
    uint8_t *key; /* SubjectPublicKeyInfo */
    size_t key_length;
};

#define TLS_TLSA_HEX_MAX 65

struct tls_tlsa_chain {
    struct tls_inventory_chain about;
    char hex[TLS_TLSA_HEX_MAX]; /* of the record "3 1 1": SHA-256 of the leaf's public key */
    struct tls_tlsa_certificate *certificates; /* leaf first. Owned. */
    size_t length;
};

/* Begin with {0}; free with tls_tlsa_list_free. */
struct tls_tlsa_list {
    struct tls_tlsa_chain *chains;
    size_t count;
};

/* Append all chains that a client of CONTEXT may get that asks for NAME ("": for none). */
void tls_tlsa_served(const struct tls_context *context, const char *name,
                     struct tls_tlsa_list *list);

/* Append the chains in FILE (PEM: certificates, leaf first; keys are passed over, and a new chain
 * begins behind one that stands between certificates). Returns 0, or -1 after reporting to DIAG. */
int tls_tlsa_read(const char *file, struct tls_tlsa_list *list, struct diag *diag);

void tls_tlsa_list_free(struct tls_tlsa_list *list);

/* Whether SMTP clients can use RECORD at all (RFC 7672 section 3.1: usage 2 or 3, a selector and a
 * matching type that there are, and data of the right length). */
bool tls_tlsa_usable(const struct tls_tlsa_record *record);

/* Whether RECORD, which is usable, is about CHAIN: usage 3 about its leaf, 2 about one of the other
 * certificates that are sent. */
bool tls_tlsa_matches(const struct tls_tlsa_record *record, const struct tls_tlsa_chain *chain);

#endif
