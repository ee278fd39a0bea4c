#include "proxy/metrics_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/log.h"
#include "proxy/metrics_text.h"

#define REQUEST_MEMORY 8192 /* bytes for a request's line and header, and the answer's header */
#define CLIENT_SECONDS 10.  /* for a request and its answer */
#define TICK_SECONDS 1.
#define ACCEPTS_AT_ONCE 8
#define RUNS_MAX 8 /* of libmicrohttpd, before others get their turn */

/* One connection. */
struct http_client {
    int fd; /* -1: there is none */
    ev_tstamp since;
};

struct http_socket {
    struct metrics_server *server;
    int fd;
    ev_io io;
};

struct metrics_server {
    struct ev_loop *loop;
    const struct metrics_source *source;
    struct MHD_Daemon *daemon;
    struct http_socket *sockets;
    size_t socket_count;
    struct http_client clients[METRICS_CLIENTS_MAX];
    unsigned client_count;
    ev_io work;    /* something happened on a connection */
    ev_timer tick; /* while there are connections */
};

/* Answer with STATUS and a text, which is freed later if it is OWNED. */
static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type,
                             char *text, size_t length, bool owned)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        length, text, owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);

    if (response == NULL) {
        if (owned)
            free(text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* An answer that is always the same. */
static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, char *text)
{
    return reply(connection, status, "text/plain", text, strlen(text), false);
}

/* The page. */
static enum MHD_Result answer_metrics(const struct metrics_server *server,
                                      struct MHD_Connection *connection)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        return MHD_NO;
    metrics_page_write(server->source, out);
    if (fclose(out) == 0)
        return reply(connection, MHD_HTTP_OK, METRICS_TEXT_TYPE, text, length, true);
    free(text);
    return MHD_NO;
}

/* A request is complete but for its content, which nobody wants. */
static enum MHD_Result on_request(void *owner, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context)
{
    static char not_allowed[] = "GET and HEAD only\n";
    static char not_found[] = "not found: the metrics are at " METRICS_PATH "\n";

    (void)version;
    (void)upload;
    (void)upload_size;
    (void)context;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, not_allowed);
    if (strcmp(url, METRICS_PATH) != 0)
        return refuse(connection, MHD_HTTP_NOT_FOUND, not_found);
    return answer_metrics(owner, connection);
}

/* A connection begins or ends. */
static void on_connection(void *owner, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct metrics_server *server = owner;
    struct http_client *client = *context;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (client != NULL) {
            client->fd = -1;
            server->client_count--;
        }
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (size_t i = 0; i < METRICS_CLIENTS_MAX && info != NULL; i++) {
        client = &server->clients[i];
        if (client->fd >= 0)
            continue;
        *client = (struct http_client){.fd = info->connect_fd, .since = ev_now(server->loop)};
        server->client_count++;
        *context = client;
        return;
    }
}

static void http_watch(struct metrics_server *server, bool on)
{
    for (size_t i = 0; i < server->socket_count; i++) {
        if (on)
            ev_io_start(server->loop, &server->sockets[i].io);
        else
            ev_io_stop(server->loop, &server->sockets[i].io);
    }
}

/* Let libmicrohttpd do what can be done. */
static void http_run(struct metrics_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait;

    for (int i = 0; i < RUNS_MAX; i++) {
        (void)MHD_run(server->daemon);
        if (MHD_get_timeout(server->daemon, &wait) != MHD_YES || wait > 0)
            break;
    }
    if (server->client_count > 0 && !ev_is_active(&server->tick))
        ev_timer_again(server->loop, &server->tick);
}

/* The connection ends as if its client had gone. */
static void http_end(const struct http_client *client)
{
    (void)shutdown(client->fd, SHUT_RDWR);
}

/* Is there room for another? If not, the oldest one has to make it. */
static bool http_has_room(struct metrics_server *server)
{
    const struct http_client *oldest = NULL;

    if (server->client_count < METRICS_CLIENTS_MAX)
        return true;
    for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++)
        if (oldest == NULL || server->clients[i].since < oldest->since)
            oldest = &server->clients[i];
    http_end(oldest);
    http_run(server);
    return server->client_count < METRICS_CLIENTS_MAX;
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    const struct http_socket *listening = io->data;
    struct metrics_server *server = listening->server;

    (void)loop;
    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof(peer);
        if (!http_has_room(server)) {
            http_watch(server, false); /* until the next tick */
            return;
        }
        int fd =
            accept4(listening->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) /* libmicrohttpd closes it in any case */
            (void)MHD_add_connection(server->daemon, fd, (struct sockaddr *)&peer, length);
        else if (errno != ECONNABORTED && errno != EINTR)
            break;
    }
    http_run(server);
}

static void on_work(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    http_run(io->data);
}

/* Connections whose time is up. */
static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct metrics_server *server = timer->data;

    (void)events;
    for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++)
        if (server->clients[i].fd >= 0 && ev_now(loop) - server->clients[i].since > CLIENT_SECONDS)
            http_end(&server->clients[i]);
    http_run(server);
    http_watch(server, true);
    if (server->client_count == 0)
        ev_timer_stop(loop, timer);
}

/* libmicrohttpd, which this loop runs. */
static struct MHD_Daemon *start_daemon(struct metrics_server *server)
{
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request,
                            server, MHD_OPTION_CONNECTION_LIMIT, (unsigned)METRICS_CLIENTS_MAX,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
}

/* The listening sockets. */
static void open_sockets(struct metrics_server *server, const struct listener_sockets *sockets)
{
    server->sockets = calloc(sockets->count, sizeof(*server->sockets));
    if (server->sockets == NULL)
        log_fatal("out of memory for metrics");
    server->socket_count = sockets->count;
    for (size_t i = 0; i < sockets->count; i++) {
        struct http_socket *one = &server->sockets[i];
        one->server = server;
        one->fd = sockets->sockets[i].fd;
        ev_io_init(&one->io, on_accept, one->fd, EV_READ);
        one->io.data = one;
    }
}

struct metrics_server *metrics_server_new(struct ev_loop *loop,
                                          const struct listener_sockets *sockets,
                                          const struct metrics_source *source)
{
    struct metrics_server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        log_fatal("out of memory for metrics");
    server->loop = loop;
    server->source = source;
    for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++)
        server->clients[i].fd = -1;
    server->daemon = start_daemon(server);
    const union MHD_DaemonInfo *info =
        server->daemon != NULL ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)
                               : NULL;
    if (info == NULL)
        log_fatal("cannot make a server for metrics: %s", strerror(errno));
    open_sockets(server, sockets);
    ev_io_init(&server->work, on_work, info->epoll_fd, EV_READ);
    server->work.data = server;
    ev_io_start(loop, &server->work);
    ev_init(&server->tick, on_tick);
    server->tick.repeat = TICK_SECONDS;
    server->tick.data = server;
    http_watch(server, true);
    return server;
}

void metrics_server_free(struct metrics_server *server)
{
    if (server == NULL)
        return;
    http_watch(server, false);
    ev_io_stop(server->loop, &server->work);
    ev_timer_stop(server->loop, &server->tick);
    MHD_stop_daemon(server->daemon);
    free(server->sockets);
    free(server);
}
