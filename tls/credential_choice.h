/*
 * credential_choice.h: several credentials in one context, and which of them a client gets. Newer
 * libraries choose by themselves (SSL_CREDENTIAL); for older ones the ClientHello is looked at
 * here.
 */
#ifndef GATEPOST_TLS_CREDENTIAL_CHOICE_H
#define GATEPOST_TLS_CREDENTIAL_CHOICE_H

#include <stdbool.h>

#include "tls/context_private.h"

/* Give CONTEXT's SSL_CTX its credentials, most preferred first, and make those for other names
 * ready. Its groups must be known. False: the library's error queue says why. */
bool tls_credentials_install(struct tls_context *context);

/* Can CONTEXT's credentials only be chosen when the ClientHello is there? */
bool tls_credentials_need_hello(const struct tls_context *context);

/* Give the client that sent HELLO the best of CREDENTIALS: CONTEXT's own, or those for the name it
 * asked for. For the callback on the ClientHello. False: the library's error queue says why. */
bool tls_credentials_present(const struct tls_context *context,
                             const struct tls_credentials *credentials,
                             const SSL_CLIENT_HELLO *hello);

#endif
