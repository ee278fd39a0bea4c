/* rehearsal_retry.h: HelloRetryRequest (RFC 8446 section 4.1.4), and what a client says then. */
#ifndef GATEPOST_TLS_REHEARSAL_RETRY_H
#define GATEPOST_TLS_REHEARSAL_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/bytestring.h>

/* Is the ServerHello with this BODY a HelloRetryRequest that asks for a share of *GROUP? */
bool rehearsal_retry_asks(CBS body, uint16_t *group);

/* The hello BYTES again, with a share of GROUP alone and without early data. *OUT is to be freed
 * with OPENSSL_free. False: it is malformed, or there is no memory, or the library does not have
 * GROUP. */
bool rehearsal_retry_hello(const uint8_t *bytes, size_t length, uint16_t group, uint8_t **out,
                           size_t *out_length);

#endif
