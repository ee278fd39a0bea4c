/*
 * child.h: one worker process, as the master sees it: its pid, the channel to it, its log.
 */
#ifndef GATEPOST_PROXY_CHILD_H
#define GATEPOST_PROXY_CHILD_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "policy/config.h"
#include "proxy/listener.h"
#include "proxy/log_output.h"
#include "proxy/privileges.h"
#include "proxy/service.h"
#include "proxy/worker.h"

/* What every worker is made from. Borrowed by the children; outlives them. */
struct child_plan {
    struct service **services; /* by listener */
    size_t service_count;
    struct listener_sockets sockets;
    struct privileges privileges;
    double drain_time;
};

struct child {
    pid_t pid; /* 0: not running */
    int channel;
    int log;
    bool ready;
    bool outspoken; /* says warnings about certificates and TLS settings */
    double started;
    double backoff;             /* seconds to wait before the next start */
    struct worker_stats *stats; /* shared memory; survives restarts */
    char *log_pending;
    size_t log_pending_length;
    ev_io channel_io;
    ev_io log_io;
    ev_child watcher;
    ev_timer restart;
    void *owner;
};

/*
 * Fork a worker. In the child: calls FORGET(OWNER) to let go of what belongs to the master, loads
 * certificates and keys, gives up its rights, serves, and exits (EX_CONFIG if a certificate cannot
 * be loaded). In the master: returns 0 with pid, channel and log set, or -1 with errno.
 */
int child_start(struct child *child, const struct child_plan *plan, void (*forget)(void *owner));

/* The child has exited: close what led to it. */
void child_close(struct child *child);

#endif
