/*
 * client_hello.h: what is decided when the ClientHello is there and nothing of it has been acted
 * upon: credentials by server name and by what the client can verify, and ChaCha20 for clients that
 * want it.
 */
#ifndef GATEPOST_TLS_CLIENT_HELLO_H
#define GATEPOST_TLS_CLIENT_HELLO_H

#include <stdbool.h>

#include "policy/tls_policy.h"
#include "tls/context_private.h"

/* Make CONTEXT look at each ClientHello, if anything depends on it. Its suites and credentials must
 * be set. False: out of memory. */
bool tls_client_hello_configure(struct tls_context *context, const struct tls_policy *policy);

#endif
