#include "proxy/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "policy/diag_once.h"

#include "proxy/chains.h"
#include "proxy/key_process.h"
#include "proxy/ledger_process.h"
#include "proxy/log.h"

#define BACKOFF_FORGIVEN 10. /* a child that lived this long starts anew without delay */

/* Findings while certificates are loaded. Warnings come from the first worker only, since all would
 * say the same; what is merely worth knowing is for "gatepost check". */
static void child_diag(void *ctx, enum diag_severity severity, const char *text)
{
    const struct child *child = ctx;

    if (severity == DIAG_ERROR)
        log_error("%s", text);
    else if (severity == DIAG_WARNING && child->outspoken)
        log_warning("%s", text);
}

/* Signals as a worker wants them; its loop sets SIGTERM. */
static void child_signals(void)
{
    sigset_t none;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* of the terminal: the master decides */
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN); /* until its loop runs */
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The life of the key process. */
static int keys_main(const struct child_plan *plan, int channel, struct diag *diag)
{
    struct listener_sockets sockets = plan->sockets; /* this process's own copy */
    struct listener_sockets policy_sockets = plan->policy_sockets;
    const struct key_process_job job = {.services = plan->services,
                                        .service_count = plan->service_count,
                                        .privileges = &plan->privileges,
                                        .channel = channel,
                                        .sandbox = plan->sandbox};

    prctl(PR_SET_NAME, "gatepost-keys", 0, 0, 0);
    listener_close(&sockets);
    listener_close(&policy_sockets);
    if (plan->chains >= 0)
        close(plan->chains);
    if (plan->ledger >= 0)
        close(plan->ledger);
    return key_process_run(&job, diag);
}

/* The life of the ledger process. */
static int ledger_main(const struct child_plan *plan, int channel)
{
    prctl(PR_SET_NAME, "gatepost-ledger", 0, 0, 0);
    plan->ledger_job->channel = channel;
    return ledger_process_run(plan->ledger_job);
}

/* Where CHILD counts. */
static struct metrics_counters *child_counters(const struct child *child,
                                               const struct child_plan *plan)
{
    return metrics_memory_block(worker_slots_metrics(plan->slots), child->slot);
}

/* A worker's way to the ledger; NULL: there is none. */
static struct ledger_link *open_ledger(const struct child *child, const struct child_plan *plan)
{
    if (plan->ledger < 0)
        return NULL;
    struct ledger_link *link = ledger_link_new(plan->ledger, &child->stats->ledger_dropped,
                                               &child_counters(child, plan)->ledger_dropped);
    if (link == NULL)
        log_fatal("out of memory for a worker");
    return link;
}

/* The life of a worker. */
static int worker_main(const struct child *child, const struct child_plan *plan, int channel,
                       int keys, struct diag *diag)
{
    struct diag_once once;
    struct key_link *link = key_link_new(keys);
    const struct worker_job job = {
        .services = plan->services,
        .listener_count = plan->service_count,
        .sockets = &plan->sockets,
        .channel = channel,
        .keys = link,
        .ledger = open_ledger(child, plan),
        .stats = child->stats,
        .metrics = child_counters(child, plan),
        .limits = worker_slots_limits(plan->slots, &plan->totals),
        .slot = (unsigned)child->slot,
        .policy_service = plan->policy_service,
        .policy_sockets = &plan->policy_sockets,
        .sessions = worker_slots_sessions(plan->slots),
        .chance = worker_slots_chance(plan->slots),
        .drain_time = plan->drain_time,
        .sandbox = plan->sandbox,
    };

    if (link == NULL)
        log_fatal("out of memory for a worker");
    diag_once_begin(&once, diag);
    if (chains_load(plan->chains, plan->services, plan->service_count, key_link_client(link),
                    &once.diag) != 0)
        return EX_CONFIG;
    diag_once_end(&once);
    if (child->outspoken)
        metrics_certificates_note(plan->certificates, plan->services, plan->service_count);
    close(plan->chains);
    privileges_drop(&plan->privileges);
    return worker_run(&job);
}

/* In the new process. */
static void __attribute__((noreturn))
child_main(struct child *child, const struct child_plan *plan, int channel, int keys, int log_fd)
{
    struct log_pipe *log = child->reader->shared;
    struct diag diag = {.sink = child_diag, .ctx = child};

    log->fd = log_fd;
    log->all_dropped = &child_counters(child, plan)->log_dropped;
    log_set_sink(log_pipe_write, log_pipe_flush, log);
    child_signals();
    int status = child->role == CHILD_KEYS     ? keys_main(plan, channel, &diag)
                 : child->role == CHILD_LEDGER ? ledger_main(plan, channel)
                                               : worker_main(child, plan, channel, keys, &diag);
    if (status == EX_CONFIG)
        _exit(status); /* with what the master had in hand, which is not this process's to free */
    exit(status);
}

/* A channel and a pipe for the log. */
static int open_ways(int channel[2], int log_pipe[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel) != 0)
        return -1;
    if (pipe2(log_pipe, O_CLOEXEC | O_NONBLOCK) == 0)
        return 0;
    close(channel[0]);
    close(channel[1]);
    return -1;
}

int child_start(struct child *child, const struct child_plan *plan, int keys,
                void (*forget)(void *owner))
{
    int channel[2];
    int log_pipe[2];
    pid_t pid = -1;

    log_pipe_reader_reset(child->reader);
    bool open = open_ways(channel, log_pipe) == 0;
    if (open && (pid = fork()) == 0) {
        close(channel[0]);
        close(log_pipe[0]);
        forget(child->owner);
        child_main(child, plan, channel[1], keys, log_pipe[1]);
    }
    int error = errno;
    if (keys >= 0)
        close(keys);
    if (open) {
        close(channel[1]);
        close(log_pipe[1]);
    }
    if (open && pid < 0) {
        close(channel[0]);
        close(log_pipe[0]);
    }
    if (pid < 0) {
        errno = error;
        return -1;
    }
    child->pid = pid;
    child->channel = channel[0];
    child->log = log_pipe[0];
    child->ready = false;
    child->pings = 0;
    return 0;
}

/* What its lines in the log are marked with. */
static const char *log_role(const struct child *child)
{
    return child->role == CHILD_KEYS ? "keys" : child->role == CHILD_LEDGER ? "ledger" : "smtpd";
}

bool child_read_log(const struct child *child, struct log_output *output)
{
    return log_pipe_read(child->reader, child->log, output, log_role(child), child->pid);
}

void child_reap(struct child *child, struct ev_loop *loop, struct log_output *output)
{
    ev_child_stop(loop, &child->watcher);
    ev_io_stop(loop, &child->channel_io);
    ev_io_stop(loop, &child->log_io);
    log_pipe_drain(child->reader, child->log, output, log_role(child), child->pid);
}

void child_restart_later(struct child *child, struct ev_loop *loop, double most)
{
    const double lived = ev_now(loop) - child->started;

    child->backoff = lived > BACKOFF_FORGIVEN ? CHILD_BACKOFF_FIRST : child->backoff * 2.;
    if (child->backoff > most)
        child->backoff = most;
    ev_timer_set(&child->restart, child->backoff, 0.);
    ev_timer_start(loop, &child->restart);
}

void child_close(struct child *child)
{
    close(child->channel);
    close(child->log);
    child->channel = child->log = -1;
    child->pid = 0;
    child->ready = false;
}
