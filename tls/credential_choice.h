/*
 * credential_choice.h: several credentials in one context, and which of them a client gets. Newer
 * libraries choose by themselves (SSL_CREDENTIAL); for older ones the ClientHello is looked at
 * here.
 */
#ifndef GATEPOST_TLS_CREDENTIAL_CHOICE_H
#define GATEPOST_TLS_CREDENTIAL_CHOICE_H

#include <stdbool.h>

#include "tls/context_private.h"

/* Give CONTEXT's SSL_CTX its credentials, most preferred first. Its groups must be known. False:
 * the library's error queue says why. */
bool tls_credentials_install(struct tls_context *context);

#endif
