/*
 * endpoint.h: where to listen and where the backend is, as text becomes structure.
 * Pure parsers: no name is resolved and no socket is touched here.
 */
#ifndef GATEPOST_POLICY_ENDPOINT_H
#define GATEPOST_POLICY_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/config.h"
#include "policy/diag.h"

enum endpoint_kind { ENDPOINT_INET, ENDPOINT_UNIX };

struct endpoint {
    enum endpoint_kind kind;
    char *host; /* INET: name or numeric address without brackets; "" or "*" for any. Owned. */
    char *port; /* INET: number or service name. Owned. */
    char *path; /* UNIX: absolute path. Owned. */
};

/* Parse one gatepost_backend element: "inet:host:port", "inet:[v6]:port", "unix:/path"; a bare
 * "host:port" is inet. Reports to DIAG, naming PARAM_NAME, and returns -1 on error. */
int endpoint_parse(const char *text, const char *param_name, struct endpoint *endpoint,
                   struct diag *diag);
void endpoint_free(struct endpoint *endpoint);

/* One listener of gatepost_listen, with the snapshot of the configuration that holds for it. */
struct listen_spec {
    struct endpoint endpoint; /* always INET */
    struct config *config;    /* owned; BASE plus the overrides in the braces */
    char *name;               /* the element's address as written, for logs. Owned. */
    bool own_parameters;      /* there are overrides */
};

struct listen_list {
    struct listen_spec *specs;
    size_t count;
};

/* Parse gatepost_listen of BASE: elements "host:port", "[v6]:port", "port" or
 * "{ host:port, name=value, { name = value with blanks }, ... }" separated by comma or blank
 * (master.cf(5)'s -o in braces). At least one element; a duplicate is an error. Returns 0 or -1. */
int listen_list_parse(const struct config *base, struct listen_list *list, struct diag *diag);
void listen_list_free(struct listen_list *list);

#endif
