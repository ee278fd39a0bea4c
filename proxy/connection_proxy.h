/*
 * connection_proxy.h: a connection from a proxy in front of gatepost: before anything else is said
 * it tells who the client is (smtpd_upstream_proxy_protocol = haproxy). Part of the driver
 * (connection.c); not for others.
 */
#ifndef GATEPOST_PROXY_CONNECTION_PROXY_H
#define GATEPOST_PROXY_CONNECTION_PROXY_H

#include "proxy/connection.h"

enum connection_proxied {
    CONNECTION_PROXY_WAITS, /* for more of the header */
    CONNECTION_PROXY_DONE,  /* the session's addresses are known, and may be the proxy's own */
    CONNECTION_PROXY_FAILED /* why is logged; the client is unknown */
};

/* Whether the peer may say who its client is: if not, that is logged. */
enum connection_proxied connection_proxy_begin(struct connection *connection);

/* Read what there is of the header, and nothing behind it. */
enum connection_proxied connection_proxy_read(struct connection *connection);

/* The header did not come in time. */
void connection_proxy_timeout(struct connection *connection);

#endif
