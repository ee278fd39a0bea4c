/*
 * metrics_server.h: the HTTP server for the metrics (gatepost_metrics_listen), in the ledger
 * process's own event loop, with libmicrohttpd and no thread. Whoever can reach it is a stranger:
 * there are at most METRICS_CLIENTS_MAX connections, each for one small request and a few seconds,
 * and when there are too many, the oldest makes room.
 */
#ifndef GATEPOST_PROXY_METRICS_SERVER_H
#define GATEPOST_PROXY_METRICS_SERVER_H

#include <ev.h>

#include "proxy/listener.h"
#include "proxy/metrics_page.h"

#define METRICS_PATH "/metrics"
#define METRICS_CLIENTS_MAX 32

struct metrics_server;

/* Serve on SOCKETS (borrowed, as are LOOP and SOURCE). Opens what it needs: to be called before the
 * sandbox. Fatal on failure. */
struct metrics_server *metrics_server_new(struct ev_loop *loop,
                                          const struct listener_sockets *sockets,
                                          const struct metrics_source *source);
void metrics_server_free(struct metrics_server *server); /* NULL does no harm */

#endif
