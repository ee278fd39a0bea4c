/* ciphers.h: OpenSSL cipher strings (ciphers(1)) on BoringSSL. */
#ifndef GATEPOST_TLS_CIPHERS_H
#define GATEPOST_TLS_CIPHERS_H

#include <stdbool.h>

#include "policy/diag.h"
#include "tls/library.h"

/*
 * Give CONTEXT the suites up to TLS 1.2 of LIST, in its order. Understands OpenSSL's operators and
 * keywords (those that mean something else to BoringSSL are translated), and BoringSSL's "[A|B]"
 * groups of equal preference, also followed by "!X" exclusions. PSK suites are never in the result;
 * triple DES only if LIST names it.
 *
 * Reported: each token that BoringSSL does not know, once: a suite that would be excluded anyway as
 * an information, one that clients may miss or a word that means nothing as a warning. A list that
 * leaves nothing, or asks for what cannot be done (@SECLEVEL=2 and above), is an error: false.
 */
bool tls_ciphers_apply(SSL_CTX *context, const char *list, struct diag *diag);

/* Does what CONTEXT has include suites in which the client encrypts to the server's RSA key? */
bool tls_ciphers_static_rsa(const SSL_CTX *context);

#endif
