#include "proxy/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/smtp_reply.h"

/* Close and forget the connection. */
static void probe_close(struct probe *probe)
{
    if (probe->fd >= 0) {
        ev_io_stop(probe->dial.loop, &probe->io);
        ev_timer_stop(probe->dial.loop, &probe->timer);
        close(probe->fd);
    }
    probe->fd = -1;
    buffer_free(&probe->in);
    buffer_free(&probe->out);
}

/* Over; probe->error holds the reason unless SUCCESS. */
static void probe_finish(struct probe *probe, bool success)
{
    if (probe->fault == BACKEND_FAULT_NONE)
        probe->fault = probe->setup.stage == BACKEND_SETUP_GREETING ? BACKEND_FAULT_GREETING
                                                                    : BACKEND_FAULT_SETUP;
    if (success)
        (void)!send(probe->fd, "QUIT\r\n", 6, MSG_DONTWAIT | MSG_NOSIGNAL);
    probe_close(probe);
    probe->done(probe, success ? NULL : probe->error);
}

/* gatepost's own words. */
static struct backend_setup_words probe_words(const struct probe *probe)
{
    return (struct backend_setup_words){.handoff = probe->dial.upstream->handoff,
                                        .hostname = probe->hostname,
                                        .helo = probe->hostname,
                                        .esmtp = true};
}

/* The set-up is done: what is offered must be enough. */
static void probe_ready(struct probe *probe)
{
    const struct upstream *upstream = probe->dial.upstream;

    if (upstream->handoff == HANDOFF_XCLIENT && !probe->dial.backend->capabilities.xclient) {
        probe->fault = BACKEND_FAULT_HANDOFF;
        snprintf(probe->error, sizeof(probe->error), "does not offer XCLIENT to gatepost: %s",
                 upstream_handoff_hint(upstream->handoff));
        probe_finish(probe, false);
        return;
    }
    probe_finish(probe, true);
}

/* One complete reply. True if the probe goes on. */
static bool probe_reply(struct probe *probe, const char *text, const struct smtp_reply *reply)
{
    const struct upstream *upstream = probe->dial.upstream;
    const struct backend_setup_words words = probe_words(probe);
    const char *stage = backend_setup_stage_name(&probe->setup);
    int shown = reply->length > 120 ? 120 : (int)reply->length;

    while (shown > 0 && (text[shown - 1] == '\n' || text[shown - 1] == '\r'))
        shown--;
    switch (backend_setup_reply(&probe->setup, &words, reply->code, text, reply->length,
                                &probe->out, &probe->dial.backend->capabilities)) {
    case BACKEND_SETUP_MORE:
        return true;
    case BACKEND_SETUP_READY:
        probe_ready(probe);
        return false;
    case BACKEND_SETUP_UNTOLD:
        probe->fault = BACKEND_FAULT_HANDOFF;
        snprintf(probe->error, sizeof(probe->error),
                 "did not understand the PROXY header (it said \"%.*s\"): %s", shown, text,
                 upstream_handoff_hint(upstream->handoff));
        break;
    case BACKEND_SETUP_REFUSED:
    case BACKEND_SETUP_BROKEN:
        snprintf(probe->error, sizeof(probe->error), "%s was \"%.*s\"", stage, shown, text);
        break;
    }
    probe_finish(probe, false);
    return false;
}

/* Look at what has arrived. True if the probe goes on. */
static bool probe_parse(struct probe *probe)
{
    struct smtp_reply reply;

    while (buffer_length(&probe->in) > 0) {
        switch (smtp_reply_parse(buffer_data(&probe->in), buffer_length(&probe->in), &reply)) {
        case SMTP_REPLY_MORE:
            return true;
        case SMTP_REPLY_BAD:
            snprintf(probe->error, sizeof(probe->error), "%s: %s",
                     backend_setup_stage_name(&probe->setup), reply.error);
            probe_finish(probe, false);
            return false;
        case SMTP_REPLY_DONE:
            break;
        }
        if (!probe_reply(probe, buffer_data(&probe->in), &reply))
            return false;
        buffer_consume(&probe->in, reply.length);
    }
    return true;
}

/* Send what is to be sent; few bytes to a new connection always fit. */
static bool probe_send(struct probe *probe)
{
    size_t length = buffer_length(&probe->out);

    if (length == 0)
        return true;
    ssize_t sent = send(probe->fd, buffer_data(&probe->out), length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == (ssize_t)length) {
        buffer_consume(&probe->out, length);
        return true;
    }
    snprintf(probe->error, sizeof(probe->error), "cannot send: %s",
             sent < 0 ? strerror(errno) : "the socket's buffer is full");
    probe_finish(probe, false);
    return false;
}

static void probe_on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct probe *probe = io->data;
    char *room = buffer_reserve(&probe->in, 4096);
    ssize_t got = recv(probe->fd, room, 4096, MSG_DONTWAIT);

    (void)loop;
    (void)events;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        snprintf(probe->error, sizeof(probe->error), "%s while waiting for its %s: %s",
                 got < 0 ? strerror(errno) : "connection closed",
                 backend_setup_stage_name(&probe->setup),
                 upstream_handoff_hint(probe->dial.upstream->handoff));
        probe_finish(probe, false);
        return;
    }
    buffer_commit(&probe->in, (size_t)got);
    if (probe_parse(probe))
        (void)probe_send(probe);
}

static void probe_on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct probe *probe = timer->data;

    (void)loop;
    (void)events;
    snprintf(probe->error, sizeof(probe->error), "timeout while waiting for its %s",
             backend_setup_stage_name(&probe->setup));
    probe_finish(probe, false);
}

/* The connection is there, or not. */
static void probe_on_dialed(struct dial *dial, int fd, const char *why)
{
    struct probe *probe = dial->owner;
    const struct backend_setup_words words = probe_words(probe);

    if (fd < 0) {
        snprintf(probe->error, sizeof(probe->error), "cannot connect: %s", why);
        probe->fault = BACKEND_FAULT_CONNECT;
        probe->done(probe, probe->error);
        return;
    }
    probe->fd = fd;
    ev_io_init(&probe->io, probe_on_readable, fd, EV_READ);
    ev_timer_init(&probe->timer, probe_on_timeout,
                  upstream_setup_patience(dial->upstream, dial->backend, 0), 0.);
    probe->io.data = probe;
    probe->timer.data = probe;
    ev_io_start(dial->loop, &probe->io);
    ev_timer_start(dial->loop, &probe->timer);
    if (backend_setup_begin(&probe->setup, &words, &probe->out)) {
        (void)probe_send(probe);
        return;
    }
    snprintf(probe->error, sizeof(probe->error), "cannot be told an address");
    probe_finish(probe, false);
}

void probe_start(struct probe *probe)
{
    probe->fd = -1;
    probe->fault = BACKEND_FAULT_NONE;
    probe->dial.done = probe_on_dialed;
    probe->dial.owner = probe;
    dial_start(&probe->dial);
}

void probe_cancel(struct probe *probe)
{
    dial_cancel(&probe->dial);
    probe_close(probe);
}
