/*
 * probe.h: asking a backend, without a client, what it can do and whether it understands the
 * hand-off. A worker does it when it starts, "gatepost check" for the operator.
 */
#ifndef GATEPOST_PROXY_PROBE_H
#define GATEPOST_PROXY_PROBE_H

#include <ev.h>

#include "proxy/backend_setup.h"
#include "proxy/dial.h"

struct probe;

/* The outcome: ERROR is NULL if backend->capabilities is now known, else what is wrong. The probe
 * is over and may be started again. */
typedef void probe_done(struct probe *probe, const char *error);

struct probe {
    struct dial dial;     /* loop, upstream, backend, channel and listener are set by the owner */
    const char *hostname; /* myhostname, for EHLO. Borrowed. */
    probe_done *done;
    void *owner;
    enum backend_fault fault; /* after it has failed: what kind of error it was */
    /* private */
    int fd;
    struct backend_setup setup;
    struct buffer in;
    struct buffer out;
    ev_io io;
    ev_timer timer;
    char error[512];
};

/* Begin; DONE may be called before this returns. The whole probe is bounded by the upstream's
 * connect_timeout for connecting, and for the rest by timeout, or by connect_timeout again if there
 * are other backends. */
void probe_start(struct probe *probe);
void probe_cancel(struct probe *probe);

#endif
