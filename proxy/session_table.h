/*
 * session_table.h: what protects each session that uses the backend, in memory that all workers
 * share, so that whichever of them Postfix asks can tell (policy_service.h).
 *
 * A session is known to Postfix by the client's address and port. Each worker writes the entries of
 * its own sessions, in its slot's name, and takes them back; those of a worker that has died go
 * with its slot (session_table_recover). Nobody waits for anybody: an entry is claimed with one
 * compare-and-swap, and what stands in it is read again if it changed meanwhile.
 *
 * Room is bounded. A session that finds none is unknown, and rules that demand something of it are
 * not met. What is read was written by a worker, which may have been taken over: texts are ended
 * and numbers are bounded here, more cannot be known.
 */
#ifndef GATEPOST_PROXY_SESSION_TABLE_H
#define GATEPOST_PROXY_SESSION_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/fingerprint.h"

#include "proxy/client_address.h"

enum session_ccert { SESSION_CCERT_NONE, SESSION_CCERT_UNTRUSTED, SESSION_CCERT_TRUSTED };

/* What protects a session. */
struct session_facts {
    struct client_address client;
    struct client_address server; /* where the client was accepted; family 0: not known */
    bool tls;
    uint8_t ccert;    /* enum session_ccert */
    uint16_t version; /* TLS_VERSION_...; 0: cleartext */
    int32_t cipher_bits;
    char protocol[16];
    char cipher[64];
    char fingerprint[TLS_FINGERPRINT_MAX];     /* of the certificate; "": none */
    char key_fingerprint[TLS_FINGERPRINT_MAX]; /* of its public key */
};

enum session_lookup {
    SESSION_KNOWN,
    SESSION_UNKNOWN,
    SESSION_AMBIGUOUS /* the client has several from the same port, to other ports of ours */
};

struct session_table;

/*
 * A table for SESSIONS sessions (1 to 1000000) in SLOTS worker processes (at most 4096). Returns
 * NULL with errno. To be called before the fork; the result is good in all children.
 */
struct session_table *session_table_new(uint32_t sessions, unsigned slots);
void session_table_free(struct session_table *table);

/* Enter FACTS. Returns a handle for session_table_remove, or 0: there was no room. */
uint32_t session_table_add(struct session_table *table, unsigned slot,
                           const struct session_facts *facts);
void session_table_remove(struct session_table *table, unsigned slot, uint32_t handle);

/* The session of CLIENT. If it has several, the one that was accepted at SERVER. */
enum session_lookup session_table_find(const struct session_table *table,
                                       const struct client_address *client,
                                       const struct client_address *server,
                                       struct session_facts *facts);

/* The worker in SLOT has ended: its sessions are gone. */
void session_table_recover(struct session_table *table, unsigned slot);

#endif
