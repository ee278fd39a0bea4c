/* selfsigned.h: a new private key with a certificate that it signed itself. */
#ifndef GATEPOST_TLS_SELFSIGNED_H
#define GATEPOST_TLS_SELFSIGNED_H

#include <stdbool.h>

#include "tls/credentials.h"

enum tls_key_kind { TLS_KEY_ECDSA_P256, TLS_KEY_ECDSA_P384, TLS_KEY_RSA_2048, TLS_KEY_ED25519 };

/*
 * Make a credential for the host NAME (subject CN and, RFC 6125 section 6.4, subject alternative
 * name), valid from an hour ago for DAYS days, with a random serial number. False if the library
 * fails (its error queue says why) or NAME is no host name. The caller owns OUT's contents
 * (tls_credential_clear).
 */
bool tls_selfsigned_make(enum tls_key_kind kind, const char *name, int days,
                         struct tls_credential *out);

#endif
