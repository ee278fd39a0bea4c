/*
 * dial.h: opening a connection to a backend without waiting for it, within
 * gatepost_backend_connect_timeout. A UNIX socket is connected to directly or, for a worker in its
 * empty root, through the master; if its queue is full, again and again.
 */
#ifndef GATEPOST_PROXY_DIAL_H
#define GATEPOST_PROXY_DIAL_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/upstream.h"

struct dial;

/* The outcome: a connected, non-blocking descriptor that now belongs to the owner; or -1 and WHY.
 * The dial is over and may be started again. */
typedef void dial_done(struct dial *dial, int fd, const char *why);

/* A worker's way to the master, and the dials that wait for its answer. */
struct dial_channel {
    int fd; /* -1: connect to UNIX sockets directly */
    uint32_t last_id;
    struct dial *waiting;
};

struct dial {
    struct ev_loop *loop;
    struct upstream *upstream;
    struct backend *backend; /* of UPSTREAM */
    struct dial_channel *channel;
    int listener; /* index of the listener whose backend it is, for the master */
    dial_done *done;
    void *owner;
    /* private */
    bool active;
    int fd;
    uint32_t id;
    struct dial *next_waiting;
    ev_io io;
    ev_timer timer;
    ev_timer retry;
};

/* Begin. The public fields must be set; DONE may be called before this returns. */
void dial_start(struct dial *dial);

/* Give up; DONE is not called. Harmless if the dial is not active. */
void dial_cancel(struct dial *dial);

/* The master's answer to request ID: FD, or -1 and an errno. Unknown ids: FD is closed. */
void dial_answer(struct dial_channel *channel, uint32_t id, int fd, int error);

#endif
