/*
 * worker.h: the process that faces the network: accepts clients, speaks SMTP and TLS, connects to
 * the backend. Everything it needs is opened or read before it gives up its rights.
 */
#ifndef GATEPOST_PROXY_WORKER_H
#define GATEPOST_PROXY_WORKER_H

#include <ev.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/backend_watch.h"
#include "proxy/dial.h"
#include "proxy/key_link.h"
#include "proxy/ledger_link.h"
#include "proxy/limits.h"
#include "proxy/listener.h"
#include "proxy/metrics_counters.h"
#include "proxy/policy_server.h"
#include "proxy/service.h"

/* Counters in memory that a worker shares with the master, for "gatepost status". */
struct worker_stats {
    _Atomic uint64_t sessions; /* accepted since the worker started */
    _Atomic uint64_t open;     /* now */
    _Atomic uint64_t handshakes;
    _Atomic uint64_t handshake_failures;
    _Atomic uint64_t backend_sessions;
    _Atomic uint64_t backend_failures;
    _Atomic uint64_t ledger_dropped; /* observations that the ledger was not told of */
};

struct connection;

/* One element of gatepost_listen and what holds for its sessions. */
struct worker_listener {
    struct worker *worker;
    struct service *service; /* borrowed from the master's memory, as it was at the fork */
    int index;
    struct backend_watch *watch;
};

/* One of its sockets. */
struct worker_socket {
    struct worker_listener *listener;
    int fd;
    ev_io io;
};

#define WORKER_SCRATCH_SIZE (320 * 1024)
#define WORKER_CIPHERTEXT_SIZE (128 * 1024)

struct worker {
    struct ev_loop *loop;
    struct worker_listener *listeners;
    size_t listener_count;
    struct worker_socket *sockets;
    size_t socket_count;
    struct dial_channel channel; /* to the master */
    struct key_link *keys;       /* to the key process */
    struct ledger_link *ledger;  /* NULL: none is kept */
    struct worker_stats *stats;
    struct metrics_counters *metrics;
    struct limits *limits;
    unsigned slot;                  /* in LIMITS */
    struct session_table *sessions; /* NULL: nobody asks */
    struct policy_server *policy_server;
    struct second_chance *chance;
    struct connection *connections; /* all that are open */
    size_t connection_count;
    double drain_time;
    bool leaving;  /* no new clients; ends when the last session does */
    bool draining; /* and sessions are ended at their next pause */
    ev_io channel_io;
    ev_signal sigterm;
    ev_signal sigusr2;
    ev_timer drain_timer;
    ev_timer accept_pause;
    ev_timer minute_timer; /* keys of session tickets grow old, backends are asked again */
    ev_timer log_timer;    /* what was logged waits to be written */
    ev_timer stress_timer; /* while there are connections: has stress mode begun or ended? */
    uint32_t stress_seen;  /* limits_stress_changes, as the connections' timers know it */
    uint32_t stress_told;  /* the same, as the master knows it */
    ev_idle idle; /* runs the connections that were not finished when others got their turn */
    struct connection *again;      /* these, the longest waiting first */
    struct connection **again_end; /* where the next one is put */
    char ciphertext_in[WORKER_CIPHERTEXT_SIZE];
    char client_in[WORKER_SCRATCH_SIZE];
    char client_out[WORKER_SCRATCH_SIZE];
    char backend_in[WORKER_SCRATCH_SIZE];
    char backend_out[WORKER_SCRATCH_SIZE];
};

/* What the master prepared for a worker. */
struct worker_job {
    struct service **services; /* by listener */
    size_t listener_count;
    const struct listener_sockets *sockets;
    int channel;
    struct key_link *keys;      /* the worker's from now on */
    struct ledger_link *ledger; /* likewise; NULL: no ledger is kept */
    struct worker_stats *stats;
    struct metrics_counters *metrics; /* the block of SLOT */
    struct limits *limits;
    unsigned slot;                               /* in LIMITS, this process's own */
    const struct policy_service *policy_service; /* NULL: there is none */
    const struct listener_sockets *policy_sockets;
    struct session_table *sessions;
    struct second_chance *chance;
    double drain_time; /* seconds */
    bool sandbox;      /* gatepost_sandbox */
};

/*
 * Serve until told to leave: SIGUSR2 (others have taken over) lets sessions go on to their end,
 * SIGTERM (or the master's being gone) ends them at their next pause; both within drain_time.
 * Rights are given up already, but for the system calls that no session needs. Returns the exit
 * status.
 */
int worker_run(const struct worker_job *job);

/* A connection has been opened. */
void worker_opened(struct worker *worker);

#endif
