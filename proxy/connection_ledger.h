/*
 * connection_ledger.h: what of a connection the ledger is told, and how long things took, which the
 * metrics are told also while there is no ledger. Part of the driver (connection.c); not for
 * others.
 */
#ifndef GATEPOST_PROXY_CONNECTION_LEDGER_H
#define GATEPOST_PROXY_CONNECTION_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/observation.h"

struct connection;

/* What is noted until the end. Small: there is one for each connection that idles. */
struct connection_ledger {
    uint64_t since;     /* microseconds of the monotonic clock: when the client came */
    uint32_t started;   /* unix seconds */
    uint32_t handshake; /* microseconds; 0: none was finished */
    uint32_t backend;   /* microseconds until it was ready, the longest; 0: none was */
    uint8_t tls;        /* enum observation_tls */
    uint8_t chance;     /* enum observation_chance */
    uint64_t began;     /* microseconds: the handshake, or the way to the backend; 0: neither */
    uint64_t asked;     /* microseconds: the end of a message; 0: no verdict is waited for */
    uint32_t accepted;  /* messages before that one */
    uint8_t digest[OBSERVATION_DIGEST_SIZE]; /* of the ClientHello; zero: none */
};

/* The client has come. */
void connection_ledger_begin(struct connection *connection);

/* TLS is begun: its connection has been made. */
void connection_ledger_handshake(struct connection *connection);
/* It is over, and has been explained if it failed. */
void connection_ledger_handshaken(struct connection *connection, bool established);

/* The backend is being connected. */
void connection_ledger_dial(struct connection *connection);
/* Is it ready? To be called when it may have become so. */
void connection_ledger_backend(struct connection *connection);

/* Is a message complete, or answered? To be called when it may have become so. */
void connection_ledger_verdict(struct connection *connection);

/* The end: tell the ledger, if the session had begun. Before the session and TLS are freed. */
void connection_ledger_end(struct connection *connection);

#endif
