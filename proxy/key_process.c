#include "proxy/key_process.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "policy/diag_once.h"

#include "tls/key_service.h"

#include "proxy/chains.h"
#include "proxy/channel.h"
#include "proxy/log.h"
#include "proxy/sandbox.h"
#ifdef GATEPOST_TEST_HOOKS
#include "proxy/forbidden_calls.h"
#endif

#define REQUESTS_AT_ONCE 32 /* of one worker, before others get their turn */
#define PEERS_MAX 4096
#define PAUSE_SECONDS 0.02 /* of a worker that asks too often */
#define COMPLAINT_SECONDS 10.

struct key_process {
    struct ev_loop *loop;
    struct tls_key_service *service;
    int channel;
    struct key_peer *peers;
    size_t peer_count;
    bool leaving;      /* ends with the last worker */
    double complained; /* when refusals were last logged */
    unsigned refused;  /* since then */
    ev_io channel_io;
    ev_signal sigterm;
};

/* One worker. */
struct key_peer {
    struct key_process *process;
    struct key_peer *next, *previous;
    int fd;
    struct tls_key_rate rate;
    uint8_t *unsent; /* an answer that the socket had no room for; NULL: none */
    size_t unsent_length;
    ev_io io;
    ev_timer pause;
};

/* Over, if nobody needs keys any more. */
static void check_done(struct key_process *process)
{
    if (process->leaving && process->peers == NULL)
        ev_break(process->loop, EVBREAK_ALL);
}

/* Free a peer that is in the list no more. */
static void peer_free(struct key_peer *peer)
{
    ev_io_stop(peer->process->loop, &peer->io);
    ev_timer_stop(peer->process->loop, &peer->pause);
    close(peer->fd);
    if (peer->unsent != NULL)
        explicit_bzero(peer->unsent, peer->unsent_length);
    free(peer->unsent);
    free(peer);
}

/* The worker is gone. */
static void peer_close(struct key_peer *peer)
{
    struct key_process *process = peer->process;

    if (peer->next != NULL)
        peer->next->previous = peer->previous;
    if (peer->previous != NULL)
        peer->previous->next = peer->next;
    else
        process->peers = peer->next;
    process->peer_count--;
    peer_free(peer);
    check_done(process);
}

static void peer_watch(struct key_peer *peer, int events)
{
    ev_io_stop(peer->process->loop, &peer->io);
    ev_io_set(&peer->io, peer->fd, events);
    ev_io_start(peer->process->loop, &peer->io);
}

/* A worker asked for what it cannot have: worth a word now and then. */
static void complain(struct key_process *process, enum tls_key_status status)
{
    double now = ev_now(process->loop);

    process->refused++;
    if (now - process->complained < COMPLAINT_SECONDS)
        return;
    log_warning("refused %u requests of workers, the last: %s", process->refused,
                tls_key_status_text(status));
    process->complained = now;
    process->refused = 0;
}

/* Send, or keep for later and read nothing meanwhile. False: the worker is gone. */
static bool peer_send(struct key_peer *peer, const uint8_t *answer, size_t length)
{
    if (send(peer->fd, answer, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
        return false;
    if (peer->unsent != NULL)
        return true;
    peer->unsent = malloc(length);
    if (peer->unsent == NULL)
        return false;
    memcpy(peer->unsent, answer, length);
    peer->unsent_length = length;
    peer_watch(peer, EV_WRITE);
    return true;
}

/* The socket has room again. */
static bool peer_resume(struct key_peer *peer)
{
    if (send(peer->fd, peer->unsent, peer->unsent_length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
    explicit_bzero(peer->unsent, peer->unsent_length);
    free(peer->unsent);
    peer->unsent = NULL;
    peer_watch(peer, EV_READ);
    return true;
}

/* Read one request and answer it. 1; 0: nothing there; -1: the worker is gone. */
static int peer_answer(struct key_peer *peer)
{
    uint8_t request[TLS_KEY_REQUEST_MAX + 1]; /* one more: too long shows */
    uint8_t answer[TLS_KEY_ANSWER_MAX];
    enum tls_key_status status;

    ssize_t got = recv(peer->fd, request, sizeof(request), MSG_DONTWAIT);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    size_t length =
        tls_key_service_answer(peer->process->service, request, (size_t)got, answer, &status);
    if (status != TLS_KEY_DONE)
        complain(peer->process, status);
    bool sent = peer_send(peer, answer, length);
    explicit_bzero(answer, length);
    return sent ? 1 : -1;
}

static void peer_on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct key_peer *peer = io->data;
    int more = 1;

    if (events & EV_WRITE && !peer_resume(peer))
        more = -1;
    for (int i = 0; i < REQUESTS_AT_ONCE && more > 0 && peer->unsent == NULL; i++) {
        if (!tls_key_rate_take(&peer->rate, ev_now(loop))) {
            ev_io_stop(loop, io);
            ev_timer_set(&peer->pause, PAUSE_SECONDS, 0.);
            ev_timer_start(loop, &peer->pause);
            return;
        }
        more = peer_answer(peer);
    }
    if (more < 0)
        peer_close(peer);
}

static void peer_on_pause(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct key_peer *peer = timer->data;

    (void)loop;
    (void)events;
    peer_watch(peer, EV_READ);
}

/* A new worker's socket. */
static void peer_open(struct key_process *process, int fd)
{
    struct key_peer *peer = process->peer_count < PEERS_MAX ? calloc(1, sizeof(*peer)) : NULL;

    if (peer == NULL) {
        log_warning("too many workers, or out of memory");
        close(fd);
        return;
    }
    peer->process = process;
    peer->fd = fd;
    peer->next = process->peers;
    if (peer->next != NULL)
        peer->next->previous = peer;
    process->peers = peer;
    process->peer_count++;
    ev_io_init(&peer->io, peer_on_io, fd, EV_READ);
    ev_init(&peer->pause, peer_on_pause);
    peer->io.data = peer;
    peer->pause.data = peer;
    ev_io_start(process->loop, &peer->io);
}

/* The master has a worker for us, or is gone. */
static void on_channel(struct ev_loop *loop, ev_io *io, int events)
{
    const struct channel_message pong = {.kind = CHANNEL_PONG};
    struct key_process *process = io->data;
    struct channel_message message;
    int fd;

    (void)events;
    int got = channel_receive(process->channel, &message, &fd);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR && errno != EPROTO)) {
        ev_io_stop(loop, io);
        process->leaving = true;
        check_done(process);
    } else if (got > 0 && message.kind == CHANNEL_KEYS && fd >= 0) {
        peer_open(process, fd);
    } else if (got > 0 && message.kind == CHANNEL_PING) {
        (void)channel_send(process->channel, &pong, -1);
    } else if (fd >= 0) {
        close(fd);
    }
}

static void on_sigterm(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct key_process *process = signal->data;

    (void)loop;
    (void)events;
    process->leaving = true;
    check_done(process);
}

/* The keys of one service, and its chains. */
static int load_service(struct key_process *process, const struct service *service,
                        struct tls_chain_bytes *chains, struct diag *diag)
{
    unsigned errors = diag->errors;
    struct tls_credentials *credentials = service_load_credentials(service, true, diag);

    if (credentials == NULL && diag->errors > errors)
        return -1;
    bool good = tls_chains_write(chains, credentials) &&
                (credentials == NULL ||
                 tls_key_service_add(process->service, credentials, service_static_rsa(service)));
    tls_credentials_free(credentials);
    if (!good)
        diag_error(diag, "%s: out of memory, or too many certificates", service->name);
    return good ? 0 : -1;
}

/* Everything that is to be read, while it can be. Returns a descriptor with the chains, or -1. */
static int load(struct key_process *process, const struct key_process_job *job, uint32_t *digest,
                struct diag *diag)
{
    struct tls_chain_bytes chains = {0};
    struct diag_once once;
    int status = 0;
    int fd = -1;

    diag_once_begin(&once, diag);
    for (size_t i = 0; i < job->service_count; i++)
        if (load_service(process, job->services[i], &chains, &once.diag) != 0)
            status = -1;
    if (status == 0 && (fd = chains_seal(&chains)) < 0)
        diag_error(&once.diag, "cannot pass certificate chains on: %s", strerror(errno));
    *digest = chains_digest(&chains);
    diag_once_end(&once);
    free(chains.bytes);
    return fd;
}

/* Serve until the end. */
static void serve(struct key_process *process, bool sandbox, int chains, uint32_t digest)
{
    const struct channel_message ready = {.kind = CHANNEL_READY, .id = digest};

    process->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (process->loop == NULL)
        log_fatal("cannot make an event loop: %s", strerror(errno));
    process->complained = -COMPLAINT_SECONDS;
    ev_signal_init(&process->sigterm, on_sigterm, SIGTERM);
    process->sigterm.data = process;
    ev_signal_start(process->loop, &process->sigterm);
    ev_io_init(&process->channel_io, on_channel, process->channel, EV_READ);
    process->channel_io.data = process;
    ev_io_start(process->loop, &process->channel_io);
#ifdef GATEPOST_TEST_HOOKS
    forbidden_calls_watch(process->loop);
#endif
    if (sandbox)
        sandbox_enter(SANDBOX_KEYS);
    if (channel_send(process->channel, &ready, chains) != 0)
        log_fatal("cannot tell the master: %s", strerror(errno));
    close(chains);
    ev_run(process->loop, 0);
    while (process->peers != NULL) {
        struct key_peer *peer = process->peers;
        process->peers = peer->next;
        peer_free(peer);
    }
    ev_loop_destroy(process->loop);
}

int key_process_run(const struct key_process_job *job, struct diag *diag)
{
    struct key_process process = {.channel = job->channel, .service = tls_key_service_new()};
    uint32_t digest;

    if (process.service == NULL)
        log_fatal("out of memory for keys");
    int chains = load(&process, job, &digest, diag);
    if (chains >= 0) {
        privileges_drop(job->privileges);
        serve(&process, job->sandbox, chains, digest);
    }
    tls_key_service_free(process.service);
    return chains >= 0 ? EX_OK : EX_CONFIG;
}
