#include "proxy/connection_io.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "proxy/connection_timer.h"
#include "proxy/handshake_log.h"
#include "proxy/log.h"
#include "proxy/smtp_reply.h"

#define READ_SIZE 131072         /* more is not read at once, but for what was read ahead */
#define READ_COMMANDS_SIZE 16384 /* where it is commands, which may have to wait */
#define RECORD_SIZE 16384
/* What is read beyond what TLS asks for: when that is little, and when it is much. */
#define AHEAD_SMALL 4096
#define AHEAD_LARGE WORKER_CIPHERTEXT_SIZE
#define LARGE 1024

/* A socket error that means "not now". */
static bool is_transient(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* How much to read from the client, more or less. */
static size_t read_client_size(const struct connection *connection)
{
    const enum session_state state = connection->session.state;

    return state == SESSION_DATA || state == SESSION_BDAT ? READ_SIZE : READ_COMMANDS_SIZE;
}

/* TLS asks for the head of a record, then for the rest of it. More is read each time, so that many
 * records, small or large, cost one system call. */
ssize_t connection_tls_recv(void *arg, void *buffer, size_t length)
{
    struct connection *connection = arg;
    struct buffer *ahead = &connection->ciphertext_in;
    size_t kept = buffer_length(ahead);

    if (kept > 0) {
        size_t taken = kept < length ? kept : length;
        memcpy(buffer, buffer_data(ahead), taken);
        buffer_consume(ahead, taken);
        return (ssize_t)taken;
    }
    if (connection->client_drained || connection->client_sated) {
        errno = EAGAIN;
        return -1;
    }
    size_t more =
        length < LARGE || read_client_size(connection) < READ_SIZE ? AHEAD_SMALL : AHEAD_LARGE;
    struct iovec parts[] = {{buffer, length}, {buffer_reserve(ahead, more), more}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t got = recvmsg(connection->client_fd, &message, MSG_DONTWAIT);
    connection->client_drained = got < 0 ? is_transient(errno) : (size_t)got < length + more;
    connection->client_ended = got == 0;
    if (got <= (ssize_t)length)
        return got;
    buffer_commit(ahead, (size_t)got - length);
    return (ssize_t)length;
}

/* For send(2): the last words, close_notify and the end, which follows at once (close(2) or
 * shutdown(2)), are one packet. */
static int last_words_flag(const struct connection *connection)
{
    return connection->session.ending != SESSION_GOES_ON ? MSG_MORE : 0;
}

ssize_t connection_tls_send(void *arg, const void *buffer, size_t length)
{
    const struct connection *connection = arg;

    return send(connection->client_fd, buffer, length,
                MSG_DONTWAIT | MSG_NOSIGNAL | last_words_flag(connection));
}

void connection_lend(struct connection *connection)
{
    struct session *session = &connection->session;
    struct worker *worker = connection->worker;

    buffer_lend(&connection->ciphertext_in, worker->ciphertext_in, WORKER_CIPHERTEXT_SIZE);
    buffer_lend(&session->client_in, worker->client_in, WORKER_SCRATCH_SIZE);
    buffer_lend(&session->client_out, worker->client_out, WORKER_SCRATCH_SIZE);
    if (session->relay != NULL) {
        buffer_lend(&session->relay->in, worker->backend_in, WORKER_SCRATCH_SIZE);
        buffer_lend(&session->relay->out, worker->backend_out, WORKER_SCRATCH_SIZE);
    }
}

void connection_settle(struct connection *connection)
{
    struct session *session = &connection->session;

    buffer_settle(&connection->ciphertext_in);
    buffer_settle(&session->client_in);
    buffer_settle(&session->client_out);
    if (session->relay != NULL) {
        buffer_settle(&session->relay->in);
        buffer_settle(&session->relay->out);
    }
}

/* The client is gone, in whatever way. */
static void client_gone(struct connection *connection)
{
    connection->client_readable = false;
    connection->client_left = ev_now(connection->worker->loop);
    session_client_eof(&connection->session);
}

/* Nothing can be sent to the client. */
static void client_deaf(struct connection *connection)
{
    connection->client_readable = false;
    connection->client_ended = true;
    session_client_deaf(&connection->session);
}

/* The client broke the rules of TLS, and was sent an alert. */
static void client_failed(struct connection *connection)
{
    if (!connection->tls_failed) {
        log_warning("TLS library problem: %s", tls_conn_error_text(connection->tls));
        handshake_log_broken(&connection->session, connection->tls);
    }
    connection->tls_failed = true;
    connection->client_readable = false;
    session_client_deaf(&connection->session);
}

/* Cleartext from the client. */
static bool read_client_plain(struct connection *connection)
{
    struct buffer *in = &connection->session.client_in;
    const size_t size = read_client_size(connection);
    char *room = buffer_reserve(in, size);
    ssize_t got = recv(connection->client_fd, room, size, MSG_DONTWAIT);

    if (got < 0 && is_transient(errno)) {
        connection->client_readable = false;
        return false;
    }
    if (got <= 0) {
        connection->client_ended = true;
        client_gone(connection);
        return true;
    }
    connection->client_readable = (size_t)got == size;
    buffer_commit(in, (size_t)got);
    return true;
}

/* Plaintext from TLS: whole records. When there is much of it, only what was read ahead is taken.
 */
static bool read_client_tls(struct connection *connection)
{
    struct buffer *in = &connection->session.client_in;
    const size_t size = read_client_size(connection);
    enum tls_result result;
    size_t total = 0;
    size_t got;

    connection->tls_wants_write = false;
    do {
        char *room = buffer_reserve(in, RECORD_SIZE);
        connection->client_sated = total >= size;
        result = tls_conn_read(connection->tls, room, RECORD_SIZE, &got);
        buffer_commit(in, got);
        total += got;
    } while (result == TLS_OK);
    connection->client_readable = connection->client_sated;
    connection->client_sated = false;
    switch (result) {
    case TLS_OK:
    case TLS_WANT_READ:
    case TLS_WANT_KEY: /* handshakes only */
        break;
    case TLS_WANT_WRITE:
        connection->tls_wants_write = true;
        connection->client_readable = true; /* something may have been read ahead */
        break;
    case TLS_CLOSED:
    case TLS_LOST:
        client_gone(connection);
        return true;
    case TLS_FAILED:
        client_failed(connection);
        return true;
    }
    return total > 0;
}

/* Read from the client, by whatever way. */
static bool read_client(struct connection *connection)
{
    size_t before = buffer_length(&connection->session.client_in);
    bool progress = connection->phase == CONNECTION_TLS ? read_client_tls(connection)
                                                        : read_client_plain(connection);
    connection_client_moved(connection, buffer_length(&connection->session.client_in) - before);
    return progress;
}

bool connection_read_client(struct connection *connection)
{
    return connection->client_readable && session_waits_for_client(&connection->session) &&
           read_client(connection);
}

bool connection_look_after_client(struct connection *connection)
{
    struct session *session = &connection->session;
    struct pollfd look = {.fd = connection->client_fd, .events = POLLRDHUP};

    if (!connection->client_stirred)
        return false;
    connection->client_stirred = false;
    if (session->client_deaf || session->ending != SESSION_GOES_ON ||
        session_waits_for_client(session) || !session_waits_for_backend(session) ||
        poll(&look, 1, 0) <= 0)
        return false;
    if (look.revents & (POLLERR | POLLHUP)) {
        buffer_free(&session->client_out);
        client_deaf(connection);
        return true;
    }
    /* There is nothing but its end to be read, or little. */
    connection->client_drained = false;
    return !session->client_eof && buffer_length(&session->client_in) == 0 &&
           read_client(connection);
}

bool connection_read_backend(struct connection *connection)
{
    struct session *session = &connection->session;

    if (!connection->backend_readable || session->relay == NULL || connection->backend_fd < 0 ||
        buffer_length(&session->client_out) >= SESSION_REPLIES_HIGH ||
        buffer_length(&session->relay->in) >= SMTP_REPLY_MAX) /* a reply, or what cannot be one */
        return false;
    char *room = buffer_reserve(&session->relay->in, READ_SIZE);
    ssize_t got = recv(connection->backend_fd, room, READ_SIZE, MSG_DONTWAIT);
    if (got < 0 && is_transient(errno) && connection->backend_error == 0) {
        connection->backend_readable = false;
        return false;
    }
    connection->backend_readable = got == READ_SIZE || connection->backend_error != 0;
    if (got > 0) {
        buffer_commit(&session->relay->in, (size_t)got);
        return true;
    }
    int error = connection->backend_error != 0 ? connection->backend_error : got < 0 ? errno : 0;
    session_run(session); /* what it said before it left is still true */
    if (session->limits.pause || buffer_length(&session->client_out) >= SESSION_REPLIES_HIGH) {
        connection->backend_readable =
            true; /* it has not had its say; the end will be seen again */
        connection->backend_error = error;
        return session->limits.pause;
    }
    if (session->relay != NULL && session->relay->state != RELAY_LOST)
        session_backend_eof(session, error);
    return true;
}

bool connection_write_backend(struct connection *connection)
{
    struct session *session = &connection->session;

    if (session->relay == NULL || connection->backend_fd < 0 ||
        buffer_length(&session->relay->out) == 0)
        return false;
    struct buffer *out = &session->relay->out;
    ssize_t sent = send(connection->backend_fd, buffer_data(out), buffer_length(out),
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && is_transient(errno))
        return false;
    connection->backend_active = ev_now(connection->worker->loop);
    if (sent < 0) {
        /* Its last words may explain it: they are read first. */
        connection->backend_error = errno;
        buffer_free(out);
        connection->backend_readable = true;
        return true;
    }
    relay_sent(session->relay, (size_t)sent);
    return true;
}

/* Replies through TLS. */
static bool write_client_tls(struct connection *connection, struct buffer *out)
{
    size_t sent;

    connection->tls_wants_write = false;
    enum tls_result result =
        tls_conn_write(connection->tls, buffer_data(out), buffer_length(out), &sent);
    switch (result) {
    case TLS_OK:
        buffer_consume(out, sent);
        connection_client_moved(connection, 0);
        return true;
    case TLS_WANT_WRITE:
        connection->tls_wants_write = true;
        return false;
    case TLS_WANT_READ:
    case TLS_WANT_KEY: /* handshakes only */
        return false;
    case TLS_CLOSED:
    case TLS_LOST:
        client_deaf(connection);
        break;
    case TLS_FAILED:
        client_failed(connection);
        break;
    }
    buffer_free(out);
    return true;
}

bool connection_write_client(struct connection *connection)
{
    struct buffer *out = &connection->session.client_out;

    if (buffer_length(out) == 0)
        return false;
    if (connection->phase == CONNECTION_TLS)
        return write_client_tls(connection, out);
    ssize_t sent = send(connection->client_fd, buffer_data(out), buffer_length(out),
                        MSG_DONTWAIT | MSG_NOSIGNAL | last_words_flag(connection));
    if (sent < 0 && is_transient(errno))
        return false;
    if (sent < 0) {
        buffer_free(out);
        client_deaf(connection);
        return true;
    }
    buffer_consume(out, (size_t)sent);
    connection_client_moved(connection, 0);
    return true;
}

bool connection_has_unread(const struct connection *connection)
{
    char byte;

    return buffer_length(&connection->session.client_in) > 0 ||
           recv(connection->client_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void connection_drink(struct connection *connection)
{
    char *scratch = connection->worker->client_in;
    ssize_t got = recv(connection->client_fd, scratch, WORKER_SCRATCH_SIZE, MSG_DONTWAIT);

    if (got == 0 || (got < 0 && !is_transient(errno)))
        connection->dead = true;
}

void connection_watch(struct ev_loop *loop, ev_io *io, int fd, int events)
{
    if (ev_is_active(io) && (io->events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(loop, io);
    if (events == 0)
        return;
    ev_io_set(io, fd, events);
    ev_io_start(loop, io);
}

void connection_again(struct connection *connection)
{
    struct worker *worker = connection->worker;

    if (connection->queued_again)
        return;
    connection->queued_again = true;
    connection->next_again = NULL;
    *worker->again_end = connection;
    worker->again_end = &connection->next_again;
    ev_idle_start(worker->loop, &worker->idle);
}

void connection_not_again(struct connection *connection)
{
    struct worker *worker = connection->worker;
    struct connection **link = &worker->again;

    if (!connection->queued_again)
        return;
    while (*link != connection)
        link = &(*link)->next_again;
    *link = connection->next_again;
    if (worker->again_end == &connection->next_again)
        worker->again_end = link;
    connection->queued_again = false;
}
