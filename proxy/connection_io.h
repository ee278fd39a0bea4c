/*
 * connection_io.h: moving bytes between a connection's sockets and its session's buffers. Part of
 * the driver (connection.c); not for others.
 */
#ifndef GATEPOST_PROXY_CONNECTION_IO_H
#define GATEPOST_PROXY_CONNECTION_IO_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "proxy/connection.h"

/* The TLS room's transport over the client's socket; ARG is the connection. */
ssize_t connection_tls_recv(void *arg, void *buffer, size_t length);
ssize_t connection_tls_send(void *arg, const void *buffer, size_t length);

/* Let the session's buffers live in the worker's scratch areas, and take them back. */
void connection_lend(struct connection *connection);
void connection_settle(struct connection *connection);

/* Each moves what can be moved now and returns true if it moved something or learned of an end. */
bool connection_read_client(struct connection *connection);
bool connection_read_backend(struct connection *connection);
bool connection_write_client(struct connection *connection);
bool connection_write_backend(struct connection *connection);

/* A client that may not speak before the backend has, but has stirred: is it still there? True if
 * something was learned. A reset is seen behind what was not read yet; a mere end of file not,
 * since what comes before it is still to be carried out. */
bool connection_look_after_client(struct connection *connection);

/* Whether the client has said more than was listened to: closing would then be a reset, which could
 * overtake the last words. */
bool connection_has_unread(const struct connection *connection);

/* While lingering: read and forget. Sets dead at the end of input. */
void connection_drink(struct connection *connection);

/* Watch FD for EVENTS (0: not at all), without touching a watcher that already does. */
void connection_watch(struct ev_loop *loop, ev_io *io, int fd, int events);

/* Run the connection once more after everybody else had a turn. */
void connection_again(struct connection *connection);
/* It does not wait for that any more. */
void connection_not_again(struct connection *connection);

#endif
