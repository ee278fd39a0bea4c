/*
 * fingerprint.h: digests of certificates and public keys, as Postfix prints and compares them
 * (postconf(5) smtpd_tls_fingerprint_digest).
 */
#ifndef GATEPOST_TLS_FINGERPRINT_H
#define GATEPOST_TLS_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/base.h>

/* Room for the longest: 64 bytes as "AB:CD:...", with the NUL. */
#define TLS_FINGERPRINT_MAX (64 * 3)

/* The digest NAME ("sha256") of a certificate's DER form, and of its SubjectPublicKeyInfo's. False,
 * and "": no such digest, or out of memory. */
bool tls_fingerprint_certificate(X509 *certificate, const char *name,
                                 char out[TLS_FINGERPRINT_MAX]);
bool tls_fingerprint_key(X509 *certificate, const char *name, char out[TLS_FINGERPRINT_MAX]);

/* Is FINGERPRINT in LIST ("AB:CD:...|...")? Case and colons do not matter. */
bool tls_fingerprint_is_listed(const char *fingerprint, const char *list);

#endif
