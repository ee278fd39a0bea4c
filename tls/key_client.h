/*
 * key_client.h: private keys that are somewhere else. The library's operations become requests
 * (tls/key_message.h) that the owner carries to the key process; until the answer is there the
 * connection's handshake gives TLS_WANT_KEY (tls/conn.h), and others go on.
 *
 * One client a process; it outlives its connections. What can wait is bounded. Nothing here knows
 * a descriptor: packets go through functions that the owner supplies.
 */
#ifndef GATEPOST_TLS_KEY_CLIENT_H
#define GATEPOST_TLS_KEY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_KEY_PENDING_MAX 4096 /* operations under way; one more fails at once */

struct tls_key_client;

/* Send a packet: 0, or -1 with errno. EAGAIN: tls_key_client_flush will be called when it can be
 * sent. After any other error the owner calls tls_key_client_lost. */
typedef int tls_key_send(void *arg, const uint8_t *packet, size_t length);

/* Begins without a way to the keys: operations wait for tls_key_client_connected. NULL only if
 * memory is out. */
struct tls_key_client *tls_key_client_new(tls_key_send *send, void *arg);
void tls_key_client_free(struct tls_key_client *client); /* no connection may be left */

/* There is a (new) way: send what waits. */
void tls_key_client_connected(struct tls_key_client *client);

/* Send what could not be sent before. True if some still could not. */
bool tls_key_client_flush(struct tls_key_client *client);

/* A packet came. What is no answer to anything asked is dropped. */
void tls_key_client_receive(struct tls_key_client *client, const uint8_t *packet, size_t length);

/* The way is gone: what was sent fails; what was not, and what comes, waits for a new one. */
void tls_key_client_lost(struct tls_key_client *client);

/* No new way is in sight: all that waits fails, and from now on everything does at once, until
 * tls_key_client_connected. */
void tls_key_client_give_up(struct tls_key_client *client);

/* Operations that wait. */
size_t tls_key_client_pending(const struct tls_key_client *client);

#endif
