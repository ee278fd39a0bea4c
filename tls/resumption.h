/*
 * resumption.h: session resumption, by tickets alone: there is no cache that workers would have to
 * share. A ticket is good only where the same policy holds.
 */
#ifndef GATEPOST_TLS_RESUMPTION_H
#define GATEPOST_TLS_RESUMPTION_H

#include <stdbool.h>

#include "policy/tls_policy.h"
#include "tls/library.h"

/* Set up tickets in CONTEXT: one for each handshake, as Postfix sends, encrypted under keys that
 * the library makes and rotates in this process; good for POLICY's session_timeout, none at all if
 * that is 0. False: out of memory. */
bool tls_resumption_configure(SSL_CTX *context, const struct tls_policy *policy);

#endif
