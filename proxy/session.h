/*
 * session.h: one SMTP session, as a machine of bytes in and bytes out (RFC 5321, RFC 3207, RFC
 * 2920, RFC 3030, RFC 4954). It knows no socket, no event loop and no clock: its owner, the driver
 * (connection.h), moves bytes into client_in and relay->in and out of client_out and relay->out,
 * carries out what the session wants (wants_backend, wants_tls, ending) and tells it what happened.
 *
 * Front: greeting, HELO/EHLO and STARTTLS are answered here. At the first command that needs it a
 * relay to the backend is begun, and from then on the backend answers.
 */
#ifndef GATEPOST_PROXY_SESSION_H
#define GATEPOST_PROXY_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/buffer.h"
#include "proxy/client_address.h"
#include "proxy/metrics_counters.h"
#include "proxy/relay.h"
#include "proxy/second_chance.h"
#include "proxy/service.h"
#include "proxy/session_limits.h"
#include "proxy/session_record.h"
#include "proxy/smtp_command.h"
#include "tls/conn.h"
#include "tls/handshake_reason.h"
#include "tls/summary.h"

enum session_state {
    SESSION_WRAPPER,  /* implicit TLS: nothing is said before the handshake is done */
    SESSION_COMMAND,  /* a command line is due */
    SESSION_SKIP,     /* the rest of a line that was too long, a command or (skips_exchange) not */
    SESSION_AUTH,     /* a line of an AUTH exchange is due */
    SESSION_DATA,     /* message content, dot-terminated */
    SESSION_BDAT,     /* message content, counted */
    SESSION_STARTTLS, /* 220 was said: the driver starts TLS */
    SESSION_ENDING    /* the last reply is written; flush and close */
};

enum session_ending {
    SESSION_GOES_ON,
    SESSION_CLOSE,       /* after the last reply is sent, unless the client has sent more already */
    SESSION_CLOSE_LINGER /* the same, and what the client may still send must not destroy that reply
                          */
};

struct session_count {
    uint16_t total;
    uint16_t ok;
};

/* What the backend has accepted. */
struct session_tally {
    uint32_t messages;
    uint32_t cleartext; /* of them, without TLS */
    uint64_t bytes;     /* of content, as it came */
};

struct session;

/* What a session asks its driver about the running TLS connection. */
struct session_tls {
    /* What protects the session; false: it is cleartext. */
    bool (*summary)(const struct session *session, struct tls_summary *summary);
    /* Why the client's certificate is not what the rule demands, as Postfix says it ("No client
     * certificate presented"); NULL: all is well. */
    const char *(*refusal)(const struct session *session);
    /* The server name that the client asked for, if it can be shown; else "". */
    const char *(*server_name)(const struct session *session);
    /* Why the handshake came to nothing, or the session was refused or broke for TLS's sake; NULL:
     * it did not, or there was no TLS. For the end of the session, until then owned by the driver.
     */
    const struct tls_failure_reason *(*failure)(const struct session *session);
    /* What is known of the client's certificate; false: it has shown none. */
    bool (*ccert)(const struct session *session, struct tls_ccert_details *details);
};

/* Output that waits to be sent beyond this stops the intake from the other side: content to the
 * backend, and replies to the client. */
#define SESSION_OUT_HIGH 65536
#define SESSION_REPLIES_HIGH 16384

#define SESSION_MAGIC 0x73657373u

struct session {
    uint32_t magic;
    enum session_state state;
    struct service *service;
    const struct service_values *values; /* that were in force when the client came */
    const struct tls_rule *rule;         /* what TLS holds for this client */
    const char *policy_file;             /* where that stands: of the table's line... */
    unsigned policy_line;                /* ...that applied; 0: in the main configuration */
    struct client_address client;
    struct client_address server;
    enum bare_newline bare_newline; /* what holds for this client */
    const struct session_tls *tls_questions;

    struct session_limits limits;
    struct session_record record;
    struct second_chance *chance;     /* borrowed; NULL: nobody has one */
    struct metrics_counters *metrics; /* borrowed; NULL: nobody counts */

    struct buffer client_in;
    struct buffer client_out;
    struct relay *relay; /* NULL: no backend is in use. Owned. */

    /* what the driver is asked to do */
    bool wants_backend; /* connect relay to the backend */
    bool backend_quit;  /* the backend connection that is not needed any more may be told QUIT */
    bool wants_capabilities; /* probe the backend; run the session again when that is over */
    enum session_ending ending;

    /* what the session waits for; see session_waits_for_client */
    bool blocked; /* client_in cannot be consumed before the backend, or a probe, has answered */

    bool tls;
    bool esmtp;         /* EHLO was said */
    bool authenticated; /* the backend's session cannot be replaced by a new one */
    bool transaction;   /* MAIL was accepted */
    bool client_eof;
    bool client_deaf; /* and it hears nothing any more either */
    bool pipelining_noted;
    bool skips_exchange;    /* the line that is skipped is one of an AUTH exchange */
    bool draining;          /* gatepost is stopping: end at the next pause */
    const char *refusal;    /* the next command is answered with 421 and this */
    unsigned promised;      /* extensions that EHLO's reply announced, a set of enum extension */
    char *helo;             /* HELO name. Owned; NULL: none was given. */
    char *discard;          /* content goes nowhere; this is the reply at its end. Owned. */
    bool discard_ends;      /* and that reply ends the session */
    enum smtp_verb where;   /* last recognized command */
    const char *where_text; /* "CONNECT", "DATA", "END-OF-MESSAGE": for "lost connection after" */
    bool bare_lf_noted;
    bool chunks_refused; /* BDAT chunks are thrown away until LAST, or a new transaction */
    uint32_t requests;   /* changes whenever the client begins to be asked for something new */
    struct session_count counts[SMTP_VERB_COUNT];
    struct session_tally tally;
};

/* A new session, in which the client, CHANCE, METRICS, what is shared and the slot of LIMITS and
 * RECORD, and the time of LIMITS, are set (and only that). Logs "connect from", finds the client's
 * rule, and counts the client, unless that was done (session_limits_admit) for the total. */
void session_begin(struct session *session, struct service *service,
                   const struct session_tls *tls_questions);

/* The same for a client that nobody knows, since the proxy in front did not say, or was not
 * admitted: it is sent away. */
void session_begin_unknown(struct session *session, struct service *service,
                           const struct session_tls *tls_questions);

/* Send the greeting; PENDING: the client spoke before it was greeted. Not in wrapper mode before
 * the handshake. */
void session_greet(struct session *session, const char *pending, size_t pending_length);

/* Consume what can be consumed, produce what is to be produced. */
void session_run(struct session *session);

/* True if more bytes from the client can be used now (else do not read any). */
bool session_waits_for_client(const struct session *session);
/* True if a reply of the backend, or room to send to it, is being waited for. */
bool session_waits_for_backend(const struct session *session);

/* True if a backend is in use, but nothing is under way with it. */
bool session_backend_idles(const struct session *session);

/* True if the end of a message waits to be sent to the backend. */
bool session_sends_verdict(const struct session *session);

/* How many seconds the backend may take for what it is waited for. */
double session_backend_patience(const struct session *session);

/* True if the client is gone and nothing that it still waits for is under way: end the session,
 * once what is in client_out was sent. For a client that hears nothing any more only the verdict on
 * a message that the backend has got as a whole is still waited for. */
bool session_is_lost(const struct session *session);

/* True if the client has said all that it will, all of that was used, and no message can come of
 * it: what is still due are answers to commands, and only if the client listens. */
bool session_only_answers(const struct session *session);

/* --- what happened --------------------------------------------------------------------------- */

/* STARTTLS (or wrapper mode): the handshake is done. Everything said before is forgotten. */
void session_tls_established(struct session *session);
/* The handshake has failed. Logged by the caller. */
void session_tls_failed(struct session *session);
/* The backend connection is open / could not be opened (WHY for the log). */
void session_backend_connected(struct session *session);
void session_backend_failed(struct session *session, const char *why);
/* The backend closed or broke the connection; ERROR is an errno or 0. */
void session_backend_eof(struct session *session, int error);
/* The backend did not answer, or not take data, in time. */
void session_backend_timeout(struct session *session);
/* The client sent end of file (its pipelined commands are still answered). */
void session_client_eof(struct session *session);
/* Nothing can be sent to the client any more: it hears no replies to commands. */
void session_client_deaf(struct session *session);
/* The client was silent for too long; logged here. */
void session_client_timeout(struct session *session);
/* gatepost is stopping: end now, or after the transaction. FORCE: now. */
void session_drain(struct session *session, bool force);

/* The connection is gone. REASON ("lost connection", "timeout") is logged unless NULL, then the
 * statistics line. Frees what the session holds. */
void session_end(struct session *session, const char *reason);

/* "unknown[192.0.2.1]". Returns OUT. */
#define SESSION_NAMADDR_MAX (CLIENT_ADDRESS_TEXT_MAX + 16)
const char *session_namaddr(const struct session *session, char out[SESSION_NAMADDR_MAX]);

/* Where the rule for this client stands: "main configuration", or "FILE, line N" (of a long FILE,
 * the end). Returns OUT. */
#define SESSION_PLACE_MAX 256
const char *session_policy_place(const struct session *session, char out[SESSION_PLACE_MAX]);

#endif
