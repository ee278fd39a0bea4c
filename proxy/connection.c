#include "proxy/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/connection_backend.h"
#include "proxy/connection_io.h"
#include "proxy/connection_proxy.h"
#include "proxy/connection_timer.h"
#include "proxy/handshake_log.h"
#include "proxy/log.h"
#include "proxy/monotonic.h"
#include "proxy/session_chance.h"

#define ROUNDS_MAX 16 /* of reading and writing before others get their turn */

/* The key process has answered. */
static void connection_key_ready(void *arg)
{
    struct connection *connection = arg;

    connection->tls_wants_key = false;
    connection->client_readable = true;
    connection_work(connection);
}

static const struct tls_transport connection_transport = {
    .recv = connection_tls_recv,
    .send = connection_tls_send,
    .key_ready = connection_key_ready,
};

/* The session asks what protects it. */
static bool connection_summary(const struct session *session, struct tls_summary *summary)
{
    const struct connection *connection = (const struct connection *)session;

    if (connection->tls == NULL)
        return false;
    tls_conn_summary(connection->tls, summary);
    return true;
}

/* The session asks whether the client's certificate will do. */
static const char *connection_refusal(const struct session *session)
{
    const struct connection *connection = (const struct connection *)session;

    switch (tls_conn_ccert(connection->tls)) {
    case TLS_CCERT_NOT_REQUIRED:
    case TLS_CCERT_OK:
        break;
    case TLS_CCERT_MISSING:
        return "No client certificate presented";
    case TLS_CCERT_UNTRUSTED:
    case TLS_CCERT_NO_MATCH:
        return "Client certificate not trusted";
    }
    return NULL;
}

/* The session asks for the server name. */
static const char *connection_server_name(const struct session *session)
{
    return tls_conn_server_name(((const struct connection *)session)->tls);
}

/* The session asks why TLS came to nothing. */
static const struct tls_failure_reason *connection_failure(const struct session *session)
{
    const struct connection *connection = (const struct connection *)session;

    return connection->tls != NULL ? tls_conn_failure(connection->tls) : NULL;
}

/* Server names that found no chain of their own (tls_server_sni_maps). */
static void connection_log_sni(const struct connection *connection)
{
    char namaddr[SESSION_NAMADDR_MAX];

    session_namaddr(&connection->session, namaddr);
    switch (tls_conn_sni(connection->tls)) {
    case TLS_SNI_UNMATCHED:
        log_info("TLS SNI %s from %s not matched, using default chain",
                 tls_conn_server_name(connection->tls), namaddr);
        break;
    case TLS_SNI_INVALID:
        log_warning("TLS SNI from %s is invalid: %s", namaddr,
                    tls_conn_invalid_server_name(connection->tls));
        break;
    case TLS_SNI_IGNORED:
    case TLS_SNI_MATCHED:
        break;
    }
}

/* The session asks for the client's certificate. */
static bool connection_ccert(const struct session *session, struct tls_ccert_details *details)
{
    const struct connection *connection = (const struct connection *)session;

    return connection->tls != NULL && tls_conn_ccert_details(connection->tls, details);
}

static const struct session_tls connection_tls = {.summary = connection_summary,
                                                  .refusal = connection_refusal,
                                                  .server_name = connection_server_name,
                                                  .failure = connection_failure,
                                                  .ccert = connection_ccert};

/* End of the session, of the sockets, and of CONNECTION. */
static void connection_destroy(struct connection *connection)
{
    struct worker *worker = connection->worker;

    ev_io_stop(worker->loop, &connection->client_io);
    ev_timer_stop(worker->loop, &connection->timer);
    connection_ledger_end(connection);
    if (connection->session.magic == SESSION_MAGIC)
        session_end(&connection->session, connection->reason);
    else
        session_limits_end(&connection->session.limits);
    free(connection->proxy);
    connection_close_backend(connection);
    tls_conn_free(connection->tls);
    buffer_free(&connection->ciphertext_in);
    close(connection->client_fd);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        worker->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connection_not_again(connection);
    worker->connection_count--;
    atomic_fetch_sub(&worker->stats->open, 1);
    free(connection);
}

/* Nothing more can be told to the client. */
static void connection_die(struct connection *connection, const char *reason)
{
    if (connection->reason == NULL)
        connection->reason = reason;
    connection->dead = true;
}

/* The handshake failed: log it in Postfix's words. */
static void connection_log_handshake(struct connection *connection, enum tls_result result)
{
    atomic_fetch_add(&connection->worker->stats->handshake_failures, 1);
    session_tls_failed(&connection->session);
    handshake_log_failed(&connection->session, connection->tls, result);
    connection_ledger_handshaken(connection, false);
    if (result == TLS_FAILED && session_chance_failed(&connection->session))
        connection->ledger.chance = OBSERVATION_CHANCE_BEGUN;
}

/* From now on only read, so that a closing reset cannot overtake the last words. */
static void connection_linger(struct connection *connection)
{
    connection->phase = CONNECTION_LINGER;
    connection->phase_since = ev_now(connection->worker->loop);
    connection_close_backend(connection);
    if (shutdown(connection->client_fd, SHUT_WR) != 0)
        connection->dead = true;
}

/* Go on with the handshake. True if it moved to another phase. */
static bool connection_handshake(struct connection *connection)
{
    connection->tls_wants_write = false;
    connection->tls_wants_key = false;
    enum tls_result result = tls_conn_handshake(connection->tls);

    switch (result) {
    case TLS_OK:
        connection_ledger_handshaken(connection, true);
        connection->phase = CONNECTION_TLS;
        connection->client_readable = true;
        atomic_fetch_add(&connection->worker->stats->handshakes, 1);
        connection_log_sni(connection);
        session_tls_established(&connection->session);
        if (connection->session.refusal != NULL)
            handshake_log_refused(&connection->session, connection->tls);
        return true;
    case TLS_WANT_READ:
        connection->client_readable = false;
        return false;
    case TLS_WANT_WRITE:
        connection->tls_wants_write = true;
        return false;
    case TLS_WANT_KEY:
        connection->tls_wants_key = true;
        connection->client_readable = false;
        return false;
    case TLS_FAILED:
        connection_log_handshake(connection, result);
        connection->reason = "lost connection";
        connection_linger(connection);
        return true;
    case TLS_CLOSED:
    case TLS_LOST:
        connection_log_handshake(connection, result);
        connection_die(connection, "lost connection");
        return true;
    }
    return false;
}

/* Start TLS: what was said in cleartext has been sent. */
static void connection_start_tls(struct connection *connection)
{
    connection->tls =
        tls_conn_new(connection->session.rule->tls, &connection_transport, connection);
    if (connection->tls == NULL)
        log_fatal("out of memory for a TLS connection");
    connection_ledger_handshake(connection);
    connection->phase = CONNECTION_HANDSHAKE;
    connection->phase_since = ev_now(connection->worker->loop);
    connection->client_drained = !connection->client_readable;
}

/* Carry out what the session wants. True if something came of it. */
static bool connection_serve(struct connection *connection)
{
    struct session *session = &connection->session;

    if (connection_serve_backend(connection))
        return true;
    if (session->wants_capabilities) {
        backend_watch_learn(connection->listener->watch);
        return !session->wants_capabilities; /* it may have failed at once */
    }
    if ((session->state == SESSION_STARTTLS || session->state == SESSION_WRAPPER) &&
        connection->phase == CONNECTION_CLEARTEXT && buffer_length(&session->client_out) == 0) {
        connection_start_tls(connection);
        return true;
    }
    return false;
}

/* The session is over and its last words are sent, or the client is gone. */
static void connection_check_end(struct connection *connection)
{
    struct session *session = &connection->session;

    if (connection->phase == CONNECTION_LINGER || connection->dead)
        return;
    if (buffer_length(&session->client_out) > 0)
        return;
    if (session_is_lost(session) && connection->tls_failed) {
        connection->reason = "lost connection";
        connection_linger(connection); /* the alert must arrive */
        return;
    }
    if (session_is_lost(session)) {
        connection_die(connection, "lost connection");
        return;
    }
    if (session->ending == SESSION_GOES_ON)
        return;
    if (connection->phase == CONNECTION_TLS) {
        connection->tls_wants_write = tls_conn_shutdown(connection->tls) == TLS_WANT_WRITE;
        if (connection->tls_wants_write)
            return;
    }
    if (connection->client_ended ||
        (session->ending == SESSION_CLOSE && !connection_has_unread(connection)))
        connection->dead = true;
    else
        connection_linger(connection);
}

/* Decide what is waited for next: the only place that starts watchers. */
static void connection_arm(struct connection *connection)
{
    struct ev_loop *loop = connection->worker->loop;
    struct session *session = &connection->session;
    int client = 0;
    int backend = 0;

    (void)connection_pauses(connection);
    if (connection->phase == CONNECTION_HANDSHAKE)
        client = connection->tls_wants_key ? 0 : connection->tls_wants_write ? EV_WRITE : EV_READ;
    else if (connection->phase == CONNECTION_LINGER || connection->phase == CONNECTION_PROXY ||
             session_waits_for_client(session))
        client = EV_READ;
    if (connection->phase != CONNECTION_LINGER && !session->limits.pause &&
        (buffer_length(&session->client_out) > 0 || connection->tls_wants_write))
        client |= EV_WRITE;
    if (connection->backend_fd >= 0 && !session->limits.pause) {
        if (buffer_length(&session->client_out) < SESSION_REPLIES_HIGH)
            backend = EV_READ;
        if (session->relay != NULL && buffer_length(&session->relay->out) > 0)
            backend |= EV_WRITE;
    }
    /* A client that may not speak now, and has not, may as well stay watched: most never try. */
    if (!connection->client_readable && ev_is_active(&connection->client_io))
        client |= connection->client_io.events & EV_READ;
    connection_watch(loop, &connection->client_io, connection->client_fd, client);
    if (connection->backend_fd >= 0)
        connection_watch(loop, &connection->backend_io, connection->backend_fd, backend);
    connection_timer_arm(connection);
}

/* Greet, unless TLS comes first. */
static void connection_begin(struct connection *connection)
{
    char early[256];
    ssize_t got = 0;

    session_begin(&connection->session, connection->listener->service, &connection_tls);
    if (connection->session.service->wrappermode)
        return;
    got = recv(connection->client_fd, early, sizeof(early), MSG_PEEK | MSG_DONTWAIT);
    session_greet(&connection->session, early, got > 0 ? (size_t)got : 0);
}

/* Where the header of a proxy stands. True if the session has begun. */
static bool connection_proxied(struct connection *connection, enum connection_proxied how)
{
    if (how == CONNECTION_PROXY_WAITS) {
        if (connection->phase != CONNECTION_PROXY)
            connection->phase_since = ev_now(connection->worker->loop);
        connection->phase = CONNECTION_PROXY;
        return connection->client_readable;
    }
    connection->phase = CONNECTION_CLEARTEXT;
    if (how == CONNECTION_PROXY_DONE)
        connection_begin(connection);
    else
        session_begin_unknown(&connection->session, connection->listener->service, &connection_tls);
    return true;
}

/* One round of reading, thinking and writing. True if another may get further. */
static bool connection_round(struct connection *connection)
{
    struct session *session = &connection->session;
    bool progress = false;

    if (connection->phase == CONNECTION_LINGER) {
        connection_drink(connection);
        return false;
    }
    if (connection->phase == CONNECTION_PROXY)
        return connection_proxied(connection, connection_proxy_read(connection));
    if (connection->phase == CONNECTION_HANDSHAKE)
        return connection_handshake(connection);
    if (connection_pauses(connection))
        return false;
    /* Before a new command goes to a backend that had nothing to do: is it still there? */
    if (connection->client_readable && session_backend_idles(session))
        connection->backend_readable = true;
    progress = connection_read_backend(connection) || progress;
    progress = connection_read_client(connection) || progress;
    progress = connection_look_after_client(connection) || progress;
    session_run(session);
    progress = connection_hear_backend(connection) || progress;
    connection_ledger_backend(connection);
    connection_ledger_verdict(connection);
    progress = connection_write_backend(connection) || progress;
    if (connection_pauses(connection))
        return false;
    progress = connection_write_client(connection) || progress;
    progress = connection_serve(connection) || progress;
    connection_check_end(connection);
    return progress;
}

void connection_work(struct connection *connection)
{
    int rounds = 0;
    bool progress;

    if (connection->working)
        return;
    connection->working = true;
    connection->session.limits.now = monotonic_seconds();
    do {
        connection_lend(connection);
        progress = connection_round(connection);
    } while (progress && !connection->dead && ++rounds < ROUNDS_MAX);
    connection_settle(connection);
    connection->working = false;
    if (connection->dead) {
        connection_destroy(connection);
        return;
    }
    connection_arm(connection);
    if (progress)
        connection_again(connection);
}

static void connection_on_client(struct ev_loop *loop, ev_io *io, int events)
{
    struct connection *connection = io->data;

    (void)loop;
    if (events & EV_READ) {
        connection->client_readable = true;
        connection->client_drained = false;
        connection->client_stirred = true;
    }
    connection_work(connection);
}

static void connection_on_backend(struct ev_loop *loop, ev_io *io, int events)
{
    struct connection *connection = io->data;

    (void)loop;
    if (events & EV_READ)
        connection->backend_readable = true;
    connection_work(connection);
}

/* Something did not happen in time. */
static void connection_on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct connection *connection = timer->data;
    struct session *session = &connection->session;

    (void)loop;
    (void)events;
    if (!connection_timer_due(connection)) {
        connection->client_stirred = true;
        connection_work(connection);
        return;
    }
    if (connection->phase == CONNECTION_LINGER) {
        connection->dead = true;
    } else if (connection->phase == CONNECTION_PROXY) {
        connection_proxy_timeout(connection);
        (void)connection_proxied(connection, CONNECTION_PROXY_FAILED);
    } else if (connection->phase == CONNECTION_HANDSHAKE) {
        metrics_count_limit(session->metrics, METRICS_LIMIT_CLIENT_TIMEOUT);
        atomic_fetch_add(&connection->worker->stats->handshake_failures, 1);
        handshake_log_timeout(session, connection->tls);
        connection_ledger_handshaken(connection, false);
        session_tls_failed(session);
        connection_die(connection, "lost connection");
    } else if (session->limits.pause) {
        connection_resume(connection);
    } else if (session->ending != SESSION_GOES_ON) {
        connection_die(connection, "timeout"); /* it does not even take the last words */
    } else if (connection->clock.waiting) {
        session_client_timeout(session);
    } else if (session_only_answers(session)) {
        connection_die(connection, "lost connection");
    } else {
        session_backend_timeout(session);
    }
    connection_work(connection);
}

void connection_open(struct worker_listener *listener, int fd, const struct sockaddr *peer)
{
    struct worker *worker = listener->worker;
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        log_warning("out of memory: connection refused");
        close(fd);
        return;
    }
    connection->worker = worker;
    connection->listener = listener;
    connection->client_fd = fd;
    connection->backend_fd = -1;
    connection->backend_active = ev_now(worker->loop);
    ev_io_init(&connection->client_io, connection_on_client, fd, EV_READ);
    ev_init(&connection->backend_io, connection_on_backend);
    ev_init(&connection->timer, connection_on_timer);
    connection->client_io.data = connection;
    connection->backend_io.data = connection;
    connection->timer.data = connection;
    connection->next = worker->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    worker->connections = connection;
    worker->connection_count++;
    atomic_fetch_add(&worker->stats->sessions, 1);
    atomic_fetch_add(&worker->stats->open, 1);
    metrics_add(&worker->metrics->sessions, 1);
    connection_ledger_begin(connection);
    connection->session.limits.shared = worker->limits;
    connection->session.limits.slot = worker->slot;
    connection->session.limits.now = monotonic_seconds();
    connection->session.record.table = worker->sessions;
    connection->session.record.slot = worker->slot;
    connection->session.chance = worker->chance;
    connection->session.metrics = worker->metrics;
    client_address_set(&connection->session.client, peer);
    if (listener->service->proxies == NULL)
        connection_begin(connection);
    else if (session_limits_admit(&connection->session.limits))
        (void)connection_proxied(connection, connection_proxy_begin(connection));
    else
        session_begin_unknown(&connection->session, listener->service, &connection_tls);
    worker_opened(worker);
    connection_work(connection);
}

void connection_retime(struct connection *connection)
{
    if (!connection->working)
        connection_timer_arm(connection);
}

void connection_drain(struct connection *connection, bool force)
{
    if (connection->phase == CONNECTION_LINGER)
        return;
    if (connection->phase == CONNECTION_HANDSHAKE || connection->phase == CONNECTION_PROXY) {
        connection_die(connection, "lost connection");
    } else {
        session_drain(&connection->session, force);
    }
    connection_work(connection);
}
