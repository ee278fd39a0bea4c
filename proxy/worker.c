#include "proxy/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "proxy/channel.h"
#include "proxy/connection.h"
#include "proxy/connection_io.h"
#include "proxy/log.h"
#include "proxy/sandbox.h"
#include "proxy/service_tickets.h"
#ifdef GATEPOST_TEST_HOOKS
#include "proxy/forbidden_calls.h"
#endif

#define ACCEPTS_AT_ONCE 16
#define ACCEPT_PAUSE_SECONDS 1.
#define MINUTE_SECONDS 60.
#define LOG_DELAY_SECONDS 0.02 /* so that many records go out together */
#define STRESS_SECONDS 1.

/* Stop or start to accept on all sockets. */
static void worker_accepting(struct worker *worker, bool on)
{
    for (size_t i = 0; i < worker->socket_count; i++) {
        if (on)
            ev_io_start(worker->loop, &worker->sockets[i].io);
        else
            ev_io_stop(worker->loop, &worker->sockets[i].io);
    }
}

static void worker_on_accept_pause(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;

    (void)loop;
    (void)events;
    if (!worker->leaving)
        worker_accepting(worker, true);
}

/* accept(2) failed for a reason that will not pass at once: do not spin. */
static void worker_pause(struct worker *worker, int error)
{
    log_warning("cannot accept connections: %s", strerror(error));
    worker_accepting(worker, false);
    ev_timer_stop(worker->loop, &worker->accept_pause);
    ev_timer_set(&worker->accept_pause, ACCEPT_PAUSE_SECONDS, 0.);
    ev_timer_start(worker->loop, &worker->accept_pause);
}

static void worker_on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    struct worker_socket *listening = io->data;
    struct worker_listener *listener = listening->listener;

    (void)loop;
    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof(peer);
        int fd =
            accept4(listening->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            connection_open(listener, fd, (const struct sockaddr *)&peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            worker_pause(listener->worker, errno);
        if (errno == ECONNABORTED || errno == EINTR)
            continue;
        return;
    }
}

/* Something is known of a backend of LISTENER: connections that waited for that can go on. */
static void worker_on_heard(void *owner, bool failed)
{
    struct worker_listener *listener = owner;
    struct connection *next;

    if (failed) {
        atomic_fetch_add(&listener->worker->stats->backend_failures, 1);
        metrics_add(&listener->worker->metrics->backend_failures, 1);
    }
    for (struct connection *one = listener->worker->connections; one != NULL; one = next) {
        next = one->next;
        if (one->listener == listener && one->session.wants_capabilities) {
            one->session.wants_capabilities = false;
            connection_work(one);
        }
    }
}

/* Everything has ended, or its time is up. */
static void worker_check_done(struct worker *worker)
{
    if (worker->leaving && worker->connection_count == 0)
        ev_break(worker->loop, EVBREAK_ALL);
}

/* End all sessions at their next pause; FORCE: now. */
static void worker_drain_all(struct worker *worker, bool force)
{
    struct connection *next;

    for (struct connection *one = worker->connections; one != NULL; one = next) {
        next = one->next;
        connection_drain(one, force);
    }
}

static void worker_on_drain_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;

    (void)events;
    if (timer->repeat > 0.) { /* the last words have had their time */
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    log_warning("%zu sessions are cut off after gatepost_drain_time", worker->connection_count);
    worker_drain_all(worker, true);
    ev_timer_set(timer, 0., 2.);
    ev_timer_again(loop, timer);
}

/* No new clients; sessions under way may go on for a while. */
static void worker_leave(struct worker *worker)
{
    if (worker->leaving)
        return;
    worker->leaving = true;
    worker_accepting(worker, false);
    for (size_t i = 0; i < worker->socket_count; i++)
        close(worker->sockets[i].fd);
    ev_timer_set(&worker->drain_timer, worker->drain_time, 0.);
    ev_timer_start(worker->loop, &worker->drain_timer);
}

/* Stop: sessions under way may finish their transaction. */
static void worker_drain(struct worker *worker)
{
    if (worker->draining)
        return;
    worker_leave(worker);
    worker->draining = true;
    worker_drain_all(worker, false);
}

static void worker_on_sigusr2(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct worker *worker = signal->data;

    (void)loop;
    (void)events;
    worker_leave(worker);
    policy_server_leave(worker->policy_server);
}

static void worker_on_sigterm(struct ev_loop *loop, ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    worker_drain(signal->data);
}

/* Answers of the master; its end of the channel closed means that it is gone. */
static void worker_on_channel(struct ev_loop *loop, ev_io *io, int events)
{
    struct worker *worker = io->data;
    const struct channel_message pong = {.kind = CHANNEL_PONG};
    struct channel_message message;
    int fd;

    (void)events;
    int got = channel_receive(worker->channel.fd, &message, &fd);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR && errno != EPROTO)) {
        ev_io_stop(loop, io);
        worker_drain(worker);
    } else if (got > 0 && message.kind == CHANNEL_CONNECTED) {
        dial_answer(&worker->channel, message.id, fd, message.value);
    } else if (got > 0 && message.kind == CHANNEL_KEYS && fd >= 0) {
        key_link_attach(worker->keys, fd);
    } else if (got > 0 && message.kind == CHANNEL_PING) {
        (void)channel_send(worker->channel.fd, &pong, -1);
    } else if (fd >= 0) {
        close(fd);
    }
}

/* Connections that gave way to others. */
static void worker_on_idle(struct ev_loop *loop, ev_idle *idle, int events)
{
    struct worker *worker = idle->data;
    size_t turns = 0;

    (void)events;
    for (const struct connection *one = worker->again; one != NULL; one = one->next_again)
        turns++;
    /* Working on one may put it behind the others, and may end others, which then have left. */
    for (; turns > 0 && worker->again != NULL; turns--) {
        struct connection *one = worker->again;
        connection_not_again(one);
        connection_work(one);
    }
    if (worker->again == NULL)
        ev_idle_stop(loop, idle);
}

/* Keys of session tickets whose time has passed are wiped, and backends that fail are asked,
 * whether a client comes or not. */
static void worker_on_minute(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct worker *worker = timer->data;

    (void)loop;
    (void)events;
    for (size_t i = 0; i < worker->listener_count; i++) {
        const struct service_list one = {&worker->listeners[i].service, 1};
        service_tickets_advance(one);
        backend_watch_failing(worker->listeners[i].watch);
    }
}

static void worker_on_log_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct worker *worker = timer->data;

    (void)loop;
    (void)events;
    log_flush();
    ledger_link_flush(worker->ledger);
}

/* Stress mode holds for new clients at once; for those that are waited for, and for the master's
 * log, it is enough to look now and then, so that nobody has to be told. */
static void worker_on_stress_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct channel_message changed = {.kind = CHANNEL_STRESS};
    struct worker *worker = timer->data;
    uint32_t changes = limits_stress_changes(worker->limits);

    (void)events;
    if (worker->stress_told != changes && channel_send(worker->channel.fd, &changed, -1) == 0)
        worker->stress_told = changes;
    if (worker->stress_seen != changes)
        for (struct connection *one = worker->connections; one != NULL; one = one->next)
            connection_retime(one);
    worker->stress_seen = changes;
    if (worker->connection_count == 0 && worker->stress_told == changes)
        ev_timer_stop(loop, timer);
}

void worker_opened(struct worker *worker)
{
    if (!ev_is_active(&worker->stress_timer))
        ev_timer_again(worker->loop, &worker->stress_timer);
}

/* The watchers of the process itself. */
static void worker_watch(struct worker *worker)
{
    ev_init(&worker->accept_pause, worker_on_accept_pause);
    worker->accept_pause.data = worker;
    ev_init(&worker->drain_timer, worker_on_drain_timer);
    worker->drain_timer.data = worker;
    ev_timer_init(&worker->minute_timer, worker_on_minute, MINUTE_SECONDS, MINUTE_SECONDS);
    worker->minute_timer.data = worker;
    ev_timer_start(worker->loop, &worker->minute_timer);
    ev_init(&worker->log_timer, worker_on_log_timer);
    worker->log_timer.data = worker;
    ev_init(&worker->stress_timer, worker_on_stress_timer);
    worker->stress_timer.repeat = STRESS_SECONDS;
    worker->stress_timer.data = worker;
    worker->stress_seen = worker->stress_told = limits_stress_changes(worker->limits);
    ev_idle_init(&worker->idle, worker_on_idle);
    worker->idle.data = worker;
    worker->again_end = &worker->again;
    ev_set_priority(&worker->idle, EV_MAXPRI);
    ev_signal_init(&worker->sigterm, worker_on_sigterm, SIGTERM);
    worker->sigterm.data = worker;
    ev_signal_start(worker->loop, &worker->sigterm);
    ev_signal_init(&worker->sigusr2, worker_on_sigusr2, SIGUSR2);
    worker->sigusr2.data = worker;
    ev_signal_start(worker->loop, &worker->sigusr2);
    ev_io_init(&worker->channel_io, worker_on_channel, worker->channel.fd, EV_READ);
    worker->channel_io.data = worker;
    ev_io_start(worker->loop, &worker->channel_io);
}

/* One listener: its backends. */
static void worker_listen(struct worker *worker, const struct worker_job *job, size_t index)
{
    struct worker_listener *listener = &worker->listeners[index];
    struct service *service = job->services[index];

    listener->worker = worker;
    listener->service = service;
    listener->index = (int)index;
    const struct backend_watch_job watch = {
        .loop = worker->loop,
        .upstream = service->upstream,
        .channel = &worker->channel,
        .listener = listener->index,
        .hostname = service->hostname,
        .heard = worker_on_heard,
        .owner = listener,
    };
    listener->watch = backend_watch_new(&watch);
}

/* The sockets, ready to accept. */
static void worker_open_sockets(struct worker *worker, const struct worker_job *job)
{
    worker->socket_count = job->sockets->count;
    worker->sockets = calloc(worker->socket_count, sizeof(*worker->sockets));
    if (worker->sockets == NULL)
        log_fatal("out of memory for a worker");
    for (size_t i = 0; i < worker->socket_count; i++) {
        struct worker_socket *listening = &worker->sockets[i];
        listening->listener = &worker->listeners[job->sockets->sockets[i].spec];
        listening->fd = job->sockets->sockets[i].fd;
        ev_io_init(&listening->io, worker_on_accept, listening->fd, EV_READ);
        listening->io.data = listening;
    }
    worker_accepting(worker, true);
}

/* Before each wait: what was logged or observed is to go out soon; a draining worker whose last
 * session has ended leaves. */
static void worker_before_wait(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct worker *worker = prepare->data;

    (void)events;
    if ((log_waits() || ledger_link_waits(worker->ledger)) && !ev_is_active(&worker->log_timer)) {
        ev_timer_set(&worker->log_timer, LOG_DELAY_SECONDS, 0.);
        ev_timer_start(loop, &worker->log_timer);
    }
    worker_check_done(worker);
}

int worker_run(const struct worker_job *job)
{
    const struct channel_message ready = {.kind = CHANNEL_READY};
    struct worker *worker = calloc(1, sizeof(*worker));
    ev_prepare prepare;

    if (worker == NULL)
        log_fatal("out of memory for a worker");
    worker->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (worker->loop == NULL)
        log_fatal("cannot make an event loop: %s", strerror(errno));
    worker->channel.fd = job->channel;
    worker->keys = job->keys;
    key_link_start(worker->keys, worker->loop);
    worker->ledger = job->ledger;
    worker->stats = job->stats;
    worker->metrics = job->metrics;
    worker->limits = job->limits;
    worker->slot = job->slot;
    worker->chance = job->chance;
    worker->sessions = job->policy_service != NULL ? job->sessions : NULL;
    worker->drain_time = job->drain_time;
    worker->listener_count = job->listener_count;
    worker->listeners = calloc(job->listener_count, sizeof(*worker->listeners));
    if (worker->listeners == NULL)
        log_fatal("out of memory for a worker");
    worker_watch(worker);
    ev_prepare_init(&prepare, worker_before_wait);
    prepare.data = worker;
    ev_prepare_start(worker->loop, &prepare);
    for (size_t i = 0; i < job->listener_count; i++)
        worker_listen(worker, job, i);
    worker_open_sockets(worker, job);
    worker->policy_server =
        policy_server_new(worker->loop, job->policy_service, job->policy_sockets, job->sessions);
#ifdef GATEPOST_TEST_HOOKS
    forbidden_calls_watch(worker->loop);
#endif
    if (job->sandbox)
        sandbox_enter(SANDBOX_WORKER);
    if (channel_send(job->channel, &ready, -1) != 0)
        log_fatal("cannot tell the master: %s", strerror(errno));
    log_collect();
    ev_run(worker->loop, 0);

    for (size_t i = 0; i < worker->listener_count; i++)
        backend_watch_stop(worker->listeners[i].watch);
    while (worker->connections != NULL) {
        worker->connections->dead = true;
        connection_work(worker->connections);
    }
    policy_server_free(worker->policy_server);
    for (size_t i = 0; i < worker->listener_count; i++)
        backend_watch_free(worker->listeners[i].watch);
    log_flush();
    ledger_link_free(worker->ledger);
    key_link_free(worker->keys);
    ev_loop_destroy(worker->loop);
    free(worker->sockets);
    free(worker->listeners);
    free(worker);
    return EX_OK;
}
