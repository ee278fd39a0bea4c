#include "proxy/dial.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/channel.h"
#include "proxy/unix_connect.h"

#define UNIX_RETRY_SECONDS 0.05 /* a UNIX socket's full queue tells nobody when it has room */

static void dial_unix(struct dial *dial);

/* Stop watching and waiting, whatever was going on. */
static void dial_stop(struct dial *dial)
{
    ev_io_stop(dial->loop, &dial->io);
    ev_timer_stop(dial->loop, &dial->timer);
    ev_timer_stop(dial->loop, &dial->retry);
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
    dial_finish(dial, -1, error);
}

/* It took too long. */
static void dial_on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct dial *dial = timer->data;

    (void)loop;
    (void)events;
    if (dial->fd >= 0)
        close(dial->fd);
    dial_finish(dial, -1, ETIMEDOUT);
}

/* Connect over IPv4 or IPv6. */
static void dial_inet(struct dial *dial)
{
    const struct backend *backend = dial->backend;
    const struct sockaddr *address = (const struct sockaddr *)&backend->address;

    dial->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0) {
        dial_finish(dial, -1, errno);
    } else if (connect(dial->fd, address, backend->address_length) == 0) {
        dial_finish(dial, dial->fd, 0);
    } else if (errno == EINPROGRESS) {
        ev_io_set(&dial->io, dial->fd, EV_WRITE);
        ev_io_start(dial->loop, &dial->io);
    } else {
        int error = errno;
        close(dial->fd);
        dial_finish(dial, -1, error);
    }
}

/* A UNIX socket could not be connected to: if its queue was full, it may have room later. */
static void dial_unix_failed(struct dial *dial, int error)
{
    if (error != EAGAIN) {
        dial_finish(dial, -1, error);
        return;
    }
    ev_timer_set(&dial->retry, UNIX_RETRY_SECONDS, 0.);
    ev_timer_start(dial->loop, &dial->retry);
}

static void dial_on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    dial_unix(timer->data);
}

/* Ask the master to connect. */
static void dial_through_master(struct dial *dial)
{
    struct dial_channel *channel = dial->channel;
    const struct channel_message request = {
        .kind = CHANNEL_CONNECT,
        .id = ++channel->last_id,
        .value = dial->listener,
        .index = (int32_t)(dial->backend - dial->upstream->list.backends)};

    dial->id = request.id;
    if (channel_send(channel->fd, &request, -1) != 0) {
        dial_finish(dial, -1, errno);
        return;
    }
    dial->next_waiting = channel->waiting;
    channel->waiting = dial;
}

/* Connect to a UNIX socket, from a process that can see it or through the master. */
static void dial_unix(struct dial *dial)
{
    if (dial->channel->fd >= 0) {
        dial_through_master(dial);
        return;
    }
    int fd = unix_connect(dial->backend->path);
    if (fd >= 0)
        dial_finish(dial, fd, 0);
    else
        dial_unix_failed(dial, errno);
}

void dial_start(struct dial *dial)
{
    dial->active = true;
    dial->fd = -1;
    ev_init(&dial->io, dial_on_writable);
    ev_timer_init(&dial->timer, dial_on_timeout, dial->upstream->connect_timeout, 0.);
    ev_init(&dial->retry, dial_on_retry);
    dial->io.data = dial;
    dial->timer.data = dial;
    dial->retry.data = dial;
    ev_timer_start(dial->loop, &dial->timer);
    if (dial->backend->path == NULL)
        dial_inet(dial);
    else
        dial_unix(dial);
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
    for (struct dial **link = &channel->waiting; *link != NULL; link = &(*link)->next_waiting)
        if ((*link)->id == id) {
            struct dial *dial = *link;
            *link = dial->next_waiting;
            if (fd >= 0)
                dial_finish(dial, fd, 0);
            else
                dial_unix_failed(dial, error);
            return;
        }
    if (fd >= 0)
        close(fd);
}
