/*
 * resumption.h: session resumption, by tickets alone: there is no cache that workers would have to
 * share. A ticket is good only where the same policy holds.
 */
#ifndef GATEPOST_TLS_RESUMPTION_H
#define GATEPOST_TLS_RESUMPTION_H

#include <stdbool.h>

#include "policy/tls_policy.h"
#include "tls/context_private.h"

/* Set up tickets in CONTEXT: one for each handshake, as Postfix sends, good for POLICY's
 * session_timeout at most, none at all without its tickets. CONTEXT's demands must be known. False:
 * out of memory. */
bool tls_resumption_configure(struct tls_context *context, const struct tls_policy *policy);

/* Keep apart the sessions of the client on SSL that gets CREDENTIALS for the name it asked for (RFC
 * 6066 section 3). False: out of memory. */
bool tls_resumption_separate(const struct tls_context *context, SSL *ssl,
                             const struct tls_credentials *credentials);

#endif
