/*
 * hello_record.h: a ClientHello kept for the ledger, and a digest by which one client software's
 * hellos are the same although no two are: of the hello with everything left out or fixed that
 * changes from one connection to the next.
 *
 * Left out: random, session id, the names asked for (SNI), tickets, cookies, padding, what resumes
 * a session (pre_shared_key, early_data), keys in key_share (the groups stay), the contents of
 * encrypted hellos. GREASE values (RFC 8701) count as one. The order of extensions stays as sent.
 */
#ifndef GATEPOST_TLS_HELLO_RECORD_H
#define GATEPOST_TLS_HELLO_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first half of a SHA-256: enough to tell hellos apart, and nobody gains by two that agree. */
#define TLS_HELLO_DIGEST_SIZE 16
#define TLS_HELLO_RECORD_MAX 16384 /* bytes of a hello that are kept */

struct tls_hello_record {
    bool taken;
    uint8_t digest[TLS_HELLO_DIGEST_SIZE];
    uint8_t *bytes; /* the handshake message's body. Owned; NULL: too long. */
    size_t length;
};

/* The digest of the hello BYTES (a ClientHello's body, without its header). */
void tls_hello_digest(const uint8_t *bytes, size_t length, uint8_t digest[TLS_HELLO_DIGEST_SIZE]);

/* Copy the hello into RECORD, unless it has one. */
void tls_hello_record_take(struct tls_hello_record *record, const uint8_t *bytes, size_t length);

/* Let go of the bytes; the digest stays. */
void tls_hello_record_forget(struct tls_hello_record *record);

#endif
