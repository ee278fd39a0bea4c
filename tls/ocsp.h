/* ocsp.h: OCSP responses (RFC 6960) out of files, to be stapled (RFC 6066 section 8). */
#ifndef GATEPOST_TLS_OCSP_H
#define GATEPOST_TLS_OCSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "policy/diag.h"
#include "tls/credentials.h"

/*
 * For each file that CREDENTIALS' leaves come from: if there is a file of that name with SUFFIX
 * appended, it must hold a successful response for one of the leaves, which gets it. Reports a file
 * that cannot be read, is no such response or is for another certificate (errors), and one that is
 * not good or past its nextUpdate (warnings). False after an error.
 */
bool tls_ocsp_attach(struct tls_credentials *credentials, const char *suffix, struct diag *diag);

/* What a response says. */
enum tls_ocsp_status { TLS_OCSP_GOOD, TLS_OCSP_REVOKED, TLS_OCSP_UNKNOWN };
struct tls_ocsp {
    enum tls_ocsp_status status;
    time_t next_update; /* 0: not told */
};

/* Find in a DER response what it says of the certificate with the serial number SERIAL (a DER
 * INTEGER). Returns NULL, or why it cannot be used. Signatures are the client's business. */
const char *tls_ocsp_read(const uint8_t *der, size_t length, const uint8_t *serial,
                          size_t serial_length, struct tls_ocsp *out);

#endif
