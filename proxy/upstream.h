/*
 * upstream.h: the backend that a listener's mail goes to: where it is, how it is told the client's
 * address, how long it may take, and what it was last heard to be capable of.
 */
#ifndef GATEPOST_PROXY_UPSTREAM_H
#define GATEPOST_PROXY_UPSTREAM_H

#include <stdbool.h>
#include <sys/socket.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/endpoint.h"
#include "proxy/capabilities.h"
#include "proxy/handoff.h"

struct upstream {
    char *name; /* gatepost_backend as written, for logs */
    struct endpoint endpoint;
    struct sockaddr_storage *addresses; /* INET: resolved before privileges are dropped */
    socklen_t *address_lengths;
    size_t address_count;
    enum handoff handoff;
    double connect_timeout; /* seconds, for each address */
    double timeout;         /* seconds, for each reply */
    /* What a worker knows; not shared between processes. */
    struct capabilities capabilities;
    bool probing;     /* a probe is under way: wait for it */
    bool unreachable; /* the last probe failed, and nothing was learned before */
};

/* Parse, resolve (this may ask the DNS) and judge CONFIG's gatepost_backend parameters. Returns
 * NULL after reporting to DIAG. Free with upstream_free. */
struct upstream *upstream_new(const struct config *config, struct diag *diag);
void upstream_free(struct upstream *upstream);

/* What to put into Postfix's master.cf for HANDOFF: "-o smtpd_upstream_proxy_protocol=haproxy". */
const char *upstream_handoff_hint(enum handoff handoff);

#endif
