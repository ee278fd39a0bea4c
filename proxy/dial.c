#include "proxy/dial.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/channel.h"
#include "proxy/unix_connect.h"

static void dial_next(struct dial *dial, int last_error);

/* Stop watching and waiting, whatever was going on. */
static void dial_stop(struct dial *dial)
{
    ev_io_stop(dial->loop, &dial->io);
    ev_timer_stop(dial->loop, &dial->timer);
    for (struct dial **link = &dial->channel->waiting; *link != NULL; link = &(*link)->next_waiting)
        if (*link == dial) {
            *link = dial->next_waiting;
            break;
        }
    dial->active = false;
}

/* The outcome. */
static void dial_finish(struct dial *dial, int fd, int error)
{
    dial_stop(dial);
    dial->fd = -1;
    dial->done(dial, fd, fd < 0 ? strerror(error) : NULL);
}

/* A connecting socket became writable: connected, or not. */
static void dial_on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    struct dial *dial = io->data;
    int error = 0;
    socklen_t length = sizeof(error);

    (void)events;
    ev_io_stop(loop, io);
    if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        error = errno;
    if (error == 0) {
        dial_finish(dial, dial->fd, 0);
        return;
    }
    close(dial->fd);
    dial->fd = -1;
    dial_next(dial, error);
}

/* This address took too long. */
static void dial_on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct dial *dial = timer->data;

    (void)events;
    ev_io_stop(loop, &dial->io);
    if (dial->fd >= 0)
        close(dial->fd);
    dial->fd = -1;
    dial_next(dial, ETIMEDOUT);
}

/* Try one socket address. True if the dial is over or under way. */
static bool dial_try(struct dial *dial, const struct sockaddr *address, socklen_t length,
                     int *error)
{
    dial->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0) {
        *error = errno;
        return false;
    }
    if (connect(dial->fd, address, length) == 0) {
        dial_finish(dial, dial->fd, 0);
        return true;
    }
    if (errno == EINPROGRESS) {
        ev_io_set(&dial->io, dial->fd, EV_WRITE);
        ev_io_start(dial->loop, &dial->io);
        ev_timer_stop(dial->loop, &dial->timer);
        ev_timer_set(&dial->timer, dial->upstream->connect_timeout, 0.);
        ev_timer_start(dial->loop, &dial->timer);
        return true;
    }
    *error = errno;
    close(dial->fd);
    dial->fd = -1;
    return false;
}

/* The next address, or the end of the list. */
static void dial_next(struct dial *dial, int last_error)
{
    const struct upstream *upstream = dial->upstream;

    while (dial->next_address < upstream->address_count) {
        size_t index = dial->next_address++;
        if (dial_try(dial, (const struct sockaddr *)&upstream->addresses[index],
                     upstream->address_lengths[index], &last_error))
            return;
    }
    dial_finish(dial, -1, last_error);
}

/* Connect to a UNIX socket from a process that can see it. */
static void dial_unix(struct dial *dial)
{
    int fd = unix_connect(dial->upstream->endpoint.path);
    dial_finish(dial, fd, fd < 0 ? errno : 0);
}

/* Ask the master to connect. */
static void dial_through_master(struct dial *dial)
{
    struct dial_channel *channel = dial->channel;
    const struct channel_message request = {
        .kind = CHANNEL_CONNECT, .id = ++channel->last_id, .value = dial->listener};

    dial->id = request.id;
    if (channel_send(channel->fd, &request, -1) != 0) {
        dial_finish(dial, -1, errno);
        return;
    }
    dial->next_waiting = channel->waiting;
    channel->waiting = dial;
    ev_timer_set(&dial->timer, dial->upstream->connect_timeout, 0.);
    ev_timer_start(dial->loop, &dial->timer);
}

void dial_start(struct dial *dial)
{
    dial->active = true;
    dial->next_address = 0;
    dial->fd = -1;
    ev_init(&dial->io, dial_on_writable);
    ev_init(&dial->timer, dial_on_timeout);
    dial->io.data = dial;
    dial->timer.data = dial;
    if (dial->upstream->endpoint.kind == ENDPOINT_INET)
        dial_next(dial, EHOSTUNREACH);
    else if (dial->channel->fd < 0)
        dial_unix(dial);
    else
        dial_through_master(dial);
}

void dial_cancel(struct dial *dial)
{
    if (!dial->active)
        return;
    dial_stop(dial);
    if (dial->fd >= 0)
        close(dial->fd);
    dial->fd = -1;
}

void dial_answer(struct dial_channel *channel, uint32_t id, int fd, int error)
{
    for (struct dial *dial = channel->waiting; dial != NULL; dial = dial->next_waiting)
        if (dial->id == id) {
            dial_finish(dial, fd, error);
            return;
        }
    if (fd >= 0)
        close(fd);
}
