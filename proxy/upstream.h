/*
 * upstream.h: the backends that a listener's mail goes to: where they are, how they are told the
 * client's address, and how long they may take.
 */
#ifndef GATEPOST_PROXY_UPSTREAM_H
#define GATEPOST_PROXY_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/endpoint.h"
#include "proxy/backend.h"
#include "proxy/handoff.h"
#include "proxy/json.h"

struct upstream {
    char *name; /* gatepost_backend as written */
    struct backend_list list;
    enum handoff handoff;
    double connect_timeout; /* seconds, for each address */
    double timeout;         /* seconds, for each reply */
    /* private */
    struct endpoint *endpoints;
    size_t endpoint_count;
    struct backend_mark *marks; /* shared with the processes that are forked */
};

/* Parse, resolve (this may ask the DNS) and judge CONFIG's gatepost_backend parameters. Returns
 * NULL after reporting to DIAG. Free with upstream_free. */
struct upstream *upstream_new(const struct config *config, struct diag *diag);
void upstream_free(struct upstream *upstream);

/* How long BACKEND may take for each reply before mail may flow, in seconds: less if another could
 * be used instead. TRIED as for backend_choose. */
double upstream_setup_patience(const struct upstream *upstream, const struct backend *backend,
                               uint32_t tried);

/* How each backend does, as lines for "gatepost status". SERVICE: the listener's name; NOW: seconds
 * of the monotonic clock. */
void upstream_status(const struct upstream *upstream, const char *service, uint64_t now, FILE *out);

/* The same as objects of an array. */
void upstream_status_json(const struct upstream *upstream, const char *service, uint64_t now,
                          struct json *json);

/* What to put into Postfix's master.cf for HANDOFF: "-o smtpd_upstream_proxy_protocol=haproxy". */
const char *upstream_handoff_hint(enum handoff handoff);

#endif
