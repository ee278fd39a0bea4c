#include "proxy/policy_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/buffer.h"
#include "proxy/log.h"
#include "proxy/policy_answer.h"
#include "proxy/policy_request.h"

#define CONNECTIONS_MAX 2000 /* of a worker: each smtpd(8) process has one */
#define ACCEPTS_AT_ONCE 16
#define IDLE_SECONDS 1200. /* more than Postfix's smtpd_policy_service_max_ttl */
#define READ_SIZE 4096

/* A connection of Postfix's. */
struct asker {
    struct policy_server *server;
    struct asker *next;
    struct asker *previous;
    int fd;
    bool answered; /* at least once: Postfix expects that such a connection may end */
    ev_io io;
    ev_timer timer; /* since the last request */
    struct buffer in;
    struct buffer out; /* an answer that could not be sent yet */
};

struct policy_server {
    struct ev_loop *loop;
    const struct policy_service *service;
    const struct session_table *table;
    ev_io *listening;
    size_t listening_count;
    struct asker *askers;
    size_t asker_count;
    bool leaving;
    bool many_noted;
};

/* End a connection. */
static void asker_close(struct asker *asker)
{
    struct policy_server *server = asker->server;

    ev_io_stop(server->loop, &asker->io);
    ev_timer_stop(server->loop, &asker->timer);
    close(asker->fd);
    buffer_free(&asker->in);
    buffer_free(&asker->out);
    if (asker->previous != NULL)
        asker->previous->next = asker->next;
    else
        server->askers = asker->next;
    if (asker->next != NULL)
        asker->next->previous = asker->previous;
    server->asker_count--;
    free(asker);
}

/* A rule for recipients says nothing where Postfix does not name them: a mistake in main.cf. */
static void note_many(struct policy_server *server, const struct policy_request *request)
{
    if (server->many_noted || !mail_policy_has_recipients(server->service->policy) ||
        request->recipient[0] != '\0' || request->recipient_count < 2)
        return;
    server->many_noted = true;
    log_warning("policy service: asked at %s about %u recipients that are not named: rules for "
                "recipients belong into smtpd_recipient_restrictions",
                request->state, (unsigned)request->recipient_count);
}

/* The answer to a request. */
static void answer(struct asker *asker, const struct policy_request *request)
{
    struct policy_server *server = asker->server;
    struct session_facts session;
    char address[CLIENT_ADDRESS_TEXT_MAX];
    char action[POLICY_ANSWER_MAX];
    enum session_lookup found = SESSION_UNKNOWN;

    if (request->client.family != 0)
        found = session_table_find(server->table, &request->client, &request->server, &session);
    const struct policy_answer_facts facts = {.policy = server->service->policy,
                                              .reject_code = server->service->reject_code,
                                              .session = found == SESSION_KNOWN ? &session : NULL};
    const struct mail_rule *rule = policy_answer(&facts, request, action);
    note_many(server, request);
    if (rule != NULL && facts.session == NULL)
        log_warning("policy service: %s session of %s port %u: deferring what %s demands of %s",
                    found == SESSION_AMBIGUOUS ? "more than one" : "no",
                    client_address_text(&request->client, address), request->client.port,
                    rule->place, rule->pattern);
    asker->answered = true;
    buffer_printf(&asker->out, "action=%s\n\n", action);
}

/* Send what is to be sent. False: the connection has ended. */
static bool asker_send(struct asker *asker)
{
    while (buffer_length(&asker->out) > 0) {
        ssize_t sent = send(asker->fd, buffer_data(&asker->out), buffer_length(&asker->out),
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (sent < 0) {
            asker_close(asker);
            return false;
        }
        buffer_consume(&asker->out, (size_t)sent);
    }
    buffer_settle(&asker->out);
    return true;
}

/* Answer all that is asked. False: the connection has ended. */
static bool asker_work(struct asker *asker)
{
    struct policy_request request;

    while (buffer_length(&asker->in) > 0 && buffer_length(&asker->out) == 0) {
        switch (
            policy_request_parse(buffer_data(&asker->in), buffer_length(&asker->in), &request)) {
        case POLICY_REQUEST_MORE:
            return true;
        case POLICY_REQUEST_BAD:
            log_warning("policy service: bad request: %s; hanging up", request.error);
            asker_close(asker);
            return false;
        case POLICY_REQUEST_DONE:
            break;
        }
        buffer_consume(&asker->in, request.length);
        ev_timer_again(asker->server->loop, &asker->timer);
        answer(asker, &request);
        if (!asker_send(asker))
            return false;
    }
    return true;
}

/* Read what is there. False: the connection has ended. */
static bool asker_receive(struct asker *asker)
{
    char *room = buffer_reserve(&asker->in, READ_SIZE);
    ssize_t got = recv(asker->fd, room, READ_SIZE, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return true;
    if (got > 0) {
        buffer_commit(&asker->in, (size_t)got);
        return true;
    }
    asker_close(asker);
    return false;
}

static void on_asker(struct ev_loop *loop, ev_io *io, int events)
{
    struct asker *asker = io->data;
    struct policy_server *server = asker->server;

    if ((events & EV_WRITE) != 0 && !asker_send(asker))
        return;
    if ((events & EV_READ) != 0 && !asker_receive(asker))
        return;
    if (!asker_work(asker))
        return;
    bool idle = buffer_length(&asker->in) == 0 && buffer_length(&asker->out) == 0;
    if (idle && server->leaving && asker->answered) {
        asker_close(asker);
        return;
    }
    buffer_settle(&asker->in);
    int wanted = buffer_length(&asker->out) > 0 ? EV_WRITE : EV_READ;
    if (io->events != wanted) {
        ev_io_stop(loop, io);
        ev_io_set(io, asker->fd, wanted);
        ev_io_start(loop, io);
    }
}

static void on_asker_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    asker_close(timer->data);
}

/* A new connection. */
static void asker_open(struct policy_server *server, int fd)
{
    struct asker *asker = server->asker_count < CONNECTIONS_MAX ? calloc(1, sizeof(*asker)) : NULL;

    if (asker == NULL) {
        log_warning("policy service: too many connections: one is refused");
        close(fd);
        return;
    }
    asker->server = server;
    asker->fd = fd;
    asker->next = server->askers;
    if (asker->next != NULL)
        asker->next->previous = asker;
    server->askers = asker;
    server->asker_count++;
    ev_io_init(&asker->io, on_asker, fd, EV_READ);
    asker->io.data = asker;
    ev_io_start(server->loop, &asker->io);
    ev_timer_init(&asker->timer, on_asker_timeout, 0., IDLE_SECONDS);
    asker->timer.data = asker;
    ev_timer_again(server->loop, &asker->timer);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    struct policy_server *server = io->data;

    (void)loop;
    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        asker_open(server, fd);
    }
}

struct policy_server *policy_server_new(struct ev_loop *loop, const struct policy_service *service,
                                        const struct listener_sockets *sockets,
                                        const struct session_table *table)
{
    if (service == NULL)
        return NULL;
    struct policy_server *server = calloc(1, sizeof(*server));
    if (server == NULL || (server->listening = calloc(sockets->count, sizeof(ev_io))) == NULL)
        log_fatal("out of memory for the policy service");
    server->loop = loop;
    server->service = service;
    server->table = table;
    server->listening_count = sockets->count;
    for (size_t i = 0; i < sockets->count; i++) {
        ev_io_init(&server->listening[i], on_accept, sockets->sockets[i].fd, EV_READ);
        server->listening[i].data = server;
        ev_io_start(loop, &server->listening[i]);
    }
    return server;
}

/* Take no more connections. */
static void stop_listening(struct policy_server *server)
{
    for (size_t i = 0; i < server->listening_count; i++) {
        ev_io_stop(server->loop, &server->listening[i]);
        close(server->listening[i].fd);
    }
    server->listening_count = 0;
}

void policy_server_leave(struct policy_server *server)
{
    struct asker *next;

    if (server == NULL || server->leaving)
        return;
    server->leaving = true;
    stop_listening(server);
    for (struct asker *one = server->askers; one != NULL; one = next) {
        next = one->next;
        on_asker(server->loop, &one->io, EV_READ); /* it may just have asked */
    }
}

void policy_server_free(struct policy_server *server)
{
    if (server == NULL)
        return;
    stop_listening(server);
    for (struct asker *next, *one = server->askers; one != NULL; one = next) {
        next = one->next;
        asker_close(one);
    }
    free(server->listening);
    free(server);
}
