/*
 * peer_walk.h: the peers of a ledger, one after the other, each with the ClientHellos that it sent.
 */
#ifndef GATEPOST_PROXY_PEER_WALK_H
#define GATEPOST_PROXY_PEER_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/ledger_read.h"

struct walked_hello {
    int64_t id;
    int64_t listener;    /* id of its name */
    int64_t established; /* sessions */
    int64_t failed;
    int64_t messages;
    int64_t last; /* unix seconds */
};

/* Sessions without TLS. */
struct walked_cleartext {
    int64_t listener;
    int64_t sessions, messages;
};

/* Texts are the peer's own bytes, and borrowed. */
struct walked_peer {
    struct prefix prefix;
    bool single; /* one address, not what is left of many */
    int64_t last;
    int64_t sessions, messages;
    int64_t cleartext_sessions, cleartext_messages;
    int64_t failed;
    struct observation_text helo;
    struct observation_text ccert_status;
    struct observation_text ccert_fingerprint;
    const struct walked_hello *hellos;
    size_t hello_count;
    const struct walked_cleartext *cleartexts; /* as far as the ledger has them by listener */
    size_t cleartext_count;
};

/* Call EACH for all peers. False after an error, which was reported. */
bool peer_walk(struct ledger_read *ledger, void (*each)(void *ctx, const struct walked_peer *peer),
               void *ctx);

#endif
