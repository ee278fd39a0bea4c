/*
 * connection_record.h: what of a connection the ledger is told. Part of the driver (connection.c);
 * not for others. Nothing is done while there is no ledger.
 */
#ifndef GATEPOST_PROXY_CONNECTION_RECORD_H
#define GATEPOST_PROXY_CONNECTION_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/observation.h"

struct connection;

/* What is noted until the end. Small: there is one for each connection that idles. */
struct connection_record {
    uint64_t since;     /* microseconds of the monotonic clock: when the client came */
    uint32_t started;   /* unix seconds */
    uint32_t handshake; /* microseconds; 0: none was finished */
    uint32_t backend;   /* microseconds until it was ready, the longest; 0: none was */
    uint8_t tls;        /* enum observation_tls */
    char *failure;      /* why the handshake failed. Owned; NULL: it did not. */
    uint64_t began;     /* microseconds: the handshake, or the way to the backend; 0: neither */
    uint8_t digest[OBSERVATION_DIGEST_SIZE]; /* of the ClientHello; zero: none */
};

/* The client has come. */
void connection_record_begin(struct connection *connection);

/* TLS is begun: its connection has been made. */
void connection_record_handshake(struct connection *connection);
/* It is over; FAILURE: why it failed, or NULL. */
void connection_record_handshaken(struct connection *connection, const char *failure);

/* The backend is being connected. */
void connection_record_dial(struct connection *connection);
/* Is it ready? To be called when it may have become so. */
void connection_record_backend(struct connection *connection);

/* The end: tell the ledger, if the session had begun. Before the session and TLS are freed. */
void connection_record_end(struct connection *connection);

#endif
