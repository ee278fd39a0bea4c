#include "proxy/key_link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/key_message.h"

#include "proxy/log.h"

#define GRACE_SECONDS 5. /* how long handshakes wait for a new key process */
#define ANSWERS_AT_ONCE 64

struct key_link {
    struct ev_loop *loop; /* NULL: not started */
    struct tls_key_client *client;
    int fd; /* -1: the key process is gone */
    ev_io io;
    ev_timer grace;
};

/* Wait for EVENTS on the socket. */
static void link_watch(struct key_link *link, int events)
{
    ev_io_stop(link->loop, &link->io);
    ev_io_set(&link->io, link->fd, events);
    ev_io_start(link->loop, &link->io);
}

/* tls_key_send. */
static int link_send(void *arg, const uint8_t *packet, size_t length)
{
    struct key_link *link = arg;

    if (link->fd < 0) {
        errno = ENOTCONN;
        return -1;
    }
    if (send(link->fd, packet, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    int error = errno;
    /* If it is broken, reading will show it. */
    if ((error == EAGAIN || error == EINTR || error == ENOBUFS) && link->loop != NULL)
        link_watch(link, EV_READ | EV_WRITE);
    errno = error;
    return -1;
}

struct key_link *key_link_new(int fd)
{
    struct key_link *link = calloc(1, sizeof(*link));

    if (link == NULL || (link->client = tls_key_client_new(link_send, link)) == NULL) {
        free(link);
        return NULL;
    }
    link->fd = fd;
    return link;
}

struct tls_key_client *key_link_client(struct key_link *link)
{
    return link->client;
}

/* The key process is gone. The master will send a way to a new one. */
static void link_lost(struct key_link *link)
{
    if (link->fd < 0)
        return;
    ev_io_stop(link->loop, &link->io);
    close(link->fd);
    link->fd = -1;
    ev_timer_stop(link->loop, &link->grace);
    ev_timer_set(&link->grace, GRACE_SECONDS, 0.);
    ev_timer_start(link->loop, &link->grace);
    tls_key_client_lost(link->client);
}

static void link_on_grace(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct key_link *link = timer->data;

    (void)loop;
    (void)events;
    log_warning("no key process: TLS handshakes fail until there is one");
    tls_key_client_give_up(link->client);
}

/* Read what is there. */
static void link_receive(struct key_link *link)
{
    uint8_t packet[TLS_KEY_ANSWER_MAX];

    for (int i = 0; i < ANSWERS_AT_ONCE && link->fd >= 0; i++) {
        ssize_t got = recv(link->fd, packet, sizeof(packet), MSG_DONTWAIT);
        if (got > 0) {
            tls_key_client_receive(link->client, packet, (size_t)got);
            explicit_bzero(packet, (size_t)got);
            continue;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            link_lost(link);
        return;
    }
}

static void link_on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct key_link *link = io->data;

    (void)loop;
    if (events & EV_WRITE && !tls_key_client_flush(link->client))
        link_watch(link, EV_READ);
    if (events & EV_READ)
        link_receive(link);
}

void key_link_start(struct key_link *link, struct ev_loop *loop)
{
    link->loop = loop;
    ev_io_init(&link->io, link_on_io, link->fd, EV_READ);
    link->io.data = link;
    ev_init(&link->grace, link_on_grace);
    link->grace.data = link;
    ev_io_start(loop, &link->io);
    tls_key_client_connected(link->client);
}

void key_link_attach(struct key_link *link, int fd)
{
    link_lost(link);
    ev_timer_stop(link->loop, &link->grace);
    link->fd = fd;
    link_watch(link, EV_READ);
    tls_key_client_connected(link->client);
}

void key_link_free(struct key_link *link)
{
    if (link == NULL)
        return;
    if (link->loop != NULL) {
        ev_io_stop(link->loop, &link->io);
        ev_timer_stop(link->loop, &link->grace);
    }
    if (link->fd >= 0)
        close(link->fd);
    tls_key_client_free(link->client);
    free(link);
}
