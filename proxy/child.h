/*
 * child.h: one process, as the master sees it: its pid, the channel to it, its log.
 */
#ifndef GATEPOST_PROXY_CHILD_H
#define GATEPOST_PROXY_CHILD_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "policy/config.h"
#include "proxy/listener.h"
#include "proxy/log_pipe.h"
#include "proxy/metrics_certificates.h"
#include "proxy/privileges.h"
#include "proxy/service.h"
#include "proxy/worker.h"
#include "proxy/worker_slots.h"

enum child_role { CHILD_WORKER, CHILD_KEYS, CHILD_LEDGER };

struct ledger_process_job;

/* What every child is made from. Borrowed by the children; outlives them. */
struct child_plan {
    struct service **services; /* by listener */
    size_t service_count;
    struct listener_sockets sockets;
    const struct policy_service *policy_service; /* NULL: there is none */
    struct listener_sockets policy_sockets;
    struct listener_sockets metrics_sockets;
    struct privileges privileges;
    double drain_time;
    struct worker_totals totals;
    struct worker_slots *slots;                /* the master's */
    struct metrics_facts *facts;               /* likewise */
    struct metrics_certificates *certificates; /* written by the first worker */
    int chains; /* what the key process has loaded (proxy/chains.h); -1: nothing yet */
    int ledger; /* a worker's way to the ledger; -1: none is kept */
    struct ledger_process_job *ledger_job; /* of the ledger process; else NULL */
    bool sandbox;                          /* gatepost_sandbox */
};

struct child {
    enum child_role role;
    pid_t pid; /* 0: not running */
    int channel;
    int log;
    bool ready;
    int slot;       /* of a worker, while it runs; else -1 */
    unsigned pings; /* sent and not answered */
    bool outspoken; /* says warnings about certificates and TLS settings */
    double started;
    double backoff;                 /* seconds to wait before the next start */
    struct worker_stats *stats;     /* of a worker: shared memory; survives restarts */
    struct log_pipe_reader *reader; /* of LOG. Owned. */
    ev_io channel_io;
    ev_io log_io;
    ev_child watcher;
    ev_timer restart;
    void *owner;
};

/*
 * Fork a child. In the child: calls FORGET(OWNER) to let go of what belongs to the master, loads
 * what its role needs, gives up its rights, serves, and exits (EX_CONFIG if something cannot be
 * loaded). In the master: returns 0 with pid, channel and log set, or -1 with errno. KEYS is a
 * worker's socket to the key process, closed here in any case; -1 for other processes.
 */
int child_start(struct child *child, const struct child_plan *plan, int keys,
                void (*forget)(void *owner));

/* Its log can be read: write complete records to OUTPUT. False: there will be no more. */
bool child_read_log(const struct child *child, struct log_output *output);

/* The child has exited: stop its watchers, and write to OUTPUT what it still had to say. Then
 * child_close closes what led to it. */
void child_reap(struct child *child, struct ev_loop *loop, struct log_output *output);
void child_close(struct child *child);

/* Fire the timer "restart" after a pause that doubles, up to MOST seconds, from one time to the
 * next, and is forgiven to who lived long enough. */
#define CHILD_BACKOFF_FIRST 0.1
void child_restart_later(struct child *child, struct ev_loop *loop, double most);

#endif
