#include "proxy/session_limits.h"

#include <stdio.h>

#include "proxy/log.h"
#include "proxy/session_internal.h"

/* Clients that smtpd_client_event_limit_exceptions names are not counted. */
static bool is_exempt(const struct session *session)
{
    return address_list_match(session->values->exempt, session->client.family,
                              session->client.bytes);
}

/* Refuse the connection in cleartext, or without a word where TLS would have to come first. Does
 * not wait for the client: one connection too many must not last. */
static void refuse_connection(struct session *session, const char *code, const char *why)
{
    if (session->state == SESSION_WRAPPER)
        session_last_nothing(session);
    else
        session_last_words(session, SESSION_CLOSE, "%s %s %s", code, session->service->hostname,
                           why);
}

/* The client has too many connections, at once or in the time unit. */
static void refuse_client(struct session *session, const char *what, uint32_t number)
{
    char namaddr[SESSION_NAMADDR_MAX];
    char address[CLIENT_ADDRESS_TEXT_MAX];
    char why[CLIENT_ADDRESS_TEXT_MAX + 64];

    log_warning("Connection %s limit exceeded: %u from %s for service %s", what, number,
                session_namaddr(session, namaddr), session->service->name);
    snprintf(why, sizeof(why), "Error: too many connections from %s",
             client_address_text(&session->client, address));
    refuse_connection(session, "421 4.7.0", why);
}

/* A total is reached: WHICH parameter says so. */
static void log_total(const struct session *session, const char *which)
{
    char namaddr[SESSION_NAMADDR_MAX];

    log_warning("%s reached: refusing %s for service %s", which, session_namaddr(session, namaddr),
                session->service->name);
}

/* Whether the client has made few enough new TLS sessions. */
static bool tls_rate_allows(const struct session *session)
{
    const struct session_limits *limits = &session->limits;
    uint32_t number;

    return limits_tls_check(limits->shared, &session->values->limits, &limits->held, limits->now,
                            &number) == LIMITS_OK;
}

/* Wrapper mode: the handshake comes next. */
static void begin_wrapper(struct session *session)
{
    struct session_limits *limits = &session->limits;
    char namaddr[SESSION_NAMADDR_MAX];

    if (!tls_rate_allows(session)) {
        metrics_count_limit(session->metrics, METRICS_LIMIT_CLIENT_TLS_RATE);
        log_warning("Refusing TLS service request from %s for service %s",
                    session_namaddr(session, namaddr), session->service->name);
    } else if (limits_handshake_begin(limits->shared, limits->slot, &limits->held) != LIMITS_OK) {
        metrics_count_limit(session->metrics, METRICS_LIMIT_HANDSHAKES);
        log_total(session, "gatepost_handshake_limit");
    } else {
        return;
    }
    session_last_nothing(session);
}

bool session_limits_admit(struct session_limits *limits)
{
    return limits->shared == NULL || limits->held.counted ||
           limits_admit(limits->shared, limits->slot, &limits->held) == LIMITS_OK;
}

void session_limits_refuse_all(struct session *session)
{
    metrics_count_limit(session->metrics, METRICS_LIMIT_SESSIONS);
    log_total(session, "gatepost_session_limit");
    refuse_connection(session, "421 4.3.2", "All server ports are busy");
}

void session_limits_connect(struct session *session)
{
    struct session_limits *limits = &session->limits;
    uint32_t number;

    if (limits->shared == NULL)
        return;
    switch (limits_connect(limits->shared, limits->slot, &session->values->limits,
                           is_exempt(session) ? NULL : &session->client, limits->now, &limits->held,
                           &number)) {
    case LIMITS_OK:
        if (session->state == SESSION_WRAPPER)
            begin_wrapper(session);
        return;
    case LIMITS_TOO_MANY_CONNECTIONS:
        metrics_count_limit(session->metrics, METRICS_LIMIT_CLIENT_CONNECTIONS);
        refuse_client(session, "concurrency", number);
        return;
    case LIMITS_RATE:
        metrics_count_limit(session->metrics, METRICS_LIMIT_CLIENT_CONNECTION_RATE);
        refuse_client(session, "rate", number);
        return;
    case LIMITS_TOTAL:
        session_limits_refuse_all(session);
        return;
    }
}

void session_limits_end(struct session_limits *limits)
{
    if (limits->shared != NULL)
        limits_disconnect(limits->shared, limits->slot, &limits->held, limits->now);
}

bool session_limits_starttls(struct session *session)
{
    struct session_limits *limits = &session->limits;
    char namaddr[SESSION_NAMADDR_MAX];
    char reply[SESSION_NAMADDR_MAX + 64];

    if (limits->shared == NULL)
        return true;
    session_namaddr(session, namaddr);
    if (!tls_rate_allows(session)) {
        metrics_count_limit(session->metrics, METRICS_LIMIT_CLIENT_TLS_RATE);
        log_warning("Refusing STARTTLS request from %s for service %s", namaddr,
                    session->service->name);
        snprintf(reply, sizeof(reply), "454 4.7.0 Error: too many new TLS sessions from %s\r\n",
                 namaddr);
        session_answer(session, SMTP_STARTTLS, reply);
        return false;
    }
    if (limits_handshake_begin(limits->shared, limits->slot, &limits->held) == LIMITS_OK)
        return true;
    metrics_count_limit(session->metrics, METRICS_LIMIT_HANDSHAKES);
    log_total(session, "gatepost_handshake_limit");
    session_last_words(session, SESSION_CLOSE_LINGER, "421 4.3.2 %s All server ports are busy",
                       session->service->hostname);
    return false;
}

bool session_limits_handshake(struct session *session, bool resumed)
{
    struct session_limits *limits = &session->limits;
    char namaddr[SESSION_NAMADDR_MAX];
    uint32_t number;

    if (limits->shared == NULL)
        return true;
    limits_handshake_end(limits->shared, limits->slot, &limits->held);
    if (resumed || limits_tls_count(limits->shared, &session->values->limits, &limits->held,
                                    limits->now, &number) == LIMITS_OK)
        return true;
    metrics_count_limit(session->metrics, METRICS_LIMIT_CLIENT_TLS_RATE);
    log_warning("New TLS session rate limit exceeded: %u from %s for service %s", number,
                session_namaddr(session, namaddr), session->service->name);
    return false;
}

void session_limits_refuse_tls(struct session *session)
{
    char namaddr[SESSION_NAMADDR_MAX];

    session_last_words(session, SESSION_CLOSE_LINGER,
                       "421 4.7.0 %s Error: too many new TLS sessions from %s",
                       session->service->hostname, session_namaddr(session, namaddr));
}

bool session_limits_mail(struct session *session)
{
    struct session_limits *limits = &session->limits;
    char namaddr[SESSION_NAMADDR_MAX];
    uint32_t number;

    if (limits->shared == NULL || session->transaction)
        return true;
    if (limits->mail == SESSION_MAIL_NEW) {
        limits->mail = SESSION_MAIL_COUNTED;
        if (limits_message(limits->shared, &session->values->limits, &limits->held, limits->now,
                           &number) != LIMITS_OK) {
            limits->mail = SESSION_MAIL_REFUSED;
            metrics_count_limit(session->metrics, METRICS_LIMIT_CLIENT_MESSAGE_RATE);
            log_warning("Message delivery request rate limit exceeded: %u from %s for service %s",
                        number, session_namaddr(session, namaddr), session->service->name);
        }
    }
    return limits->mail != SESSION_MAIL_REFUSED;
}

void session_limits_refuse_mail(struct session *session)
{
    char address[CLIENT_ADDRESS_TEXT_MAX];
    char reply[CLIENT_ADDRESS_TEXT_MAX + 64];

    snprintf(reply, sizeof(reply), "450 4.7.1 Error: too much mail from %s\r\n",
             client_address_text(&session->client, address));
    session_answer(session, SMTP_MAIL, reply);
}

bool session_limits_sleeps(const struct session *session)
{
    const struct service_values *values = session->values;

    return values->soft_error_limit > 0 && session->limits.errors >= values->soft_error_limit &&
           values->error_sleep > 0.;
}

void session_limits_reply(struct session *session, const char *code)
{
    struct session_limits *limits = &session->limits;

    if (session_limits_sleeps(session))
        limits->pause = true;
    if (code[0] >= '4' && limits->errors < UINT32_MAX)
        limits->errors++;
}

void session_limits_command(struct session *session, enum smtp_verb verb)
{
    struct session_limits *limits = &session->limits;

    if (verb == SMTP_MAIL)
        limits->mail = SESSION_MAIL_NEW;
    if (!smtp_verb_junk(verb) || session->values->junk_limit == 0)
        return;
    if (limits->junk > session->values->junk_limit) {
        if (limits->errors < UINT32_MAX)
            limits->errors++;
    } else {
        limits->junk++;
    }
}

void session_limits_delivered(struct session *session)
{
    session->limits.errors = 0;
    session->limits.junk = 0;
}

bool session_limits_exhausted(const struct session *session)
{
    return session->values->hard_error_limit > 0 &&
           session->limits.errors >= session->values->hard_error_limit;
}

void session_limits_refuse_errors(struct session *session)
{
    char namaddr[SESSION_NAMADDR_MAX];

    metrics_count_limit(session->metrics, METRICS_LIMIT_ERRORS);
    log_info("NOQUEUE: too many errors after %s from %s", session->where_text,
             session_namaddr(session, namaddr));
    session_last_words(session, SESSION_CLOSE_LINGER, "421 4.7.0 %s Error: too many errors",
                       session->service->hostname);
}
