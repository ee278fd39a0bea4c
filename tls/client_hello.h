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
#include "tls/hello_record.h"

/* Make CONTEXT look at each ClientHello. Its suites and credentials must be set. False: out of
 * memory. */
bool tls_client_hello_configure(struct tls_context *context, const struct tls_policy *policy);

/* SSL's ClientHello is to be copied into RECORD when it comes; NULL: nowhere (any more). */
void tls_client_hello_record(SSL *ssl, struct tls_hello_record *record);

#endif
