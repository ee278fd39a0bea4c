#include "proxy/master.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "proxy/channel.h"
#include "proxy/child.h"
#include "proxy/control.h"
#include "proxy/log.h"
#include "proxy/unix_connect.h"
#include "proxy/version.h"

#define BACKOFF_FIRST 0.1
#define BACKOFF_MAX 30.
#define BACKOFF_FORGIVEN 10. /* a worker that lived this long starts anew without delay */
#define STOP_EXTRA_SECONDS 10.

struct master {
    struct ev_loop *loop;
    const char *directory;
    struct listen_list listeners;
    struct child_plan plan;
    struct log_output *output;
    struct control *control;
    struct child *children;
    size_t child_count;
    struct worker_stats *stats; /* shared memory, one for each child */
    time_t started;
    bool serving;
    bool stopping;
    int status;
    ev_signal sigterm;
    ev_signal sigint;
    ev_signal sigusr1;
    ev_timer stop_timer;
};

static void master_start_child(struct master *master, struct child *child);

/* Records of the master itself. */
static void master_log(void *ctx, enum log_severity severity, const char *text, size_t length)
{
    log_output_write(ctx, severity, "master", getpid(), text, length);
}

/* In a forked worker: nothing of the master's may stay. */
static void master_forget(void *owner)
{
    struct master *master = owner;

    ev_signal_stop(master->loop, &master->sigterm);
    ev_signal_stop(master->loop, &master->sigint);
    ev_signal_stop(master->loop, &master->sigusr1);
    for (size_t i = 0; i < master->child_count; i++) {
        struct child *child = &master->children[i];
        ev_child_stop(master->loop, &child->watcher);
        if (child->pid != 0 && child->channel >= 0)
            child_close(child);
    }
    control_forget(master->control);
    log_output_close(master->output);
    ev_loop_destroy(master->loop);
}

/* All that ran have ended. */
static void master_check_stopped(struct master *master)
{
    for (size_t i = 0; i < master->child_count; i++)
        if (master->children[i].pid != 0)
            return;
    ev_break(master->loop, EVBREAK_ALL);
}

static void master_signal_children(const struct master *master, int signal_number)
{
    for (size_t i = 0; i < master->child_count; i++)
        if (master->children[i].pid != 0)
            kill(master->children[i].pid, signal_number);
}

/* Begin to stop; workers get their time. */
static void master_stop(struct master *master, int status)
{
    if (master->stopping)
        return;
    master->stopping = true;
    master->status = status;
    (void)sd_notify(0, "STOPPING=1");
    listener_close(&master->plan.sockets);
    for (size_t i = 0; i < master->child_count; i++)
        ev_timer_stop(master->loop, &master->children[i].restart);
    master_signal_children(master, SIGTERM);
    ev_timer_set(&master->stop_timer, master->plan.drain_time + STOP_EXTRA_SECONDS, 0.);
    ev_timer_start(master->loop, &master->stop_timer);
    master_check_stopped(master);
}

static void master_on_stop_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct master *master = timer->data;

    (void)loop;
    (void)events;
    log_warning("workers do not end in time: killing them");
    master_signal_children(master, SIGKILL);
}

static void master_on_signal(struct ev_loop *loop, ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    log_info("terminating on signal %d", signal->signum);
    master_stop(signal->data, EX_OK);
}

static void master_on_sigusr1(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct master *master = signal->data;

    (void)loop;
    (void)events;
    log_output_reopen(master->output);
}

/* The first time that all workers serve. */
static void master_check_serving(struct master *master)
{
    if (master->serving || master->stopping)
        return;
    for (size_t i = 0; i < master->child_count; i++)
        if (!master->children[i].ready)
            return;
    master->serving = true;
    log_output_set_starting(master->output, false);
    log_info("daemon started -- version %s, configuration %s", GATEPOST_VERSION, master->directory);
    (void)sd_notifyf(0, "READY=1\nSTATUS=Serving with %zu workers", master->child_count);
}

/* A worker wants a connection to the UNIX socket of one of its listeners' backends. */
static void master_connect_for(const struct master *master, const struct child *child,
                               const struct channel_message *request)
{
    struct channel_message answer = {.kind = CHANNEL_CONNECTED, .id = request->id};
    int fd = -1;

    if (request->value < 0 || (size_t)request->value >= master->plan.service_count) {
        answer.value = EINVAL;
    } else {
        const struct upstream *upstream = master->plan.services[request->value]->upstream;
        fd = unix_connect(upstream->endpoint.kind == ENDPOINT_UNIX ? upstream->endpoint.path : "");
        answer.value = fd < 0 ? errno : 0;
    }
    if (channel_send(child->channel, &answer, fd) != 0)
        log_warning("cannot answer worker %ld: %s", (long)child->pid, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void master_on_channel(struct ev_loop *loop, ev_io *io, int events)
{
    struct child *child = io->data;
    struct master *master = child->owner;
    struct channel_message message;
    int fd;

    (void)events;
    int got = channel_receive(child->channel, &message, &fd);
    if (fd >= 0)
        close(fd); /* workers have nothing to send us */
    if (got == 0) {
        ev_io_stop(loop, io);
    } else if (got > 0 && message.kind == CHANNEL_READY) {
        child->ready = true;
        master_check_serving(master);
    } else if (got > 0 && message.kind == CHANNEL_CONNECT) {
        master_connect_for(master, child, &message);
    }
}

static void master_on_log(struct ev_loop *loop, ev_io *io, int events)
{
    struct child *child = io->data;
    struct master *master = child->owner;

    (void)events;
    if (!log_pipe_read(child->log, master->output, "smtpd", child->pid, child->log_pending,
                       &child->log_pending_length))
        ev_io_stop(loop, io);
}

/* What a dead worker still had to say. */
static void master_drain_log(const struct master *master, struct child *child)
{
    for (int i = 0; i < 64; i++) {
        size_t before = child->log_pending_length;
        if (!log_pipe_read(child->log, master->output, "smtpd", child->pid, child->log_pending,
                           &child->log_pending_length) ||
            child->log_pending_length == before)
            return;
    }
}

/* "exited with status 70", "was killed by signal 9". */
static void master_log_exit(const struct child *child, int status)
{
    if (WIFSIGNALED(status))
        log_warning("process %ld was killed by signal %d", (long)child->pid, WTERMSIG(status));
    else
        log_warning("process %ld exited with status %d", (long)child->pid, WEXITSTATUS(status));
}

static void master_on_exit(struct ev_loop *loop, ev_child *watcher, int events)
{
    struct child *child = watcher->data;
    struct master *master = child->owner;
    int status = watcher->rstatus;
    double lived = ev_now(loop) - child->started;

    (void)events;
    ev_child_stop(loop, watcher);
    ev_io_stop(loop, &child->channel_io);
    ev_io_stop(loop, &child->log_io);
    master_drain_log(master, child);
    if (!master->stopping || status != 0)
        master_log_exit(child, status);
    bool was_ready = child->ready;
    child_close(child);
    child->outspoken = false;
    atomic_store(&child->stats->open, 0);
    if (master->stopping) {
        master_check_stopped(master);
        return;
    }
    if (!master->serving && !was_ready) {
        log_error("cannot start: a worker failed while starting");
        master_stop(master, WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG ? EX_CONFIG
                                                                                  : EX_UNAVAILABLE);
        return;
    }
    child->backoff = lived > BACKOFF_FORGIVEN            ? BACKOFF_FIRST
                     : child->backoff * 2. < BACKOFF_MAX ? child->backoff * 2.
                                                         : BACKOFF_MAX;
    ev_timer_set(&child->restart, child->backoff, 0.);
    ev_timer_start(loop, &child->restart);
}

static void master_on_restart(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct child *child = timer->data;

    (void)loop;
    (void)events;
    master_start_child(child->owner, child);
}

/* Fork CHILD and watch it. */
static void master_start_child(struct master *master, struct child *child)
{
    child->started = ev_now(master->loop);
    if (child_start(child, &master->plan, master_forget) != 0) {
        log_error("cannot start a worker: %s", strerror(errno));
        ev_timer_set(&child->restart, BACKOFF_MAX, 0.);
        ev_timer_start(master->loop, &child->restart);
        return;
    }
    ev_child_init(&child->watcher, master_on_exit, child->pid, 0);
    ev_io_init(&child->channel_io, master_on_channel, child->channel, EV_READ);
    ev_io_init(&child->log_io, master_on_log, child->log, EV_READ);
    child->watcher.data = child;
    child->channel_io.data = child;
    child->log_io.data = child;
    ev_child_start(master->loop, &child->watcher);
    ev_io_start(master->loop, &child->channel_io);
    ev_io_start(master->loop, &child->log_io);
}

/* "gatepost status": the whole and each worker. */
static void master_status(const struct master *master, FILE *out)
{
    fprintf(out, "gatepost %s, master process %ld, configuration %s, up %ld seconds\n",
            GATEPOST_VERSION, (long)getpid(), master->directory,
            (long)(time(NULL) - master->started));
    for (size_t i = 0; i < master->child_count; i++) {
        const struct child *child = &master->children[i];
        struct worker_stats *stats = child->stats;
        fprintf(out,
                "worker %ld: %s, sessions open %llu, accepted %llu, TLS handshakes %llu, failed "
                "%llu, backend sessions %llu, failed %llu\n",
                (long)child->pid, child->ready ? "serving" : "starting",
                (unsigned long long)atomic_load(&stats->open),
                (unsigned long long)atomic_load(&stats->sessions),
                (unsigned long long)atomic_load(&stats->handshakes),
                (unsigned long long)atomic_load(&stats->handshake_failures),
                (unsigned long long)atomic_load(&stats->backend_sessions),
                (unsigned long long)atomic_load(&stats->backend_failures));
    }
}

static bool master_on_command(void *owner, const char *command, FILE *out)
{
    struct master *master = owner;

    if (strcmp(command, "status") == 0) {
        master_status(master, out);
        return true;
    }
    if (strcmp(command, "stop") == 0) {
        log_info("terminating on request");
        master_stop(master, EX_OK);
        return true;
    }
    fprintf(out, "gatepost: the daemon does not know \"%s\"\n", command);
    return false;
}

/* gatepost_workers as a number. */
static size_t worker_count(const struct config *config)
{
    const char *text = config_str(config, PARAM_gatepost_workers);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (strcmp(text, "auto") != 0)
        return (size_t)strtoul(text, NULL, 10);
    return cores > 0 ? (size_t)cores : 1;
}

/* Everything that can be found wrong before a process is started. */
static int master_prepare(struct master *master, const struct config *config, struct diag *diag)
{
    struct child_plan *plan = &master->plan;
    bool unix_backend = false;

    if (privileges_prepare(config, &plan->privileges, diag) != 0 ||
        listen_list_parse(config, &master->listeners, diag) != 0)
        return -1;
    plan->drain_time = (double)config_time(config, PARAM_gatepost_drain_time);
    plan->services = calloc(master->listeners.count, sizeof(struct service *));
    if (plan->services == NULL)
        abort();
    for (size_t i = 0; i < master->listeners.count; i++) {
        const struct listen_spec *spec = &master->listeners.specs[i];
        plan->services[i] =
            service_new(spec->name, spec->config, i > 0 ? plan->services[0] : NULL, diag);
        if (plan->services[i] == NULL)
            return -1;
        unix_backend |= plan->services[i]->upstream->endpoint.kind == ENDPOINT_UNIX;
        plan->service_count++;
    }
    if (listener_open(&master->listeners, &plan->sockets, diag) != 0)
        return -1;
    master->output = log_output_open(config, diag);
    if (master->output == NULL)
        return -1;
    master->control = control_open(master->loop, config_str(config, PARAM_gatepost_control_socket),
                                   master_on_command, master, diag);
    if (master->control == NULL)
        return -1;
    privileges_limit_master(&plan->privileges, unix_backend);
    return 0;
}

/* The children's records, and the memory that they count in. */
static void master_make_children(struct master *master, size_t count)
{
    size_t size = count * sizeof(struct worker_stats);

    master->children = calloc(count, sizeof(struct child));
    master->stats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (master->children == NULL || master->stats == MAP_FAILED)
        log_fatal("out of memory for %zu workers", count);
    master->child_count = count;
    for (size_t i = 0; i < count; i++) {
        struct child *child = &master->children[i];
        child->owner = master;
        child->stats = &master->stats[i];
        child->backoff = BACKOFF_FIRST;
        child->outspoken = i == 0;
        child->channel = child->log = -1;
        child->log_pending = malloc(LOG_PIPE_BUFFER);
        if (child->log_pending == NULL)
            log_fatal("out of memory for %zu workers", count);
        ev_init(&child->restart, master_on_restart);
        child->restart.data = child;
    }
}

/* Signals of the master. */
static void master_watch(struct master *master)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    ev_signal_init(&master->sigterm, master_on_signal, SIGTERM);
    ev_signal_init(&master->sigint, master_on_signal, SIGINT);
    ev_signal_init(&master->sigusr1, master_on_sigusr1, SIGUSR1);
    ev_init(&master->stop_timer, master_on_stop_timer);
    master->sigterm.data = master->sigint.data = master->sigusr1.data = master;
    master->stop_timer.data = master;
    ev_signal_start(master->loop, &master->sigterm);
    ev_signal_start(master->loop, &master->sigint);
    ev_signal_start(master->loop, &master->sigusr1);
}

/* Give back what the master holds. */
static void master_free(struct master *master)
{
    for (size_t i = 0; i < master->child_count; i++)
        free(master->children[i].log_pending);
    if (master->stats != NULL)
        munmap(master->stats, master->child_count * sizeof(struct worker_stats));
    free(master->children);
    control_close(master->control);
    for (size_t i = 0; i < master->plan.service_count; i++)
        service_free(master->plan.services[i]);
    free(master->plan.services);
    listener_close(&master->plan.sockets);
    listen_list_free(&master->listeners);
    log_set_sink(NULL, NULL);
    log_output_close(master->output);
}

int master_run(const struct config *config, const char *directory, struct diag *diag)
{
    struct master master = {.loop = ev_default_loop(EVFLAG_AUTO | EVFLAG_NOENV),
                            .directory = directory,
                            .started = time(NULL)};

    if (master.loop == NULL)
        log_fatal("cannot make an event loop");
    if (master_prepare(&master, config, diag) != 0) {
        master_free(&master);
        return EX_CONFIG;
    }
    log_output_set_starting(master.output, true);
    log_set_sink(master_log, master.output);
    master_watch(&master);
    master_make_children(&master, worker_count(config));
    for (size_t i = 0; i < master.child_count; i++)
        master_start_child(&master, &master.children[i]);
    ev_run(master.loop, 0);
    master_free(&master);
    return master.status;
}
