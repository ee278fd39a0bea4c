#include "proxy/generation.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "proxy/channel.h"
#include "proxy/generation_keys.h"
#include "proxy/log.h"
#include "proxy/unix_connect.h"

#define BACKOFF_SERVED_MAX 1. /* of one that had served: what ends it must not end the service */
#define BACKOFF_MAX 30.
#define KILL_EXTRA_SECONDS 10.
#define PINGS_MAX 2        /* unanswered */
#define TICKET_SECONDS 60. /* how often keys of session tickets are looked at */

static void start_child(struct generation *generation, struct child *child);

/* Is a worker running? */
static bool has_workers(const struct generation *generation)
{
    for (size_t i = 0; i < generation->child_count; i++)
        if (generation->children[i].pid != 0)
            return true;
    return false;
}

bool generation_is_over(const struct generation *generation)
{
    return generation->keys.pid == 0 && !has_workers(generation);
}

/* No worker needs keys any more. */
static void end_keys(struct generation *generation)
{
    ev_timer_stop(generation->loop, &generation->keys.restart);
    if (generation->keys.pid != 0)
        kill(generation->keys.pid, SIGTERM);
}

static void signal_children(const struct generation *generation, int signal_number)
{
    for (size_t i = 0; i < generation->child_count; i++)
        if (generation->children[i].pid != 0)
            kill(generation->children[i].pid, signal_number);
}

static void on_kill_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct generation *generation = timer->data;

    (void)loop;
    (void)events;
    log_warning("workers do not end in time: killing them");
    signal_children(generation, SIGKILL);
    if (generation->keys.pid != 0)
        kill(generation->keys.pid, SIGKILL);
}

void generation_leave(struct generation *generation, int signal_number)
{
    bool leaving = generation->state == GENERATION_LEAVING;

    generation->state = GENERATION_LEAVING;
    listener_close(&generation->plan.sockets);
    listener_close(&generation->plan.policy_sockets);
    listener_close(&generation->plan.metrics_sockets);
    for (size_t i = 0; i < generation->child_count; i++)
        ev_timer_stop(generation->loop, &generation->children[i].restart);
    signal_children(generation, signal_number);
    if (!has_workers(generation))
        end_keys(generation);
    if (!leaving) {
        ev_timer_set(&generation->kill_timer, generation->plan.drain_time + KILL_EXTRA_SECONDS, 0.);
        ev_timer_start(generation->loop, &generation->kill_timer);
    }
}

/* The first time that all workers serve. */
static void check_serving(struct generation *generation)
{
    if (generation->state != GENERATION_STARTING)
        return;
    for (size_t i = 0; i < generation->child_count; i++)
        if (!generation->children[i].ready)
            return;
    generation->state = GENERATION_SERVING;
    generation->events->serving(generation);
}

/* The backend that a worker means; NULL: there is no such one. */
static const struct backend *backend_of(const struct generation *generation,
                                        const struct channel_message *request)
{
    if (request->value < 0 || (size_t)request->value >= generation->plan.service_count)
        return NULL;
    const struct backend_list *list = &generation->plan.services[request->value]->upstream->list;
    return request->index >= 0 && (size_t)request->index < list->count
               ? &list->backends[request->index]
               : NULL;
}

/* A worker wants a connection to the UNIX socket of one of its listeners' backends. */
static void connect_for(const struct generation *generation, const struct child *child,
                        const struct channel_message *request)
{
    struct channel_message answer = {.kind = CHANNEL_CONNECTED, .id = request->id};
    int fd = -1;

    const struct backend *backend = backend_of(generation, request);
    if (backend == NULL || backend->path == NULL) {
        answer.value = EINVAL;
    } else {
        fd = unix_connect(backend->path);
        answer.value = fd < 0 ? errno : 0;
    }
    if (channel_send(child->channel, &answer, fd) != 0)
        log_warning("cannot answer worker %ld: %s", (long)child->pid, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* The key process is ready: workers that wait for one are started, the others are told. */
static void keys_ready(struct generation *generation)
{
    for (size_t i = 0; i < generation->child_count; i++) {
        struct child *child = &generation->children[i];
        if (child->pid != 0)
            generation_keys_pass(generation, child);
        else if (generation->state != GENERATION_LEAVING && !ev_is_active(&child->restart))
            start_child(generation, child);
    }
    if (generation->state == GENERATION_LEAVING && !has_workers(generation))
        end_keys(generation); /* it did not hear that when it was told */
}

static void on_keys_channel(struct ev_loop *loop, ev_io *io, int events)
{
    struct generation *generation = io->data;

    (void)events;
    switch (generation_keys_receive(generation)) {
    case GENERATION_KEYS_NOTHING:
        return;
    case GENERATION_KEYS_GONE:
        ev_io_stop(loop, io);
        return;
    case GENERATION_KEYS_READY:
        keys_ready(generation);
        return;
    case GENERATION_KEYS_STALE:
        keys_ready(generation);
        generation->events->stale(generation);
    }
}

static void on_channel(struct ev_loop *loop, ev_io *io, int events)
{
    struct child *child = io->data;
    struct generation *generation = child->owner;
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
        if (generation->state == GENERATION_LEAVING)
            kill(child->pid, SIGTERM); /* it did not hear that when it was told */
        check_serving(generation);
    } else if (got > 0 && message.kind == CHANNEL_PONG) {
        child->pings = 0;
    } else if (got > 0 && message.kind == CHANNEL_CONNECT) {
        connect_for(generation, child, &message);
    } else if (got > 0 && message.kind == CHANNEL_STRESS) {
        generation->events->load(generation);
    }
}

static void on_log(struct ev_loop *loop, ev_io *io, int events)
{
    struct child *child = io->data;
    struct generation *generation = child->owner;

    (void)events;
    if (!child_read_log(child, generation->output))
        ev_io_stop(loop, io);
}

/* "exited with status 70", "was killed by signal 9". */
static void log_exit(const struct child *child, int status)
{
    if (WIFSIGNALED(status))
        log_warning("process %ld was killed by signal %d", (long)child->pid, WTERMSIG(status));
    else
        log_warning("process %ld exited with status %d", (long)child->pid, WEXITSTATUS(status));
}

/* CHILD holds nothing any more. */
static void release_slot(const struct generation *generation, struct child *child)
{
    worker_slots_release(generation->plan.slots, child->slot);
    child->slot = -1;
}

/* A child is gone: take back what led to it. */
static void reap_child(struct generation *generation, struct child *child, int status)
{
    child_reap(child, generation->loop, generation->output);
    if (generation->state != GENERATION_LEAVING || status != 0)
        log_exit(child, status);
    child_close(child);
    child->outspoken = false;
    if (child->stats != NULL)
        atomic_store(&child->stats->open, 0);
    release_slot(generation, child);
    generation->events->load(generation);
}

static void on_exit_of_child(struct ev_loop *loop, ev_child *watcher, int events)
{
    struct child *child = watcher->data;
    struct generation *generation = child->owner;
    bool keys = child->role == CHILD_KEYS;
    const double pause = child->ready ? BACKOFF_SERVED_MAX : BACKOFF_MAX; /* at most */
    int status = watcher->rstatus;

    (void)loop;
    (void)events;
    reap_child(generation, child, status);
    switch (generation->state) {
    case GENERATION_STARTING:
        log_error("a %s failed while starting", keys ? "key process" : "worker");
        generation->events->failed(generation, WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG
                                                   ? EX_CONFIG
                                                   : EX_UNAVAILABLE);
        return;
    case GENERATION_LEAVING:
        if (!has_workers(generation))
            end_keys(generation);
        if (generation_is_over(generation))
            generation->events->ended(generation);
        else if (keys)
            child_restart_later(child, generation->loop, pause);
        return;
    case GENERATION_SERVING:
        atomic_fetch_add(
            &generation->plan.facts->restarts[keys ? METRICS_ROLE_KEYS : METRICS_ROLE_WORKER], 1);
        child_restart_later(child, generation->loop, pause);
    }
}

static void on_restart(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct child *child = timer->data;

    (void)loop;
    (void)events;
    start_child(child->owner, child);
}

/* In the new process. */
static void forget_master(void *owner)
{
    struct generation *generation = owner;
    generation->events->forget(generation);
}

/* CHILD could not be started. */
static void start_failed(struct generation *generation, struct child *child)
{
    log_error("cannot start a process: %s", strerror(errno));
    release_slot(generation, child);
    ev_timer_set(&child->restart, BACKOFF_MAX, 0.);
    ev_timer_start(generation->loop, &child->restart);
}

/* Fork CHILD and watch it. A worker that has no key process yet is started when there is one. */
static void start_child(struct generation *generation, struct child *child)
{
    bool worker = child->role == CHILD_WORKER;
    int keys = -1;

    child->started = ev_now(generation->loop);
    if (worker && !generation->keys.ready)
        return;
    if (worker && (child->slot = worker_slots_take(generation->plan.slots)) < 0) {
        start_failed(generation, child);
        return;
    }
    if (worker && (keys = generation_keys_way(generation)) < 0) {
        release_slot(generation, child);
        /* the key process is gone, it was well itself */
        child_restart_later(child, generation->loop, BACKOFF_SERVED_MAX);
        return;
    }
    if (child_start(child, &generation->plan, keys, forget_master) != 0) {
        start_failed(generation, child);
        return;
    }
    ev_child_init(&child->watcher, on_exit_of_child, child->pid, 0);
    ev_io_init(&child->channel_io, worker ? on_channel : on_keys_channel, child->channel, EV_READ);
    ev_io_init(&child->log_io, on_log, child->log, EV_READ);
    child->watcher.data = child;
    child->channel_io.data = worker ? (void *)child : generation;
    child->log_io.data = child;
    ev_child_start(generation->loop, &child->watcher);
    ev_io_start(generation->loop, &child->channel_io);
    ev_io_start(generation->loop, &child->log_io);
}

/* The record of a child that is not running. */
static void init_child(struct generation *generation, struct child *child, enum child_role role)
{
    child->role = role;
    child->owner = generation;
    child->backoff = CHILD_BACKOFF_FIRST;
    child->channel = child->log = child->slot = -1;
    child->reader = log_pipe_reader_new();
    if (child->reader == NULL)
        log_fatal("out of memory for processes");
    ev_init(&child->restart, on_restart);
    child->restart.data = child;
}

/* The children's records, and the memory that they count in. */
static void make_children(struct generation *generation)
{
    size_t count = blueprint_workers(generation->blueprint);
    size_t size = count * sizeof(struct worker_stats);

    generation->children = calloc(count, sizeof(struct child));
    generation->stats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    generation->plan.certificates = metrics_certificates_new();
    if (generation->children == NULL || generation->stats == MAP_FAILED ||
        generation->plan.certificates == NULL)
        log_fatal("out of memory for %zu workers", count);
    generation->child_count = count;
    for (size_t i = 0; i < count; i++) {
        init_child(generation, &generation->children[i], CHILD_WORKER);
        generation->children[i].stats = &generation->stats[i];
        generation->children[i].outspoken = i == 0;
    }
    init_child(generation, &generation->keys, CHILD_KEYS);
    generation->keys.outspoken = true;
}

static void on_ticket_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct generation *generation = timer->data;

    (void)loop;
    (void)events;
    blueprint_advance_tickets(generation->blueprint);
}

/* What the children are made from. */
static void make_plan(struct generation *generation)
{
    const struct blueprint *blueprint = generation->blueprint;

    generation->plan = (struct child_plan){
        .services = blueprint->services,
        .service_count = blueprint->service_count,
        .policy_service = blueprint->policy_service,
        .privileges = blueprint->privileges,
        .drain_time = (double)config_time(blueprint->config, PARAM_gatepost_drain_time),
        .totals = blueprint->totals,
        .chains = -1,
        .ledger = -1,
        .sandbox = config_bool(blueprint->config, PARAM_gatepost_sandbox),
    };
}

/* With the same blueprint nothing can be new about the sockets. */
static int open_sockets(struct generation *generation, const struct generation *previous,
                        struct diag *diag)
{
    const struct listener_sockets *present = previous != NULL ? &previous->plan.sockets : NULL;

    if (policy_service_listen(generation->blueprint->policy_service,
                              previous != NULL ? &previous->plan.policy_sockets : NULL,
                              &generation->plan.policy_sockets, diag) != 0 ||
        metrics_listen_open(&generation->blueprint->metrics,
                            previous != NULL ? &previous->plan.metrics_sockets : NULL,
                            &generation->plan.metrics_sockets, diag) != 0)
        return -1;
    if (previous != NULL && previous->blueprint == generation->blueprint)
        return listener_copy(present, &generation->plan.sockets, diag);
    return listener_open(&generation->blueprint->listeners, present, &generation->plan.sockets,
                         diag);
}

struct generation *generation_new(struct blueprint *blueprint, const struct generation *previous,
                                  struct diag *diag)
{
    struct generation *generation = calloc(1, sizeof(*generation));

    if (generation == NULL)
        abort();
    generation->blueprint = blueprint;
    make_plan(generation);
    ev_init(&generation->kill_timer, on_kill_timer);
    generation->kill_timer.data = generation;
    ev_timer_init(&generation->ticket_timer, on_ticket_timer, TICKET_SECONDS, TICKET_SECONDS);
    generation->ticket_timer.data = generation;
    if (open_sockets(generation, previous, diag) == 0)
        return generation;
    generation_free(generation);
    return NULL;
}

void generation_start(struct generation *generation)
{
    make_children(generation);
    ev_timer_start(generation->loop, &generation->ticket_timer);
    start_child(generation, &generation->keys);
}

/* Ask one child. */
static bool ping_child(struct child *child)
{
    const struct channel_message ping = {.kind = CHANNEL_PING};

    if (child->pid == 0 || !child->ready)
        return true; /* it is being replaced */
    bool well = child->pings < PINGS_MAX;
    if (well)
        child->pings++;
    (void)channel_send(child->channel, &ping, -1); /* a full channel is not answered either */
    return well;
}

bool generation_ping(struct generation *generation)
{
    bool well = ping_child(&generation->keys);

    for (size_t i = 0; i < generation->child_count; i++)
        well = ping_child(&generation->children[i]) && well;
    return well;
}

/* In a new process: close what leads to CHILD. */
static void forget_child(const struct generation *generation, struct child *child)
{
    ev_child_stop(generation->loop, &child->watcher);
    if (child->pid != 0 && child->channel >= 0)
        child_close(child);
}

void generation_forget(struct generation *generation, bool own)
{
    for (size_t i = 0; i < generation->child_count; i++)
        forget_child(generation, &generation->children[i]);
    forget_child(generation, &generation->keys);
    listener_close(&generation->plan.metrics_sockets);
    if (own)
        return;
    listener_close(&generation->plan.sockets);
    listener_close(&generation->plan.policy_sockets);
    if (generation->plan.chains >= 0)
        close(generation->plan.chains);
    generation->plan.chains = -1;
}

void generation_free(struct generation *generation)
{
    if (generation == NULL)
        return;
    if (generation->loop != NULL) {
        ev_timer_stop(generation->loop, &generation->kill_timer);
        ev_timer_stop(generation->loop, &generation->ticket_timer);
    }
    for (size_t i = 0; i < generation->child_count; i++)
        log_pipe_reader_free(generation->children[i].reader);
    log_pipe_reader_free(generation->keys.reader);
    if (generation->plan.chains >= 0)
        close(generation->plan.chains);
    if (generation->stats != NULL)
        munmap(generation->stats, generation->child_count * sizeof(struct worker_stats));
    free(generation->children);
    listener_close(&generation->plan.sockets);
    listener_close(&generation->plan.policy_sockets);
    listener_close(&generation->plan.metrics_sockets);
    metrics_certificates_free(generation->plan.certificates);
    blueprint_unref(generation->blueprint);
    free(generation);
}
