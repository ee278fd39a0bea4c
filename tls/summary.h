/*
 * summary.h: what protects a session, in Postfix's words (facts of the "TLS connection established"
 * log line and of the Received comment).
 */
#ifndef GATEPOST_TLS_SUMMARY_H
#define GATEPOST_TLS_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>

enum tls_peer_status { TLS_PEER_ANONYMOUS, TLS_PEER_UNTRUSTED, TLS_PEER_TRUSTED };

/* Texts are empty where Postfix prints nothing (signatures on resumption, TLS 1.2 and older). */
struct tls_summary {
    enum tls_peer_status peer;
    bool resumed;
    char protocol[16]; /* "TLSv1.3" */
    char cipher[64];   /* "TLS_AES_256_GCM_SHA384" */
    int cipher_bits;   /* secret bits used, and of the algorithm */
    int cipher_algorithm_bits;
    char group[32];            /* the same as the next one, but whatever the protocol; not printed */
    char key_exchange[32];     /* "x25519", "secp256r1", "X25519MLKEM768" */
    char server_signature[48]; /* "ECDSA (prime256v1)", "RSA-PSS (2048 bits)", "ED25519" */
    char server_digest[16];    /* "SHA256" */
    char client_signature[48];
    char client_digest[16];
    char client_cn[256];     /* client certificate; raw, the user of the text neuters it */
    char client_issuer[256]; /* issuer's CN, else its organization */
};

/*
 * "TLSv1.3 with cipher NAME (256/256 bits) key-exchange ... server-signature ... server-digest ..."
 * as Postfix logs it after "TLS connection established from NAME[ADDR]: ". Returns OUT.
 */
#define TLS_SUMMARY_TEXT_MAX 512
const char *tls_summary_text(const struct tls_summary *summary, char out[TLS_SUMMARY_TEXT_MAX]);

/* "Anonymous", "Untrusted", "Trusted". */
const char *tls_peer_status_text(enum tls_peer_status status);

#endif
