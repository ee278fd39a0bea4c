/*
 * credential_choice.h: several credentials in one context, and which of them a client gets. Newer
 * libraries choose by themselves (SSL_CREDENTIAL); for older ones the ClientHello is looked at
 * here.
 */
#ifndef GATEPOST_TLS_CREDENTIAL_CHOICE_H
#define GATEPOST_TLS_CREDENTIAL_CHOICE_H

#include <stdbool.h>

#include "tls/credentials.h"

/* Give CONTEXT the credentials, most preferred first. CREDENTIALS must live as long as CONTEXT.
 * False: the library's error queue says why. */
bool tls_credentials_install(SSL_CTX *context, struct tls_credentials *credentials);

#endif
