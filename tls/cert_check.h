/*
 * cert_check.h: what is wrong with certificates and keys that work nevertheless: what clients will
 * not like today or soon, and who can read the keys. (What does not work, such as a key that does
 * not match, tls_credentials_load reports.)
 */
#ifndef GATEPOST_TLS_CERT_CHECK_H
#define GATEPOST_TLS_CERT_CHECK_H

#include <time.h>

#include "policy/diag.h"
#include "tls/inventory.h"

/* How long before its end a certificate is reported. */
#define TLS_CERT_EXPIRES_SOON_DAYS 14

/*
 * Report what is wrong with INVENTORY's chains as warnings that begin with LABEL, the part of the
 * configuration that they belong to: order and completeness of the chain (BoringSSL sends what is
 * in the files and completes nothing), validity at NOW, names that do not cover the host (RFC 6125;
 * the host is HOSTNAME or the server name that the chain is for), RSA keys below 2048 bits and EC
 * keys below 256, signatures with SHA-1 or MD5, and server names for which there is no RSA
 * certificate.
 */
void tls_check_chains(const struct tls_inventory *inventory, const char *label,
                      const char *hostname, time_t now, struct diag *diag);

/* Report, as a warning that names the file's mode, if FILE holds a private key and its group or
 * others may read it. A file that cannot be examined is passed over: who loads it reports it. */
void tls_check_key_file(const char *file, const char *label, struct diag *diag);

#endif
