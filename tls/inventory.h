/*
 * inventory.h: what a context really offers, read back from the library, for people and for checks:
 * "gatepost policy", "gatepost check" and its profiles.
 */
#ifndef GATEPOST_TLS_INVENTORY_H
#define GATEPOST_TLS_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "tls/context.h"

/* One cipher suite, in the order of preference. */
struct tls_inventory_suite {
    char name[64];          /* as OpenSSL and Postfix name it: "ECDHE-RSA-AES128-GCM-SHA256" */
    char standard_name[64]; /* RFC name: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" */
    uint16_t id;
    int bits;
    uint16_t min_version; /* TLS versions that can use it: 0x0304 for both: TLS 1.3 only */
    uint16_t max_version;
    bool forward_secrecy; /* (EC)DHE key exchange */
    bool aead;
    bool needs_rsa;   /* authenticated by an RSA certificate (ECDHE-RSA or static RSA) */
    bool needs_ecdsa; /* by an ECDSA one */
    bool usable;      /* some configured certificate can be used with it, and a version allows it */
    unsigned group;   /* suites with the same number are of equal preference ([A|B]) */
};

/* One certificate chain. */
struct tls_inventory_chain {
    char subject[256]; /* of the leaf, "CN=mx.example" */
    char key[48];      /* "ECDSA (prime256v1)", "RSA (2048 bits)", "ED25519" */
    int key_bits;
    char signature[32]; /* of the leaf: "ecdsa-with-SHA256", "sha1WithRSAEncryption" */
    time_t not_before;
    time_t not_after;
    char names[1024]; /* DNS names of the leaf's subjectAltName, separated by blanks */
    size_t length;    /* certificates in the chain */
    bool self_signed;
    bool in_order;     /* each certificate is issued by the next one */
    time_t chain_ends; /* the earliest not_after in the chain */
    char sni[256];     /* for which server name (".example.com": all below); "" for all others */
    char file[256];    /* where the leaf was read from; "" if it was not */
    bool ocsp;         /* an OCSP response is stapled */
};

struct tls_inventory {
    uint16_t min_version;
    uint16_t max_version;
    bool server_preference;
    bool prioritize_chacha; /* ChaCha20 first for clients that put it first */
    bool tickets;
    long ticket_lifetime; /* seconds */
    struct tls_inventory_suite *suites;
    size_t suite_count;
    char (*groups)[32]; /* Postfix's spelling: "x25519", "secp256r1" */
    size_t group_count;
    struct tls_inventory_chain *chains;
    size_t chain_count;
};

/* Read CONTEXT. Never NULL (out of memory aborts). Free with tls_inventory_free. */
struct tls_inventory *tls_inventory_new(const struct tls_context *context);
void tls_inventory_free(struct tls_inventory *inventory);

#endif
