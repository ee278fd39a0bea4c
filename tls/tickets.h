/*
 * tickets.h: session tickets (RFC 5077 section 4): encrypted with AES-CBC under the keys of
 * ticket_keys.h. Sessions under the last step's key are renewed.
 */
#ifndef GATEPOST_TLS_TICKETS_H
#define GATEPOST_TLS_TICKETS_H

#include <stdint.h>

#include <openssl/base.h>

#include "tls/ticket_keys.h"

struct tls_tickets;

/* CIPHER is "aes-256-cbc", "aes-192-cbc" or "aes-128-cbc"; TIMEOUT is in seconds, above 0. The keys
 * are nobody else's until others are set. NULL: another cipher, or memory is out. */
struct tls_tickets *tls_tickets_new(const char *cipher, long timeout);
void tls_tickets_free(struct tls_tickets *tickets);

/* Use KEYS from now on; takes a reference. */
void tls_tickets_set_keys(struct tls_tickets *tickets, struct tls_ticket_keys *keys);

/* The callback of SSL_CTX_set_tlsext_ticket_key_cb with TICKETS given. */
int tls_tickets_callback(struct tls_tickets *tickets, uint8_t *name, uint8_t *iv,
                         EVP_CIPHER_CTX *cipher, HMAC_CTX *mac, int encrypt);

#endif
