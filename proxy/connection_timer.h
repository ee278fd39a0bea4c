/*
 * connection_timer.h: how long a connection may wait, and for what. Part of the driver
 * (connection.c); not for others.
 */
#ifndef GATEPOST_PROXY_CONNECTION_TIMER_H
#define GATEPOST_PROXY_CONNECTION_TIMER_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/connection.h"

/* Replies wait, because the client has made many errors. */
bool connection_pauses(struct connection *connection);
/* The pause is over. */
void connection_resume(struct connection *connection);

/* Bytes came from the client, COUNT of them as SMTP, or went to it. */
void connection_client_moved(struct connection *connection, size_t count);

/* See that the timer fires in time. */
void connection_timer_arm(struct connection *connection);
/* It has fired: whether the wait is over. */
bool connection_timer_due(const struct connection *connection);

#endif
