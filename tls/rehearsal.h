/*
 * rehearsal.h: what a server would answer to a ClientHello that was recorded: the library's own
 * server, made from the context that sessions would get, in memory, up to where its key or the
 * client's next message would be needed. Nothing of negotiation is decided here.
 */
#ifndef GATEPOST_TLS_REHEARSAL_H
#define GATEPOST_TLS_REHEARSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/config.h"
#include "policy/diag.h"

#include "tls/context.h"
#include "tls/handshake_reason.h"

/* Texts are in Postfix's words, as in struct tls_summary. */
struct tls_rehearsal {
    bool good;         /* the server has no objection: the rest is up to the client */
    char protocol[16]; /* "TLSv1.3"; if not GOOD, these are empty */
    char cipher[64];
    char group[32];  /* "x25519"; "" for static RSA */
    char chain[48];  /* the certificate's key: "ECDSA (prime256v1)", "RSA (2048 bits)" */
    char reason[96]; /* if not GOOD: as tls_conn_reason, "no shared cipher" */
    struct tls_failure_reason words; /* the same in words; kind NONE: there are no better ones */
};

/* Whether two came to the same, in the same words. */
bool tls_rehearsal_same(const struct tls_rehearsal *left, const struct tls_rehearsal *right);

/*
 * What CONFIG has as credentials (NAMES as for tls_credentials_load), for contexts that only
 * rehearse: no key is ever used. If it names none, or their files are not for this user to read, an
 * ECDSA and an RSA one are made up, with a word to DIAG. NULL after reporting. Free with
 * tls_rehearsal_credentials_free, when the contexts are gone.
 */
struct tls_credentials *tls_rehearsal_credentials(const struct config *config,
                                                  const struct tls_sni_list *names,
                                                  struct diag *diag);
void tls_rehearsal_credentials_free(struct tls_credentials *credentials);

/* Rehearse the handshake of HELLO (the handshake message's body, as tls/hello_record.h keeps it)
 * with CONTEXT, made from such credentials. PLACE is what the policy is called in words; NULL: no
 * words are wanted. */
void tls_rehearse(struct tls_context *context, const uint8_t *hello, size_t length,
                  const char *place, struct tls_rehearsal *result);

#endif
