/*
 * metrics_listen.h: gatepost_metrics_listen: the addresses at which the metrics are served.
 */
#ifndef GATEPOST_PROXY_METRICS_LISTEN_H
#define GATEPOST_PROXY_METRICS_LISTEN_H

#include <stddef.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/endpoint.h"

#include "proxy/listener.h"

struct metrics_listen {
    struct endpoint *endpoints; /* owned */
    size_t count;               /* 0: metrics are not served */
};

/* Of CONFIG. Returns 0, or -1 after reporting to DIAG (LIST is empty then). */
int metrics_listen_parse(const struct config *config, struct metrics_listen *list,
                         struct diag *diag);
void metrics_listen_free(struct metrics_listen *list);

/* Listen at all of them; a socket that PREVIOUS (or NULL) has for an address is shared. Returns 0,
 * or -1 after reporting to DIAG (nothing stays open). */
int metrics_listen_open(const struct metrics_listen *list, const struct listener_sockets *previous,
                        struct listener_sockets *sockets, struct diag *diag);

#endif
