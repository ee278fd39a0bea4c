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

/*
 * Write new credentials for the host NAME, one of each of the COUNT KINDS, to a new file PATH in
 * the form of smtpd_tls_chain_files: key, certificate, key, certificate. The file has mode 0600 and
 * is there whole or not at all; one that exists is never touched. Returns 0, or -1 after reporting
 * to DIAG.
 */
int tls_selfsigned_write(const char *path, const char *name, int days,
                         const enum tls_key_kind *kinds, size_t count, struct diag *diag);

#endif
