/*
 * connection_backend.h: the driver's second socket, the one to the backend: when it is opened and
 * closed, and when it is looked at. Part of the driver (connection.c), not for others.
 */
#ifndef GATEPOST_PROXY_CONNECTION_BACKEND_H
#define GATEPOST_PROXY_CONNECTION_BACKEND_H

#include "proxy/connection.h"

/* Close the connection to the backend, if there is one, without a word. */
void connection_close_backend(struct connection *connection);

/* Open or close it as the session wants. True if something came of it. */
bool connection_serve_backend(struct connection *connection);

/* The session has run. If it is about to send the end of a message, what the backend has said
 * before that is heard first, since it is no answer to it. True if there was something. */
bool connection_hear_backend(struct connection *connection);

#endif
