/*
 * session_chance.h: a session's part in gatepost_second_chance (second_chance.h): its client may
 * have one, and its handshake may be the one that begins it. A client whose address a line of the
 * policy table applies to has no part in it.
 */
#ifndef GATEPOST_PROXY_SESSION_CHANCE_H
#define GATEPOST_PROXY_SESSION_CHANCE_H

#include <stdbool.h>

#include "tls/handshake_reason.h"

struct session;

/* The client's rule is known: if that is the main one, and it has a chance, that is its rule. */
void session_chance_begin(struct session *session);

/* The handshake has failed; it counts if a weaker policy may help. True: a chance begins. */
bool session_chance_failed(const struct session *session);
/* The handshake was good. */
void session_chance_established(const struct session *session);

/* Whether a handshake that failed in this way may be good under a weaker policy. */
bool session_chance_helps(enum tls_failure kind);

#endif
