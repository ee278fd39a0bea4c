/*
 * endpoint_listen.h: listening sockets for what is not mail: the policy service, the metrics.
 */
#ifndef GATEPOST_PROXY_ENDPOINT_LISTEN_H
#define GATEPOST_PROXY_ENDPOINT_LISTEN_H

#include "policy/diag.h"
#include "policy/endpoint.h"

#include "proxy/listener.h"

/*
 * Listen on ENDPOINT, for the parameter PARAM, and add the sockets to SOCKETS. A socket that
 * PREVIOUS (or NULL) has for an address is shared. A UNIX-domain socket can be used by everybody
 * who can reach it; one that nobody listens on is replaced. Addresses that other hosts can reach
 * are worth a warning, with what those can do (EXPOSES). Returns 0, or -1 after reporting to DIAG
 * (what was added stays).
 */
int endpoint_listen(const struct endpoint *endpoint, const char *param, const char *exposes,
                    const struct listener_sockets *previous, struct listener_sockets *sockets,
                    struct diag *diag);

#endif
