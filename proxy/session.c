#include "proxy/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decimal.h"

#include "proxy/escape.h"
#include "proxy/log.h"
#include "proxy/session_chance.h"
#include "proxy/session_internal.h"

const char *session_namaddr(const struct session *session, char out[SESSION_NAMADDR_MAX])
{
    static const char before[] = "unknown[";
    char *address = out + strlen(before);

    memcpy(out, before, strlen(before));
    client_address_text(&session->client, address);
    memcpy(address + strlen(address), "]", sizeof("]"));
    return out;
}

const char *session_policy_place(const struct session *session, char out[SESSION_PLACE_MAX])
{
    const size_t most = SESSION_PLACE_MAX - sizeof(", line 4294967295");

    if (session->policy_line == 0) {
        if (session->policy_file == NULL)
            return "main configuration";
        snprintf(out, SESSION_PLACE_MAX, "%s", session->policy_file);
        return out;
    }
    size_t length = strlen(session->policy_file);
    snprintf(out, SESSION_PLACE_MAX, "%s, line %u",
             session->policy_file + (length > most ? length - most : 0), session->policy_line);
    return out;
}

void session_log_pipelining(struct session *session, const char *after, const char *text,
                            size_t length)
{
    char namaddr[SESSION_NAMADDR_MAX];
    char escaped[ESCAPE_TEXT_MAX];

    session->pipelining_noted = true;
    log_info("improper command pipelining after %s from %s: %s", after,
             session_namaddr(session, namaddr), escape_text(text, length, escaped));
}

void session_log_reject(const struct session *session, const char *where, const char *what)
{
    char namaddr[SESSION_NAMADDR_MAX];
    const char *helo = session->helo;

    log_info("NOQUEUE: reject: %s from %s: %s; proto=%s%s%s%s", where,
             session_namaddr(session, namaddr), what, session->esmtp ? "ESMTP" : "SMTP",
             helo != NULL ? " helo=<" : "", helo != NULL ? helo : "", helo != NULL ? ">" : "");
}

/* smtpd_forbid_bare_newline, unless the client is one of its exclusions. */
static enum bare_newline session_bare_newline(const struct session *session)
{
    const struct address_list *exempt = session->service->bare_newline_exempt;

    if (exempt != NULL && address_list_match(exempt, session->client.family, session->client.bytes))
        return BARE_NEWLINE_NO;
    return session->service->bare_newline;
}

/* Both beginnings: what is so for every client. */
static void session_connect(struct session *session, struct service *service,
                            const struct session_tls *tls_questions)
{
    char namaddr[SESSION_NAMADDR_MAX];

    session->magic = SESSION_MAGIC;
    session->service = service;
    session->tls_questions = tls_questions;
    session->values = service_values_now(service, limits_stressed(session->limits.shared));
    session->rule = &service->main;
    session->where_text = "CONNECT";
    session->state = service->wrappermode ? SESSION_WRAPPER : SESSION_COMMAND;
    log_info("connect from %s", session_namaddr(session, namaddr));
}

/* Which policy the client has. */
static void session_count_policy(const struct session *session)
{
    enum metrics_place place = session->rule == &session->service->main ? METRICS_PLACE_MAIN
                               : session->rule == session->service->second
                                   ? METRICS_PLACE_SECOND_CHANCE
                                   : METRICS_PLACE_TABLE;

    metrics_count_policy(session->metrics, tls_rule_level_name(session->rule), place);
}

void session_begin(struct session *session, struct service *service,
                   const struct session_tls *tls_questions)
{
    char namaddr[SESSION_NAMADDR_MAX];
    struct policy_match match;
    bool admitted = session_limits_admit(&session->limits);

    session_connect(session, service, tls_questions);
    session->rule = service_rule(service, &session->client, time(NULL), &match);
    if (session->rule != &service->main) {
        session->policy_file = match.file;
        session->policy_line = match.line;
    }
    if (admitted)
        session_chance_begin(session);
    session_count_policy(session);
    session->bare_newline = session_bare_newline(session);
    if (!admitted) {
        session_limits_refuse_all(session);
    } else if (session->rule->reject) {
        log_info("NOQUEUE: reject: CONNECT from %s: 421 4.7.1 access denied by %s, line %u",
                 session_namaddr(session, namaddr), match.file, match.line);
        if (service->wrappermode)
            session_last_nothing(session);
        else
            session_last_words(session, SESSION_CLOSE_LINGER, "421 4.7.1 %s Error: access denied",
                               service->hostname);
    } else {
        session_limits_connect(session);
    }
}

void session_begin_unknown(struct session *session, struct service *service,
                           const struct session_tls *tls_questions)
{
    bool admitted = session_limits_admit(&session->limits);

    session_connect(session, service, tls_questions);
    if (!admitted)
        session_limits_refuse_all(session);
    else if (service->wrappermode)
        session_last_nothing(session);
    else
        session_last_words(session, SESSION_CLOSE_LINGER, "421 4.3.0 %s Server local error",
                           service->hostname);
}

void session_greet(struct session *session, const char *pending, size_t pending_length)
{
    if (session->ending != SESSION_GOES_ON)
        return;
    if (pending_length > 0) {
        session_log_pipelining(session, "CONNECT", pending, pending_length);
        if (session->service->forbid_pipelining) {
            session_last_words(session, SESSION_CLOSE_LINGER,
                               "554 5.5.0 Error: SMTP protocol synchronization");
            return;
        }
    }
    buffer_printf(&session->client_out, "220 %s\r\n", session->service->banner);
}

void session_answer(struct session *session, enum smtp_verb verb, const char *text)
{
    if (session->relay != NULL && relay_head(session->relay) != NULL) {
        relay_expect(session->relay, EXPECT_LOCAL, verb, text);
        return;
    }
    session_limits_reply(session, text);
    buffer_append(&session->client_out, text, strlen(text));
    if (text[0] == '2' || text[0] == '3')
        session_count_ok(session, verb);
}

void session_last_words(struct session *session, enum session_ending ending, const char *format,
                        ...)
{
    char text[1024];
    va_list args;

    if (session->ending != SESSION_GOES_ON)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    session_limits_reply(session, text);
    buffer_printf(&session->client_out, "%s\r\n", text);
    session->state = SESSION_ENDING;
    session->ending = ending;
    session->requests++;
}

enum session_ending session_goodbye(const struct session *session)
{
    return session->tls ? SESSION_CLOSE_LINGER : SESSION_CLOSE;
}

void session_last_nothing(struct session *session)
{
    session->state = SESSION_ENDING;
    session->ending = SESSION_CLOSE;
}

void session_drop_relay(struct session *session)
{
    struct relay *relay = session->relay;

    if (relay == NULL)
        return;
    session->backend_quit = relay->state == RELAY_READY && relay_head(relay) == NULL &&
                            buffer_length(&relay->out) == 0 && session->state != SESSION_DATA &&
                            session->state != SESSION_BDAT;
    session->relay = NULL;
    session->wants_backend = false;
    session->transaction = false;
    relay_free(relay);
    session_record_end(session);
}

/* Between commands, with nothing under way: a pause in which the session can be ended. */
static bool session_pauses(const struct session *session)
{
    return session->state == SESSION_COMMAND && !session->blocked && !session->transaction &&
           (session->relay == NULL || relay_head(session->relay) == NULL);
}

/* What is left to do when input and replies are used up. */
static void session_settle(struct session *session)
{
    if (session->ending != SESSION_GOES_ON)
        return;
    if (session->draining && session_pauses(session))
        session_last_words(session, SESSION_CLOSE_LINGER, "421 4.3.2 %s Service shutting down",
                           session->service->hostname);
}

void session_run(struct session *session)
{
    bool progress;

    do {
        progress = false;
        if (session->limits.pause)
            return;
        if (session->relay != NULL && session_run_backend(session)) {
            progress = true; /* all that was said belongs to what was sent before */
            continue;
        }
        switch (session->state) {
        case SESSION_COMMAND:
        case SESSION_SKIP:
        case SESSION_AUTH:
            progress = session_run_front(session);
            break;
        case SESSION_DATA:
        case SESSION_BDAT:
            progress = session_run_content(session);
            break;
        case SESSION_WRAPPER:
        case SESSION_STARTTLS:
        case SESSION_ENDING:
            break;
        }
    } while (progress);
    session_settle(session);
}

bool session_waits_for_client(const struct session *session)
{
    const struct relay *relay = session->relay;

    if (session->client_eof || session->blocked || session->limits.pause)
        return false;
    switch (session->state) {
    case SESSION_COMMAND:
    case SESSION_SKIP:
    case SESSION_AUTH:
        /* Commands that wait for their replies to be fetched are enough: no more of them. */
        return buffer_length(&session->client_out) < SESSION_REPLIES_HIGH &&
               buffer_length(&session->client_in) <= session_line_max(session);
    case SESSION_DATA:
    case SESSION_BDAT:
        return relay == NULL || buffer_length(&relay->out) == 0;
    case SESSION_WRAPPER:
    case SESSION_STARTTLS:
    case SESSION_ENDING:
        break;
    }
    return false;
}

bool session_waits_for_backend(const struct session *session)
{
    const struct relay *relay = session->relay;

    if (relay == NULL)
        return session->wants_capabilities;
    if (relay->state == RELAY_LOST)
        return false;
    if (relay->state != RELAY_READY || buffer_length(&relay->out) > 0)
        return true;
    /* The reply to a chunk is expected from its beginning, but due only when the client has sent
     * the rest. */
    if (session->state == SESSION_BDAT && relay->chunk_passed)
        return relay->queue_length > 1;
    return relay_head(relay) != NULL;
}

bool session_backend_idles(const struct session *session)
{
    return session->state == SESSION_COMMAND && session->relay != NULL &&
           session->relay->state == RELAY_READY && relay_head(session->relay) == NULL;
}

bool session_sends_verdict(const struct session *session)
{
    const struct relay *relay = session->relay;
    const struct expect *head = relay != NULL ? relay_head(relay) : NULL;

    return head != NULL && relay->state == RELAY_READY &&
           (head->kind == EXPECT_END || head->kind == EXPECT_BDAT) && relay->sent < head->due;
}

double session_backend_patience(const struct session *session)
{
    const struct upstream *upstream = session->service->upstream;
    const struct relay *relay = session->relay;

    if (relay == NULL || relay->state != RELAY_SETUP)
        return upstream->timeout;
    return upstream_setup_patience(upstream, relay->backend, relay->tried);
}

/* The backend is going to say whether it has accepted a message; SENT: one that it has got whole.
 */
static bool session_awaits_verdict(const struct session *session, bool sent)
{
    return session->relay != NULL && session->relay->state == RELAY_READY &&
           relay_awaits_verdict(session->relay, sent);
}

bool session_only_answers(const struct session *session)
{
    return session->client_eof && buffer_length(&session->client_in) == 0 &&
           !session_awaits_verdict(session, false);
}

bool session_is_lost(const struct session *session)
{
    const struct relay *relay = session->relay;
    const struct buffer *in = &session->client_in;
    size_t length = buffer_length(in);

    if (!session->client_eof || session->ending != SESSION_GOES_ON)
        return false;
    if (session->client_deaf)
        return !session_awaits_verdict(session, true);
    switch (session->state) {
    case SESSION_COMMAND:
    case SESSION_SKIP:
        return !session->blocked && (relay == NULL || relay_head(relay) == NULL) &&
               (length == 0 || memchr(buffer_data(in), '\n', length) == NULL ||
                session_limits_sleeps(session));
    case SESSION_DATA:
    case SESSION_BDAT:
        return length == 0; /* else the backend is slow to take what is there */
    case SESSION_AUTH:
    case SESSION_WRAPPER:
    case SESSION_STARTTLS:
    case SESSION_ENDING:
        break;
    }
    return true;
}

void session_refuse(struct session *session)
{
    session_last_words(session, SESSION_CLOSE_LINGER, "421 4.7.1 %s Error: %s",
                       session->service->hostname, session->refusal);
}

void session_tls_established(struct session *session)
{
    struct tls_summary summary;
    char namaddr[SESSION_NAMADDR_MAX];
    char text[TLS_SUMMARY_TEXT_MAX];

    session_drop_relay(session);
    buffer_free(&session->client_in);
    free(session->helo);
    session->helo = NULL;
    session->esmtp = false;
    session->promised = 0;
    session->authenticated = false;
    session->chunks_refused = false;
    session->tls = true;
    session->requests++;
    session_chance_established(session);
    const char *name = session->tls_questions->server_name(session);
    bool known = session->tls_questions->summary(session, &summary);
    if (session->service->log_summary && known)
        log_info("%s TLS connection established from %s%s%s: %s",
                 tls_peer_status_text(summary.peer), session_namaddr(session, namaddr),
                 name[0] != '\0' ? " to " : "", name, tls_summary_text(&summary, text));
    bool allowed = session_limits_handshake(session, known && summary.resumed);
    session->refusal = session->tls_questions->refusal(session);
    if (session->refusal != NULL)
        log_info("NOQUEUE: abort: TLS from %s: %s", session_namaddr(session, namaddr),
                 session->refusal);
    if (!allowed) {
        session_limits_refuse_tls(session);
    } else if (session->state == SESSION_WRAPPER) {
        session->state = SESSION_COMMAND;
        if (session->refusal != NULL)
            session_refuse(session);
        else
            session_greet(session, NULL, 0);
    } else {
        session->state = SESSION_COMMAND;
        session_count_ok(session, SMTP_STARTTLS);
    }
}

void session_tls_failed(struct session *session)
{
    (void)session_limits_handshake(session, false);
}

void session_client_eof(struct session *session)
{
    session->client_eof = true;
}

void session_client_deaf(struct session *session)
{
    session->client_eof = true;
    session->client_deaf = true;
    if (session->state == SESSION_COMMAND || session->state == SESSION_SKIP)
        buffer_free(&session->client_in);
}

/* "NOQUEUE: lost connection after DATA (1234 bytes) from unknown[192.0.2.1]". */
static void session_log_reason(const struct session *session, const char *reason)
{
    char namaddr[SESSION_NAMADDR_MAX];

    session_namaddr(session, namaddr);
    if ((session->state == SESSION_DATA || session->state == SESSION_BDAT) &&
        session->relay != NULL)
        log_info("NOQUEUE: %s after %s (%llu bytes) from %s", reason, session->where_text,
                 (unsigned long long)session->relay->stream.bytes_in, namaddr);
    else if (strcmp(session->where_text, "END-OF-MESSAGE") != 0 ||
             strcmp(reason, "lost connection") != 0)
        log_info("NOQUEUE: %s after %s from %s", reason, session->where_text, namaddr);
}

void session_client_timeout(struct session *session)
{
    metrics_count_limit(session->metrics, METRICS_LIMIT_CLIENT_TIMEOUT);
    session_log_reason(session, "timeout");
    session_last_words(session, SESSION_CLOSE_LINGER, "421 4.4.2 %s Error: timeout exceeded",
                       session->service->hostname);
}

void session_drain(struct session *session, bool force)
{
    session->draining = true;
    if (force || session->state == SESSION_WRAPPER)
        session_last_words(session, SESSION_CLOSE_LINGER, "421 4.3.2 %s Service shutting down",
                           session->service->hostname);
    session_run(session);
}

#define STATISTIC_NAME_MAX 16
#define STATISTIC_MAX (STATISTIC_NAME_MAX + 3 + 2 * DECIMAL_MAX) /* bytes of " name=1/2" */

/* Append " name=1/2" of VERB, or " name=2" if all were well. Returns the end. */
static char *put_statistic(char *out, enum smtp_verb verb, const struct session_count *count)
{
    const char *name = smtp_verb_name(verb);

    *out++ = ' ';
    for (int i = 0; i < STATISTIC_NAME_MAX && name[i] != '\0'; i++)
        *out++ = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
    *out++ = '=';
    out = decimal_put(out, count->ok);
    if (count->ok == count->total)
        return out;
    *out++ = '/';
    return decimal_put(out, count->total);
}

/* Postfix's statistics: "ehlo=2 starttls=1/2 ... commands=7/8". */
static void session_log_statistics(const struct session *session)
{
    char text[SMTP_VERB_COUNT * STATISTIC_MAX + 1];
    char namaddr[SESSION_NAMADDR_MAX];
    char *end = text;
    unsigned total = 0;
    unsigned ok = 0;

    for (int verb = 0; verb < SMTP_VERB_COUNT; verb++) {
        const struct session_count *count = &session->counts[verb];
        if (count->total == 0)
            continue;
        total += count->total;
        ok += count->ok;
        end = put_statistic(end, (enum smtp_verb)verb, count);
    }
    *end = '\0';
    char of_total[16] = "";
    if (ok != total || total == 0)
        snprintf(of_total, sizeof(of_total), "/%u", total);
    log_info("disconnect from %s%s commands=%u%s%s", session_namaddr(session, namaddr), text, ok,
             of_total, session->bare_lf_noted ? " notes=bare_lf" : "");
}

void session_end(struct session *session, const char *reason)
{
    if (session->magic != SESSION_MAGIC)
        log_fatal("session_end: not a session");
    if (reason != NULL)
        session_log_reason(session, reason);
    session_log_statistics(session);
    session_limits_end(&session->limits);
    session_drop_relay(session);
    buffer_free(&session->client_in);
    buffer_free(&session->client_out);
    free(session->helo);
    free(session->discard);
    session->magic = 0;
}
