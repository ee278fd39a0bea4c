/*
 * connection.h: the driver of one session: its two sockets, its TLS, its timer. It moves bytes
 * between sockets and session, carries out what the session wants, and decides in one place
 * (connection_arm) what is to be waited for next.
 */
#ifndef GATEPOST_PROXY_CONNECTION_H
#define GATEPOST_PROXY_CONNECTION_H

#include <ev.h>
#include <stdbool.h>

#include "proxy/connection_ledger.h"
#include "proxy/dial.h"
#include "proxy/request_clock.h"
#include "proxy/session.h"
#include "proxy/worker.h"
#include "tls/conn.h"

enum connection_phase {
    CONNECTION_CLEARTEXT,
    CONNECTION_PROXY, /* the header that tells who the client is comes first; no session yet */
    CONNECTION_HANDSHAKE,
    CONNECTION_TLS,
    CONNECTION_LINGER /* all was said; reading the rest so that the last words arrive */
};

struct connection {
    struct session session; /* first: the session's callbacks find us by it */
    struct worker *worker;
    struct worker_listener *listener;
    struct connection *next;
    struct connection *previous;
    struct connection *next_again;
    enum connection_phase phase;
    int client_fd;
    int backend_fd;              /* -1: none */
    struct buffer ciphertext_in; /* received, but not yet asked for by TLS */
    bool client_readable;        /* the socket, or TLS, may have more */
    bool client_drained;         /* the socket had no more when it was last read */
    bool client_sated;           /* no more than what was read ahead is to be used now */
    bool client_ended;           /* no more will come out of the socket */
    bool client_stirred;         /* it may have gone while it is not listened to: look */
    bool backend_readable;
    int backend_error;        /* what writing to it has come to, an errno; 0: all is well */
    unsigned backend_replies; /* whole replies that were seen */
    bool tls_wants_write;     /* TLS cannot go on before it can send */
    bool tls_wants_key;       /* ...before the key process has answered */
    bool tls_failed;          /* the client broke the protocol, and was sent an alert */
    bool queued_again;
    bool working;                   /* connection_work is on the stack */
    bool dead;                      /* destroy when it is left */
    const char *reason;             /* for session_end */
    struct tls_conn *tls;           /* NULL: cleartext */
    struct connection_proxy *proxy; /* a header that is not yet complete; else NULL. Owned. */
    struct dial *dial;              /* NULL: not connecting */
    struct request_clock clock;     /* of what the client is waited for, in loop time */
    uint32_t request;               /* of the session, to which the clock belongs */
    double backend_active;          /* loop time of the last byte from or to the backend */
    double phase_since;             /* of the handshake or the linger */
    double pause_until;             /* while the session pauses; else 0 */
    double client_left;             /* loop time at which the client's end was seen */
    struct connection_ledger ledger;
    ev_io client_io;
    ev_io backend_io;
    ev_timer timer;
};

/* A client was accepted on LISTENER. Takes FD. */
void connection_open(struct worker_listener *listener, int fd, const struct sockaddr *peer);

/* Go on with the session: something happened that no watcher of its own tells. */
void connection_work(struct connection *connection);

/* How long it may wait has changed: stress mode has begun or ended. */
void connection_retime(struct connection *connection);

/* gatepost stops: end the session at its next pause; FORCE: now. */
void connection_drain(struct connection *connection, bool force);

#endif
