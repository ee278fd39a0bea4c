/*
 * limits.h: how much a client, and all of them together, may do at once and in a time unit, counted
 * over all workers, as anvil(8) does it for smtpd(8).
 *
 * The counters are in memory that the master maps before it forks (limits_table.h). Each worker has
 * a slot of its own in it, also the old ones that are still draining after a reload; when one has
 * ended, the master calls limits_worker_died before anybody else gets the slot. Nothing here waits,
 * allocates or makes a system call once limits_new is done.
 *
 * An address is counted with all others of its network (smtpd_client_ipv6_prefix_length), and found
 * by a keyed hash. Room is bounded: who comes from ever new addresses only makes gatepost forget
 * the rates of clients that are not connected. Sessions are never forgotten.
 *
 * Times are seconds of a clock that does not jump and is the same in all processes, such as
 * CLOCK_MONOTONIC.
 */
#ifndef GATEPOST_PROXY_LIMITS_H
#define GATEPOST_PROXY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/stress.h"

#include "proxy/client_address.h"

#define LIMITS_SESSIONS_MAX 1000000 /* of gatepost_session_limit */

/* What holds for the clients of one listener. 0: no limit. */
struct limits_rules {
    uint32_t service;         /* clients are counted apart for each number, as smtpd(8) does for
                                 each service in master.cf */
    uint32_t connections;     /* smtpd_client_connection_count_limit */
    uint32_t connection_rate; /* smtpd_client_connection_rate_limit */
    uint32_t message_rate;    /* smtpd_client_message_rate_limit */
    uint32_t tls_rate;        /* smtpd_client_new_tls_session_rate_limit */
    uint32_t rate_unit;       /* anvil_rate_time_unit, seconds */
    uint8_t ipv4_prefix;      /* smtpd_client_ipv4_prefix_length, 0 to 32 */
    uint8_t ipv6_prefix;      /* smtpd_client_ipv6_prefix_length, 0 to 128 */
};

enum limits_verdict {
    LIMITS_OK,
    LIMITS_TOO_MANY_CONNECTIONS, /* of this client, at once */
    LIMITS_RATE,                 /* of this client, in the time unit */
    LIMITS_TOTAL                 /* of all clients, or no room to count this one */
};

/* What a session holds; zeroed: nothing. The session's own, not shared. */
struct limits_session {
    uint32_t client; /* an entry and 1; 0: the client is not counted */
    bool counted;    /* among all sessions */
    bool handshake;
};

struct limits;

/*
 * Counters for SESSIONS sessions (gatepost_session_limit, 1 to LIMITS_SESSIONS_MAX), of which
 * HANDSHAKES may have a TLS handshake under way (gatepost_handshake_limit), in SLOTS worker
 * processes (at most 4096). Returns NULL with errno. To be called before the fork; the result is
 * good in all children.
 */
struct limits *limits_new(uint32_t sessions, uint32_t handshakes, unsigned slots);
void limits_free(struct limits *limits);

/* Other totals, after a reload: for processes that are forked from now on. Counts are kept. */
void limits_set(struct limits *limits, uint32_t sessions, uint32_t handshakes);

/* When stress mode begins and ends; from now on, for all processes. */
void limits_set_stress(struct limits *limits, const struct stress_levels *levels);

/* Whether there is overload (no LIMITS: never), the same for all processes; and how often it has
 * begun or ended, odd while there is. */
bool limits_stressed(const struct limits *limits);
uint32_t limits_stress_changes(const struct limits *limits);

/* A connection is there, and nobody knows yet whose: it counts for the total only. SESSION, zeroed,
 * is written. LIMITS_OK or LIMITS_TOTAL. */
enum limits_verdict limits_admit(struct limits *limits, unsigned slot,
                                 struct limits_session *session);

/*
 * The client of a connection that was admitted. CLIENT is NULL if it is exempt
 * (smtpd_client_event_limit_exceptions): then only the total counts. *NUMBER is how many
 * connections the client has, or has made in the time unit, if that is too many, for the log. A
 * connection that is refused counts for the rate and, until it is closed, for the total.
 */
enum limits_verdict limits_connect(struct limits *limits, unsigned slot,
                                   const struct limits_rules *rules,
                                   const struct client_address *client, uint64_t now,
                                   struct limits_session *session, uint32_t *number);

/* The session is over; also its handshake. Does nothing with a zeroed SESSION, and leaves one. */
void limits_disconnect(struct limits *limits, unsigned slot, struct limits_session *session,
                       uint64_t now);

/* MAIL FROM: LIMITS_OK or LIMITS_RATE, with the *NUMBER of messages in the time unit. */
enum limits_verdict limits_message(struct limits *limits, const struct limits_rules *rules,
                                   const struct limits_session *session, uint64_t now,
                                   uint32_t *number);

/* Before STARTTLS is accepted: whether there were too many new TLS sessions already (454). */
enum limits_verdict limits_tls_check(const struct limits *limits, const struct limits_rules *rules,
                                     const struct limits_session *session, uint64_t now,
                                     uint32_t *number);

/* After a handshake, good or bad, that resumed no session: count it (too many: 421). */
enum limits_verdict limits_tls_count(struct limits *limits, const struct limits_rules *rules,
                                     const struct limits_session *session, uint64_t now,
                                     uint32_t *number);

/* A handshake begins: LIMITS_OK or LIMITS_TOTAL; and it is over. */
enum limits_verdict limits_handshake_begin(struct limits *limits, unsigned slot,
                                           struct limits_session *session);
void limits_handshake_end(struct limits *limits, unsigned slot, struct limits_session *session);

/* The worker in SLOT has ended, in whatever way: take back what it held. For the master, which
 * trusts nothing that it finds in the shared memory. */
void limits_worker_died(struct limits *limits, unsigned slot);

/* How many there are now, and how many a client has. */
uint32_t limits_sessions(const struct limits *limits);
uint32_t limits_handshakes(const struct limits *limits);
uint32_t limits_connections(const struct limits *limits, const struct limits_rules *rules,
                            const struct client_address *client);

#endif
