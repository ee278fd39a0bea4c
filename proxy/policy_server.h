/*
 * policy_server.h: a worker's part of the policy service: takes Postfix's connections, and answers
 * what is asked on them (SMTPD_POLICY_README). What cannot be understood is logged, and ends the
 * connection without an answer, so that Postfix defers the mail.
 */
#ifndef GATEPOST_PROXY_POLICY_SERVER_H
#define GATEPOST_PROXY_POLICY_SERVER_H

#include <ev.h>

#include "proxy/listener.h"
#include "proxy/policy_service.h"
#include "proxy/session_table.h"

struct policy_server;

/* Serve SERVICE on SOCKETS, whose descriptors become the server's, from what TABLE knows. NULL if
 * there is no SERVICE. */
struct policy_server *policy_server_new(struct ev_loop *loop, const struct policy_service *service,
                                        const struct listener_sockets *sockets,
                                        const struct session_table *table);

/* Others have taken over: take no more connections, and end those that have had an answer and on
 * which nothing is under way; Postfix makes new ones. */
void policy_server_leave(struct policy_server *server);

void policy_server_free(struct policy_server *server); /* NULL does no harm, to either */

#endif
