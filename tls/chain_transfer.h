/*
 * chain_transfer.h: credentials without their keys, as bytes: what the key process tells the
 * workers of what it has loaded. Certificates (the public keys are in them), OCSP responses, and
 * which chains belong to which server names.
 */
#ifndef GATEPOST_TLS_CHAIN_TRANSFER_H
#define GATEPOST_TLS_CHAIN_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/context.h"
#include "tls/key_client.h"

#define TLS_CHAINS_MAX ((size_t)64 << 20) /* bytes, for all of them */

/* Bytes that grow. Begin with {0}; free the bytes with free(3). */
struct tls_chain_bytes {
    uint8_t *bytes;
    size_t length;
};

/* Append CREDENTIALS (NULL: there are none). False: out of memory, or more than what the reader
 * takes. */
bool tls_chains_write(struct tls_chain_bytes *out, const struct tls_credentials *credentials);

/*
 * Read one of what has been written from *BYTES and move it behind that: *OUT becomes credentials
 * whose keys are public and used through KEYS (borrowed, outlives all contexts made from them), or
 * NULL if there are none. False if it is anything else, or memory is out: *OUT is NULL.
 */
bool tls_chains_read(const uint8_t **bytes, size_t *length, struct tls_key_client *keys,
                     struct tls_credentials **out);

#endif
