/*
 * trust.h: client certificates: whom they may come from, and what comes of looking at one. Nothing
 * here ends a handshake: what is demanded is the session's business, which can tell the client.
 */
#ifndef GATEPOST_TLS_TRUST_H
#define GATEPOST_TLS_TRUST_H

#include <stdbool.h>

#include "policy/diag.h"
#include "policy/tls_policy.h"
#include "tls/context_private.h"

/*
 * Make CONTEXT ask for client certificates as POLICY says, and load the authorities whole:
 * smtpd_tls_CAfile, the files with hashed names (openssl-rehash(1)) in smtpd_tls_CApath, and with
 * tls_append_default_CA the system's, if either is set. The names in smtpd_tls_CAfile are told to
 * clients. Fills CONTEXT's demands and trust digest. False after reporting.
 */
bool tls_trust_configure(struct tls_context *context, const struct tls_policy *policy,
                         struct diag *diag);
void tls_trust_clear(struct tls_context *context);

/* What CONTEXT demands of the certificate (NULL: there is none) of the client on SSL. */
enum tls_ccert tls_trust_verdict(const struct tls_context *context, const SSL *ssl,
                                 X509 *certificate);

#endif
