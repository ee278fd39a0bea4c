/*
 * The commands. What concerns this hop (HELO, EHLO, STARTTLS, and QUIT, NOOP, RSET while no backend
 * is in use) is answered here; the rest goes to the backend, which is called when it is needed.
 * Texts are Postfix's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/escape.h"
#include "proxy/extensions.h"
#include "proxy/log.h"
#include "proxy/session_internal.h"

#define HELO_MAX 1024       /* longest HELO name that is passed on */
#define AUTH_LINE_MAX 12288 /* RFC 4954 section 4 */

/* A line as it stands in client_in. */
struct line {
    char *text;
    size_t length;   /* without its line end */
    size_t consumes; /* with it */
    bool bare_lf;
};

/* Find the next complete line. One CR belongs to the line end, as Postfix reads it. */
static bool front_next_line(const struct buffer *in, struct line *line)
{
    if (buffer_length(in) == 0)
        return false;
    char *text = buffer_data(in);
    char *lf = memchr(text, '\n', buffer_length(in));

    if (lf == NULL)
        return false;
    line->text = text;
    line->consumes = (size_t)(lf - text) + 1;
    line->bare_lf = lf == text || lf[-1] != '\r';
    line->length = (size_t)(lf - text) - (line->bare_lf ? 0 : 1);
    return true;
}

void session_append_hello(struct session *session)
{
    struct service *service = session->service;
    char reply[CAPABILITIES_REPLY_MAX];

    session_limits_reply(session, "250");
    if (!session->esmtp) {
        buffer_printf(&session->client_out, "250 %s\r\n", service->hostname);
        return;
    }
    const struct capabilities_view view = {
        .hostname = service->hostname,
        .starttls = !session->tls && session->rule->policy->level != TLS_LEVEL_NONE,
        .hide_auth = session->rule->policy->auth_only && !session->tls,
        .requiretls = session->tls && service->requiretls,
        .reserve = session_trace_reserve(service),
    };
    const struct capabilities *capabilities = session->relay != NULL
                                                  ? &session->relay->backend->capabilities
                                                  : backend_capabilities(&service->upstream->list);
    size_t length = capabilities_reply(capabilities, &view, reply);
    session->promised = capabilities->extensions;
    buffer_append(&session->client_out, reply, length);
}

/* Remember the HELO name; the former one, and a transaction, are gone. */
static void front_set_helo(struct session *session, const struct smtp_command *command)
{
    size_t length = command->args_length < HELO_MAX ? command->args_length : HELO_MAX;

    free(session->helo);
    session->helo = strndup(command->args, length);
    if (session->helo == NULL)
        log_fatal("out of memory for a HELO name");
    session->esmtp = command->verb == SMTP_EHLO;
    session->promised = 0;
    session->transaction = false;
    session->chunks_refused = false;
}

/* HELO and EHLO. */
static enum session_verdict front_hello(struct session *session, const struct smtp_command *command)
{
    const struct backend_list *backends = &session->service->upstream->list;

    if (!session_is_quiet(session))
        return SESSION_VERDICT_BLOCK;
    if (command->args_length == 0) {
        session_answer(session, command->verb,
                       command->verb == SMTP_EHLO ? "501 Syntax: EHLO hostname\r\n"
                                                  : "501 Syntax: HELO hostname\r\n");
        return SESSION_VERDICT_DONE;
    }
    if (session->relay != NULL) {
        if (!session_backend_ready(session))
            return SESSION_VERDICT_BLOCK;
        front_set_helo(session, command);
        session_content_reset(session->relay);
        size_t length =
            (size_t)(command->args - buffer_data(&session->client_in)) + strlen(session->helo);
        session_forward(session, command, buffer_data(&session->client_in), length, EXPECT_HELLO);
        return SESSION_VERDICT_DONE;
    }
    if (command->verb == SMTP_EHLO && backend_capabilities(backends) == NULL) {
        if (!backend_is_hopeless(backends)) {
            session->wants_capabilities = true;
            return SESSION_VERDICT_BLOCK;
        }
        session_last_words(session, SESSION_CLOSE_LINGER,
                           "421 4.3.2 %s Service currently unavailable",
                           session->service->hostname);
        return SESSION_VERDICT_DONE;
    }
    front_set_helo(session, command);
    session_append_hello(session);
    session_count_ok(session, command->verb);
    return SESSION_VERDICT_DONE;
}

/* STARTTLS (RFC 3207), with Postfix's answers in Postfix's order. What stands behind it in the same
 * flight would be cleartext posing as protected: that ends the session (CVE-2011-0411). */
static enum session_verdict
front_starttls(struct session *session, const struct smtp_command *command, const struct line *line)
{
    size_t more = buffer_length(&session->client_in) - line->consumes;

    if (!session_is_quiet(session))
        return SESSION_VERDICT_BLOCK;
    if (command->args_length > 0) {
        session_answer(session, SMTP_STARTTLS, "501 5.5.4 Syntax: STARTTLS\r\n");
    } else if (session->tls) {
        session_answer(session, SMTP_STARTTLS, "554 5.5.1 Error: TLS already active\r\n");
    } else if (session->rule->policy->level == TLS_LEVEL_NONE) {
        session_answer(session, SMTP_STARTTLS, "502 5.5.1 Error: command not implemented\r\n");
    } else if (session->rule->tls == NULL) {
        session_answer(session, SMTP_STARTTLS,
                       "454 4.7.0 TLS not available due to local problem\r\n");
    } else if (more > 0) {
        session_log_pipelining(session, "STARTTLS",
                               buffer_data(&session->client_in) + line->consumes, more);
        session_last_words(session, SESSION_CLOSE_LINGER,
                           "554 5.5.0 Error: SMTP protocol synchronization");
    } else if (session_limits_starttls(session)) {
        session_drop_relay(session);
        session_limits_reply(session, "220");
        buffer_printf(&session->client_out, "220 2.0.0 Ready to start TLS\r\n");
        session->state = SESSION_STARTTLS;
    }
    return SESSION_VERDICT_DONE;
}

/* AUTH, where this hop allows it, is the backend's business (RFC 4954). */
static enum session_verdict front_auth(struct session *session, const struct smtp_command *command)
{
    if (session->rule->policy->auth_only && !session->tls) {
        session_answer(session, SMTP_AUTH, "503 5.5.1 Error: authentication not enabled\r\n");
        return SESSION_VERDICT_DONE;
    }
    if (!session_is_quiet(session) || !session_backend_ready(session))
        return SESSION_VERDICT_BLOCK;
    session_forward(session, command, buffer_data(&session->client_in), command->length,
                    EXPECT_AUTH);
    return SESSION_VERDICT_DONE;
}

/* NOOP, RSET and QUIT need no backend unless one is in use. */
static enum session_verdict front_simple(struct session *session,
                                         const struct smtp_command *command)
{
    if (session->relay != NULL) {
        if (!session_backend_ready(session))
            return SESSION_VERDICT_BLOCK;
        if (command->verb == SMTP_RSET)
            session_content_reset(session->relay);
        session_forward(session, command, buffer_data(&session->client_in), command->length,
                        command->verb == SMTP_QUIT ? EXPECT_QUIT : EXPECT_REPLY);
    } else if (command->verb == SMTP_QUIT) {
        session_last_words(session, session_goodbye(session), "221 2.0.0 Bye");
        session_count_ok(session, SMTP_QUIT);
    } else {
        session_answer(session, command->verb, "250 2.0.0 Ok\r\n");
    }
    return SESSION_VERDICT_DONE;
}

/* Everything else is passed on as it stands. */
static enum session_verdict front_pass(struct session *session, const struct smtp_command *command)
{
    enum session_verdict verdict;

    if (!session_backend_ready(session))
        return SESSION_VERDICT_BLOCK;
    if (command->verb == SMTP_RCPT &&
        !session_keeps_promise(session, extensions_used(command), &verdict))
        return verdict;
    session_forward(session, command, buffer_data(&session->client_in), command->length,
                    command->verb == SMTP_DATA ? EXPECT_DATA : EXPECT_REPLY);
    if (command->verb == SMTP_RCPT)
        session_trace_expect(session, command, false);
    return SESSION_VERDICT_DONE;
}

/* A command that gatepost may carry out. */
static enum session_verdict
front_dispatch(struct session *session, const struct smtp_command *command, const struct line *line)
{
    if (command->verb == SMTP_RSET)
        session->chunks_refused = false;
    switch (command->verb) {
    case SMTP_HELO:
    case SMTP_EHLO:
        return front_hello(session, command);
    case SMTP_STARTTLS:
        return front_starttls(session, command, line);
    case SMTP_AUTH:
        return front_auth(session, command);
    case SMTP_MAIL:
        return session_command_mail(session, command);
    case SMTP_BDAT:
        return session_command_bdat(session, command);
    case SMTP_NOOP:
    case SMTP_RSET:
    case SMTP_QUIT:
        return front_simple(session, command);
    case SMTP_XCLIENT:
    case SMTP_XFORWARD:
        session_answer(session, command->verb, "500 5.5.2 Error: command not recognized\r\n");
        return SESSION_VERDICT_DONE;
    case SMTP_RCPT:
    case SMTP_DATA:
    case SMTP_VRFY:
    case SMTP_ETRN:
    case SMTP_HELP:
    case SMTP_UNKNOWN:
    case SMTP_VERB_COUNT:
        break;
    }
    return front_pass(session, command);
}

/* Input behind a command that must be the last of its group, or in a session that never said EHLO
 * (RFC 2920; Postfix's table). */
static bool front_is_unsynchronized(const struct session *session,
                                    const struct smtp_command *command, const struct line *line)
{
    return buffer_length(&session->client_in) > line->consumes && !session->pipelining_noted &&
           (smtp_verb_last(command->verb) || !session->esmtp) && command->verb != SMTP_STARTTLS &&
           command->verb != SMTP_UNKNOWN;
}

/* The log line about that; smtpd_forbid_unauth_pipelining. */
static void front_unsynchronized(struct session *session, const struct smtp_command *command,
                                 const struct line *line)
{
    const struct buffer *in = &session->client_in;

    session_log_pipelining(session, smtp_verb_name(command->verb), buffer_data(in) + line->consumes,
                           buffer_length(in) - line->consumes);
    if (session->service->forbid_pipelining)
        session_last_words(session, SESSION_CLOSE_LINGER,
                           "554 5.5.0 Error: SMTP protocol synchronization");
}

/* What no SMTP client sends (smtpd_forbidden_commands, header lines). */
static bool front_is_forbidden(const struct session *session, const struct smtp_command *command)
{
    const struct word_list *forbidden = session->service->forbidden_commands;

    return command->verb == SMTP_UNKNOWN && !command->empty &&
           (smtp_command_is_header(command) ||
            (forbidden != NULL && word_list_match(forbidden, command->word, command->word_length)));
}

/* The last words to who sends that. */
static void front_forbidden(struct session *session, const struct line *line)
{
    char namaddr[SESSION_NAMADDR_MAX];
    char escaped[ESCAPE_TEXT_MAX];

    session->counts[SMTP_UNKNOWN].total++;
    session->where_text = "UNKNOWN";
    log_warning("non-SMTP command from %s: %.100s", session_namaddr(session, namaddr),
                escape_text(line->text, line->length, escaped));
    session_last_words(session, SESSION_CLOSE_LINGER,
                       "221 2.7.0 Error: I can break rules, too. Goodbye.");
}

/* A bare LF ended a command line: the last words about that. */
static void front_bare_lf(struct session *session)
{
    char reply[SESSION_BARE_LF_REPLY_MAX];

    session_log_reject(session, session->where_text, "bare <LF> received");
    session_bare_lf_reply(session, reply);
    session_last_words(session, SESSION_CLOSE_LINGER, "%.*s", (int)strlen(reply) - 2, reply);
}

/* Whether LINE is the last one that is read, since it breaks a rule; if so, it is answered, in its
 * turn behind the replies that are still due (*VERDICT). */
static bool front_ends_session(struct session *session, const struct smtp_command *command,
                               const struct line *line, enum session_verdict *verdict)
{
    bool bare_lf = line->bare_lf && session->bare_newline == BARE_NEWLINE_REJECT;
    bool forbidden = !bare_lf && front_is_forbidden(session, command);

    if (!bare_lf && !forbidden)
        return false;
    *verdict = session_is_quiet(session) ? SESSION_VERDICT_DONE : SESSION_VERDICT_BLOCK;
    if (*verdict == SESSION_VERDICT_DONE && bare_lf)
        front_bare_lf(session);
    else if (*verdict == SESSION_VERDICT_DONE)
        front_forbidden(session, line);
    return true;
}

/* Whether COMMAND may not be used before TLS. */
static bool front_needs_tls(const struct session *session, const struct smtp_command *command)
{
    return session->rule->policy->level == TLS_LEVEL_ENCRYPT && !session->tls &&
           (command->verb == SMTP_UNKNOWN || !smtp_verb_pre_tls(command->verb));
}

/* The answer then. */
static void front_refuse_cleartext(struct session *session, const struct smtp_command *command)
{
    session_answer(session, command->verb,
                   command->verb == SMTP_UNKNOWN
                       ? "500 5.5.2 Error: command not recognized\r\n"
                       : "530 5.7.0 Must issue a STARTTLS command first\r\n");
    session->counts[command->verb].total++;
}

/* A command was dealt with. */
static void front_count(struct session *session, enum smtp_verb verb)
{
    session->counts[verb].total++;
    session->where = verb;
    session->where_text = smtp_verb_name(verb);
    session_limits_command(session, verb);
}

/* One command line. */
static enum session_verdict front_command(struct session *session, const struct line *line)
{
    struct smtp_command command;
    enum session_verdict verdict;

    if (session->refusal != NULL) {
        session_refuse(session);
        return SESSION_VERDICT_DONE;
    }
    if (line->bare_lf && session->bare_newline == BARE_NEWLINE_NOTE)
        session->bare_lf_noted = true;
    smtp_command_parse(line->text, line->length, &command);
    if (front_ends_session(session, &command, line, &verdict))
        return verdict;
    if (session->relay != NULL && relay_queue_full(session->relay))
        return SESSION_VERDICT_BLOCK;
    if (command.empty) {
        session_answer(session, SMTP_UNKNOWN, "500 5.5.2 Error: bad syntax\r\n");
        session->counts[SMTP_UNKNOWN].total++;
        return SESSION_VERDICT_DONE;
    }
    if (front_needs_tls(session, &command)) {
        front_refuse_cleartext(session, &command);
        return SESSION_VERDICT_DONE;
    }
    if (front_is_unsynchronized(session, &command, line)) {
        if (session->service->forbid_pipelining && !session_is_quiet(session))
            return SESSION_VERDICT_BLOCK;
        front_unsynchronized(session, &command, line);
        if (session->ending != SESSION_GOES_ON)
            return SESSION_VERDICT_DONE;
    }
    verdict = front_dispatch(session, &command, line);
    if (verdict == SESSION_VERDICT_DONE)
        front_count(session, command.verb);
    return verdict;
}

void session_command_answered(struct session *session)
{
    struct smtp_command command;
    struct line line;

    if (!front_next_line(&session->client_in, &line))
        return;
    smtp_command_parse(line.text, line.length, &command);
    front_count(session, command.verb);
    buffer_consume(&session->client_in, line.consumes);
}

/* One line of an AUTH exchange: nobody's business but the backend's. */
static enum session_verdict front_auth_line(struct session *session, const struct line *line)
{
    struct relay *relay = session->relay;

    if (memchr(line->text, '\0', line->length) != NULL ||
        memchr(line->text, '\r', line->length) != NULL) {
        session_last_words(session, SESSION_CLOSE_LINGER, "501 5.5.2 Error: bad syntax");
        return SESSION_VERDICT_DONE;
    }
    buffer_append(&relay->out, line->text, line->length);
    buffer_append(&relay->out, "\r\n", 2);
    relay_expect(relay, EXPECT_AUTH, SMTP_AUTH, NULL);
    relay->barrier = true;
    session->state = SESSION_COMMAND;
    return SESSION_VERDICT_DONE;
}

/* More than a line's worth of input without a line end. What belongs to an AUTH exchange may be a
 * secret, so it is not logged. */
static void front_too_long(struct session *session)
{
    char namaddr[SESSION_NAMADDR_MAX];

    session_namaddr(session, namaddr);
    session->skips_exchange = session->state == SESSION_AUTH;
    if (session->skips_exchange)
        log_warning("%s: SASL response longer than %d", namaddr, AUTH_LINE_MAX);
    else
        log_warning("%s: request longer than %zu: %.30s...", namaddr, session->service->line_limit,
                    buffer_data(&session->client_in));
    session->state = SESSION_SKIP;
}

/* The backend waits for a line of an AUTH exchange that it will not get: the exchange is over on
 * both sides (RFC 4954 section 4). */
static void front_cancel_exchange(struct relay *relay)
{
    buffer_append(&relay->out, "*\r\n", 3);
    relay_expect(relay, EXPECT_CANCEL, SMTP_AUTH, NULL);
    relay->barrier = true;
}

/* The rest of a line that was too long: answered when its end is there, and in its turn. */
static bool front_skip(struct session *session)
{
    struct line line;

    if (session->relay != NULL && relay_queue_full(session->relay)) {
        session->blocked = true;
        return false;
    }
    if (!front_next_line(&session->client_in, &line)) {
        buffer_consume(&session->client_in, buffer_length(&session->client_in));
        return false;
    }
    buffer_consume(&session->client_in, line.consumes);
    session->state = SESSION_COMMAND;
    if (session->skips_exchange && session->relay != NULL) {
        front_cancel_exchange(session->relay);
        return true;
    }
    session->requests++;
    session->counts[SMTP_UNKNOWN].total++;
    session->where_text = "UNKNOWN";
    session_answer(session, SMTP_UNKNOWN, "500 5.5.2 Error: command too long\r\n");
    return true;
}

size_t session_line_max(const struct session *session)
{
    return (session->state == SESSION_AUTH ? AUTH_LINE_MAX : session->service->line_limit) + 2;
}

/* The next line may belong to an AUTH exchange, or be content: the backend has to say so. */
static bool front_next_is_no_command(const struct session *session)
{
    const struct expect *last = session->relay != NULL ? relay_last(session->relay) : NULL;

    return last != NULL && (last->kind == EXPECT_AUTH || last->kind == EXPECT_DATA);
}

bool session_run_front(struct session *session)
{
    struct line line;
    const size_t most = session_line_max(session);

    session->blocked = false;
    if (session->state == SESSION_SKIP)
        return front_skip(session);
    if (session->state == SESSION_COMMAND && front_next_is_no_command(session)) {
        session->blocked = true;
        return false;
    }
    if (session->state == SESSION_COMMAND && session_limits_exhausted(session)) {
        session->blocked = !session_is_quiet(session);
        if (!session->blocked)
            session_limits_refuse_errors(session);
        return !session->blocked;
    }
    if (buffer_length(&session->client_out) >= SESSION_REPLIES_HIGH)
        return false;
    bool complete = front_next_line(&session->client_in, &line);
    if (complete ? line.length + 2 > most : buffer_length(&session->client_in) > most) {
        front_too_long(session);
        return true;
    }
    if (!complete)
        return false;
    bool exchange = session->state == SESSION_AUTH; /* with Postfix, the lines of one request */
    enum session_verdict verdict =
        exchange ? front_auth_line(session, &line) : front_command(session, &line);
    if (verdict == SESSION_VERDICT_BLOCK) {
        session->blocked = true;
        return false;
    }
    if (!exchange)
        session->requests++;
    buffer_consume(&session->client_in, line.consumes);
    return true;
}
