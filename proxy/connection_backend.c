#include "proxy/connection_backend.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/connection_io.h"
#include "proxy/log.h"

void connection_close_backend(struct connection *connection)
{
    if (connection->dial != NULL) {
        dial_cancel(connection->dial);
        free(connection->dial);
        connection->dial = NULL;
    }
    if (connection->backend_fd < 0)
        return;
    ev_io_stop(connection->worker->loop, &connection->backend_io);
    close(connection->backend_fd);
    connection->backend_fd = -1;
    connection->backend_readable = false;
    connection->backend_error = 0;
}

/* The backend connection is open, or could not be opened. */
static void connection_on_dialed(struct dial *dial, int fd, const char *why)
{
    struct connection *connection = dial->owner;
    struct worker *worker = connection->worker;
    const int on = 1;

    connection->dial = NULL;
    free(dial);
    connection->backend_active = ev_now(worker->loop);
    if (fd < 0) {
        atomic_fetch_add(&worker->stats->backend_failures, 1);
        metrics_add(&worker->metrics->backend_failures, 1);
        session_backend_failed(&connection->session, why);
    } else {
        if (connection->session.relay->backend->path == NULL)
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        atomic_fetch_add(&worker->stats->backend_sessions, 1);
        metrics_add(&worker->metrics->backend_connections, 1);
        connection->backend_fd = fd;
        ev_io_set(&connection->backend_io, fd, EV_READ);
        session_backend_connected(&connection->session);
    }
    connection_work(connection);
}

/* Begin to connect to the backend; it is told on which address the client was accepted. */
static void connection_dial(struct connection *connection)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof(name);
    struct dial *dial = calloc(1, sizeof(*dial));

    if (dial == NULL)
        log_fatal("out of memory for a backend connection");
    if (connection->session.server.family == 0 &&
        getsockname(connection->client_fd, (struct sockaddr *)&name, &length) == 0)
        client_address_set(&connection->session.server, (const struct sockaddr *)&name);
    *dial = (struct dial){.loop = connection->worker->loop,
                          .upstream = connection->session.service->upstream,
                          .backend = connection->session.relay->backend,
                          .channel = &connection->worker->channel,
                          .listener = connection->listener->index,
                          .done = connection_on_dialed,
                          .owner = connection};
    connection->dial = dial;
    connection_ledger_dial(connection);
    connection->backend_replies = 0;
    connection->backend_active = ev_now(connection->worker->loop);
    backend_watch_failing(connection->listener->watch);
    dial_start(dial);
}

bool connection_serve_backend(struct connection *connection)
{
    struct session *session = &connection->session;

    if (session->backend_quit && connection->backend_fd >= 0)
        (void)!send(connection->backend_fd, "QUIT\r\n", 6, MSG_DONTWAIT | MSG_NOSIGNAL);
    session->backend_quit = false;
    if (session->relay == NULL || session->relay->state == RELAY_LOST ||
        session->ending != SESSION_GOES_ON)
        connection_close_backend(connection);
    if (!session->wants_backend || session->relay == NULL)
        return false;
    session->wants_backend = false;
    connection_close_backend(connection);
    connection_dial(connection);
    return true;
}

bool connection_hear_backend(struct connection *connection)
{
    struct session *session = &connection->session;
    bool heard = false;

    if (session_sends_verdict(session)) {
        connection->backend_readable = true;
        heard = connection_read_backend(connection);
        session_run(session);
    }
    /* Whole replies count as signs of life, not single bytes. */
    if (session->relay != NULL && session->relay->replies != connection->backend_replies) {
        connection->backend_replies = session->relay->replies;
        connection->backend_active = ev_now(connection->worker->loop);
    }
    return heard;
}
