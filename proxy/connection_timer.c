#include "proxy/connection_timer.h"

#define LINGER_SECONDS 5.
#define LOOK_SECONDS 5.      /* how often a client is looked after that waits for the backend */
#define FAREWELL_SECONDS 10. /* how long one that has closed its end is kept for mere answers */
#define SLACK_SECONDS 0.001  /* timers fire a little early */

/* What holds now. */
static const struct service_values *present_values(const struct connection *connection)
{
    return service_values_now(connection->listener->service,
                              limits_stressed(connection->worker->limits));
}

bool connection_pauses(struct connection *connection)
{
    const struct session *session = &connection->session;

    if (!session->limits.pause)
        return false;
    if (connection->pause_until == 0.)
        connection->pause_until = ev_now(connection->worker->loop) + session->values->error_sleep;
    return true;
}

void connection_resume(struct connection *connection)
{
    connection->session.limits.pause = false;
    connection->pause_until = 0.;
    connection->backend_active = ev_now(connection->worker->loop);
}

/* In the midst of a message, of which each byte gives the client time. */
static bool in_content(const struct session *session)
{
    return session->state == SESSION_DATA || session->state == SESSION_BDAT;
}

/* The session has begun to ask for something new. */
static void note_request(struct connection *connection)
{
    if (connection->request == connection->session.requests)
        return;
    connection->request = connection->session.requests;
    request_clock_begin(&connection->clock, ev_now(connection->worker->loop));
}

void connection_client_moved(struct connection *connection, size_t count)
{
    double now = ev_now(connection->worker->loop);

    note_request(connection);
    request_clock_moved(&connection->clock, now);
    if (count > 0 && in_content(&connection->session))
        request_clock_earned(&connection->clock, now, count,
                             present_values(connection)->min_data_rate);
}

/* Whether it is the client that is being waited for, not the backend or gatepost. */
static bool waits_for_client(const struct connection *connection)
{
    const struct session *session = &connection->session;

    if (connection->phase != CONNECTION_CLEARTEXT && connection->phase != CONNECTION_TLS)
        return false;
    if (session->limits.pause || connection->dial != NULL || session->wants_capabilities)
        return false;
    /* A client that does not take what the backend says, or the last words, is not to be waited for
     * as long as a backend. */
    return session->ending != SESSION_GOES_ON || !session_waits_for_backend(session) ||
           buffer_length(&session->client_out) >= SESSION_REPLIES_HIGH;
}

/* When the present wait is over. */
static double connection_deadline(const struct connection *connection)
{
    const struct session *session = &connection->session;
    const struct service_values *values = present_values(connection);

    if (connection->phase == CONNECTION_LINGER)
        return connection->phase_since + LINGER_SECONDS;
    if (connection->phase == CONNECTION_PROXY)
        return connection->phase_since + values->proxy_timeout;
    if (connection->phase == CONNECTION_HANDSHAKE)
        return connection->phase_since + values->starttls_timeout;
    if (session->limits.pause)
        return connection->pause_until;
    if (connection->clock.waiting)
        return request_clock_end(&connection->clock, values->timeout, values->request_deadline);
    double farewell = connection->client_left + FAREWELL_SECONDS;
    double patience = connection->backend_active + session_backend_patience(session);
    if (connection->dial != NULL || session->wants_capabilities)
        patience = ev_now(connection->worker->loop) + 86400.; /* dial and probe have timers */
    return session_only_answers(session) && farewell < patience ? farewell : patience;
}

/* Whether the client may leave without any watcher's telling it. */
static bool is_unattended(const struct connection *connection)
{
    return (connection->phase == CONNECTION_CLEARTEXT || connection->phase == CONNECTION_TLS) &&
           !connection->clock.waiting && !connection->session.client_deaf;
}

void connection_timer_arm(struct connection *connection)
{
    struct ev_loop *loop = connection->worker->loop;

    note_request(connection);
    if (request_clock_wait(&connection->clock, waits_for_client(connection), ev_now(loop)) &&
        !connection->clock.waiting)
        connection->backend_active = ev_now(loop); /* it is only now that it is waited for */
    /* The timer is only moved when it would be late; if early, it looks again when it fires. */
    double after = connection_deadline(connection) - ev_now(loop);
    if (after < 0.)
        after = 0.;
    if (after > LOOK_SECONDS && is_unattended(connection))
        after = LOOK_SECONDS;
    if (!ev_is_active(&connection->timer) || ev_timer_remaining(loop, &connection->timer) > after) {
        ev_timer_stop(loop, &connection->timer);
        ev_timer_set(&connection->timer, after, 0.);
        ev_timer_start(loop, &connection->timer);
    }
}

bool connection_timer_due(const struct connection *connection)
{
    return connection_deadline(connection) <= ev_now(connection->worker->loop) + SLACK_SECONDS;
}
