/*
 * tickets.h: keys of session tickets (RFC 5077 section 4), as Postfix's tlsmgr(8) keeps them: new
 * tickets are made under one key for half of smtpd_tls_session_cache_timeout, and understood for as
 * long again. Keys live in the memory of one process.
 */
#ifndef GATEPOST_TLS_TICKETS_H
#define GATEPOST_TLS_TICKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <openssl/base.h>

#define TLS_TICKET_NAME_LENGTH 16

struct tls_ticket_key {
    uint8_t name[TLS_TICKET_NAME_LENGTH];
    uint8_t cipher_key[32];
    uint8_t mac_key[32];
    time_t made; /* seconds of a clock that never goes back */
};

struct tls_tickets;

/* CIPHER is "aes-256-cbc", "aes-192-cbc" or "aes-128-cbc"; TIMEOUT is in seconds, above 0. NULL:
 * another cipher, or memory is out. */
struct tls_tickets *tls_tickets_new(const char *cipher, long timeout);
void tls_tickets_free(struct tls_tickets *tickets);

/* The key for new tickets at NOW. */
const struct tls_ticket_key *tls_tickets_current(struct tls_tickets *tickets, time_t now);

/* The key of this name, if tickets under it are still understood at NOW, or NULL. */
const struct tls_ticket_key *tls_tickets_find(struct tls_tickets *tickets,
                                              const uint8_t name[TLS_TICKET_NAME_LENGTH],
                                              time_t now);

/* The callback of SSL_CTX_set_tlsext_ticket_key_cb with TICKETS given. */
int tls_tickets_callback(struct tls_tickets *tickets, uint8_t *name, uint8_t *iv,
                         EVP_CIPHER_CTX *cipher, HMAC_CTX *mac, int encrypt);

#endif
