/*
 * The backend's side of a session: telling the client what its commands came to. Whatever a backend
 * does, the client hears a well-formed reply, and 250 for a message only if the backend said so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/log.h"
#include "proxy/session_internal.h"
#include "proxy/smtp_reply.h"

/* The session is in the midst of a message's content. */
static bool backend_in_content(const struct session *session)
{
    return session->state == SESSION_DATA || session->state == SESSION_BDAT;
}

void session_backend_broken(struct session *session, const char *why)
{
    const struct service *service = session->service;
    char namaddr[SESSION_NAMADDR_MAX];
    char reply[600];

    log_warning("backend %s: %s, for %s",
                session->relay != NULL ? session->relay->backend->name : service->upstream->name,
                why, session_namaddr(session, namaddr));
    snprintf(reply, sizeof(reply), "421 4.3.2 %s Service currently unavailable", service->hostname);
    if (backend_in_content(session) && session->relay != NULL) {
        char *owned = malloc(strlen(reply) + 3);
        if (owned == NULL)
            log_fatal("out of memory for a reply");
        sprintf(owned, "%s\r\n", reply);
        session_discard_content(session, owned, true);
        return;
    }
    session_drop_relay(session);
    session_last_words(session, SESSION_CLOSE_LINGER, "%s", reply);
}

/* What the backend was expected to say, for a log line. */
static void backend_expectation(const struct session *session, char *out, size_t capacity)
{
    const struct relay *relay = session->relay;
    const struct expect *head = relay->dealing ? &relay->asked : relay_head(relay);

    if (relay->state == RELAY_CONNECTING)
        snprintf(out, capacity, "while connecting");
    else if (relay->state == RELAY_SETUP)
        snprintf(out, capacity, "while waiting for its %s",
                 backend_setup_stage_name(&relay->setup));
    else if (head != NULL)
        snprintf(out, capacity, "while waiting for its reply to %s",
                 head->kind == EXPECT_END ? "end of data" : smtp_verb_name(head->verb));
    else if (backend_in_content(session))
        snprintf(out, capacity, "while sending message content");
    else
        snprintf(out, capacity, "while nothing was asked of it");
}

/* What a failure says about the backend. */
static enum backend_fault backend_fault(const struct relay *relay)
{
    if (relay->state == RELAY_CONNECTING)
        return BACKEND_FAULT_CONNECT;
    return relay->setup.stage == BACKEND_SETUP_GREETING ? BACKEND_FAULT_GREETING
                                                        : BACKEND_FAULT_SETUP;
}

void session_backend_fail(struct session *session, const char *what)
{
    char doing[128];
    char why[512];

    backend_expectation(session, doing, sizeof(doing));
    snprintf(why, sizeof(why), "%s %s", what, doing);
    if (!session_setup_next(session, why, backend_fault(session->relay)))
        session_backend_broken(session, why);
}

void session_backend_nonsense(struct session *session, const struct session_reply *arrived)
{
    char what[200];
    int length = arrived->reply.length > 80 ? 80 : (int)arrived->reply.length;

    while (length > 0 && (arrived->text[length - 1] == '\n' || arrived->text[length - 1] == '\r'))
        length--;
    snprintf(what, sizeof(what), "unexpected reply \"%.*s\"", length, arrived->text);
    session_backend_fail(session, what);
}

/* The reply as the client will see it; malloc'ed. */
static char *backend_normalized(const struct session_reply *arrived, size_t *length)
{
    char *text = malloc(2 * arrived->reply.length + 3);
    if (text == NULL)
        log_fatal("out of memory for a reply of %zu bytes", arrived->reply.length);
    *length = smtp_reply_normalize(arrived->text, &arrived->reply, text);
    text[*length] = '\0';
    return text;
}

/* Tell the client what the backend said. */
static void backend_copy(struct session *session, const struct session_reply *arrived)
{
    size_t length;
    char *text = backend_normalized(arrived, &length);

    session_limits_reply(session, text);
    buffer_append(&session->client_out, text, length);
    free(text);
}

/* The last reply is written. */
static void backend_end_session(struct session *session)
{
    session->state = SESSION_ENDING;
    session->ending = SESSION_CLOSE_LINGER;
}

/* A backend that says 421 or 521 hangs up, and so does gatepost. */
static bool backend_hangs_up(const struct session_reply *arrived)
{
    return arrived->reply.code == 421 || arrived->reply.code == 521;
}

void session_backend_pass_on(struct session *session, const struct session_reply *arrived,
                             enum smtp_verb verb)
{
    backend_copy(session, arrived);
    if (arrived->reply.code < 400)
        session_count_ok(session, verb);
    if (backend_hangs_up(arrived))
        backend_end_session(session);
}

/* A reply that nothing was sent for: before the end of the content, a verdict on it; or goodbye. */
static void backend_unsolicited(struct session *session, const struct session_reply *arrived)
{
    size_t length;
    int code = arrived->reply.code;

    if (backend_in_content(session) && code >= 400)
        session_discard_content(session, backend_normalized(arrived, &length),
                                backend_hangs_up(arrived));
    else if (!backend_in_content(session) && backend_hangs_up(arrived))
        session_backend_pass_on(session, arrived, SMTP_UNKNOWN);
    else
        session_backend_nonsense(session, arrived);
}

/* A reply that came before the whole of what it seems to answer was sent. It is no answer, unless
 * it says no to a message that it has seen a part of, or goodbye. What was not sent then never
 * will be, so this backend session is of no more use. */
static void backend_early(struct session *session, const struct session_reply *arrived,
                          enum expect_kind kind)
{
    bool message = kind == EXPECT_END || kind == EXPECT_BDAT;
    bool last = session->relay->queue_length == 0;

    if (!backend_hangs_up(arrived) && (arrived->reply.code < 400 || !message || !last)) {
        session_backend_nonsense(session, arrived);
    } else if (backend_in_content(session)) {
        backend_unsolicited(session, arrived);
    } else {
        session_backend_pass_on(session, arrived, SMTP_DATA);
        if (session->authenticated)
            backend_end_session(session);
        session_drop_relay(session);
    }
}

/* The answer to EHLO or HELO in a session that already uses the backend. */
static void backend_hello(struct session *session, const struct session_reply *arrived,
                          enum smtp_verb verb)
{
    if (arrived->reply.code >= 400) {
        session_backend_pass_on(session, arrived, verb);
        return;
    }
    if (arrived->reply.code != 250) {
        session_backend_nonsense(session, arrived);
        return;
    }
    if (verb == SMTP_EHLO)
        capabilities_parse(&session->relay->backend->capabilities, arrived->text,
                           arrived->reply.length);
    session_setup_ready(session);
    session_append_hello(session);
    session_count_ok(session, verb);
}

/* Does the part that was just answered belong to the chunk that the client is still sending? */
static bool backend_is_present_chunk(const struct session *session)
{
    const struct relay *relay = session->relay;
    unsigned chunks = 0;

    for (unsigned i = 0; i < relay->queue_length; i++)
        if (relay->queue[(relay->queue_head + i) % RELAY_QUEUE_MAX].kind == EXPECT_BDAT)
            chunks++;
    return session->state == SESSION_BDAT && chunks == (relay->chunk_passed ? 1 : 0);
}

/* The reply to a part of a chunk that gatepost made: a complaint is kept for the chunk's end, and
 * what has not come yet need not be passed on. */
static void backend_chunk_part(struct session *session, const struct session_reply *arrived)
{
    struct relay *relay = session->relay;
    size_t length;

    if (backend_hangs_up(arrived))
        session_backend_pass_on(session, arrived, SMTP_BDAT);
    else if (arrived->reply.code >= 400 && backend_is_present_chunk(session))
        session_discard_content(session, backend_normalized(arrived, &length), false);
    else if (arrived->reply.code >= 400 && relay->chunk_error == NULL)
        relay->chunk_error = backend_normalized(arrived, &length);
}

/* A message has been accepted. */
static void backend_delivered(struct session *session)
{
    session_limits_delivered(session);
    metrics_count_message(session->metrics,
                          session->tls ? METRICS_TRANSPORT_TLS : METRICS_TRANSPORT_CLEARTEXT,
                          session->relay->stream.bytes_in);
    session->tally.messages++;
    session->tally.cleartext += !session->tls;
    session->tally.bytes += session->relay->stream.bytes_in;
}

/* The reply to a chunk of the client's. */
static void backend_chunk(struct session *session, const struct session_reply *arrived)
{
    struct relay *relay = session->relay;
    bool early = session->state == SESSION_BDAT && relay->chunk_passed && relay->queue_length == 0;

    if (early) {
        backend_unsolicited(session, arrived);
    } else if (relay->chunk_error != NULL && !backend_hangs_up(arrived)) {
        session_limits_reply(session, relay->chunk_error);
        buffer_append(&session->client_out, relay->chunk_error, strlen(relay->chunk_error));
        free(relay->chunk_error);
        relay->chunk_error = NULL;
    } else {
        bool whole = !relay->chunked && session->state == SESSION_COMMAND;
        if (whole)
            session_trace_verdict(session, arrived);
        if (arrived->reply.code < 300 && whole)
            backend_delivered(session);
        session_backend_pass_on(session, arrived, SMTP_BDAT);
    }
    if (session->relay != NULL && !relay->chunked && session->state == SESSION_COMMAND)
        session->transaction = false;
}

/* The end of data is there: the backend's verdict on the message. */
static void backend_verdict(struct session *session, const struct session_reply *arrived)
{
    session->transaction = false;
    session_trace_verdict(session, arrived);
    if (arrived->reply.code < 300)
        backend_delivered(session);
    session_backend_pass_on(session, arrived, SMTP_DATA);
}

/* QUIT: whatever the answer is, it is the last. */
static void backend_bye(struct session *session, const struct session_reply *arrived)
{
    session_backend_pass_on(session, arrived, SMTP_QUIT);
    session->state = SESSION_ENDING;
    session->ending = session_goodbye(session);
}

/* The reply to a command that is simply passed on; what it means for the transaction. */
static void backend_plain(struct session *session, const struct session_reply *arrived,
                          const struct expect *expected)
{
    enum smtp_verb verb = expected->verb;

    if (arrived->reply.code < 300)
        session_trace_accepted(session, expected);
    if (arrived->reply.code < 300 && verb == SMTP_MAIL)
        session->transaction = true;
    if (arrived->reply.code < 300 && verb == SMTP_RSET)
        session->transaction = false;
    session_backend_pass_on(session, arrived, verb);
}

/* 354 opens the content; a success without content cannot be true. */
static void backend_data(struct session *session, const struct session_reply *arrived)
{
    if (arrived->reply.code == 354) {
        backend_copy(session, arrived);
        session_content_begin_data(session);
    } else if (arrived->reply.code >= 400) {
        session_backend_pass_on(session, arrived, SMTP_DATA);
    } else {
        session_backend_nonsense(session, arrived);
    }
}

/* AUTH: 334 asks the client for one more line. */
static void backend_auth(struct session *session, const struct session_reply *arrived)
{
    int code = arrived->reply.code;

    if (code == 334) {
        backend_copy(session, arrived);
        session->state = SESSION_AUTH;
        return;
    }
    if (code < 300)
        session->authenticated = true;
    session_backend_pass_on(session, arrived, SMTP_AUTH);
}

/* An AUTH exchange was ended because a line of the client's was too long. A backend that takes even
 * that for a proof is not to be gone on with: the client would not know that it is logged in. */
static void backend_cancelled(struct session *session, const struct session_reply *arrived)
{
    static const char reply[] = "500 5.5.6 SASL response limit exceeded\r\n";

    if (backend_hangs_up(arrived)) {
        session_backend_pass_on(session, arrived, SMTP_AUTH);
    } else if (arrived->reply.code < 400) {
        session_backend_nonsense(session, arrived);
    } else {
        session_limits_reply(session, reply);
        buffer_append(&session->client_out, reply, sizeof(reply) - 1);
    }
}

/* "Go on" is an answer to DATA and AUTH only. */
static bool backend_is_misplaced(enum expect_kind kind, int code)
{
    return code >= 300 && code < 400 && !(kind == EXPECT_DATA && code == 354) &&
           !(kind == EXPECT_AUTH && code == 334);
}

/* The reply to what was EXPECTED. */
static void backend_answered(struct session *session, const struct session_reply *arrived,
                             const struct expect *expected)
{
    switch (expected->kind) {
    case EXPECT_REPLY:
        backend_plain(session, arrived, expected);
        break;
    case EXPECT_HELLO:
        backend_hello(session, arrived, expected->verb);
        break;
    case EXPECT_AUTH:
        backend_auth(session, arrived);
        break;
    case EXPECT_CANCEL:
        backend_cancelled(session, arrived);
        break;
    case EXPECT_DATA:
        backend_data(session, arrived);
        break;
    case EXPECT_CHUNK:
        backend_chunk_part(session, arrived);
        break;
    case EXPECT_BDAT:
        backend_chunk(session, arrived);
        break;
    case EXPECT_END:
        backend_verdict(session, arrived);
        break;
    case EXPECT_QUIT:
        backend_bye(session, arrived);
        break;
    case EXPECT_LOCAL:
        break; /* answered by backend_answer_local, never at the head here */
    }
}

/* One complete reply in a session that is set up. */
static void backend_arrived(struct session *session, const struct session_reply *arrived)
{
    struct relay *relay = session->relay;
    const struct expect *head = relay_head(relay);

    if (head == NULL) {
        backend_unsolicited(session, arrived);
        return;
    }
    const struct expect expected = relay->asked = *head;
    bool sent = relay_was_sent(relay, head);
    relay->dealing = true;
    relay_pop(relay);
    if (backend_is_misplaced(expected.kind, arrived->reply.code))
        session_backend_nonsense(session, arrived);
    else if (sent)
        backend_answered(session, arrived, &expected);
    else
        backend_early(session, arrived, expected.kind);
    if (session->relay == relay)
        relay->dealing = false;
    free(expected.recipient);
}

/* gatepost's own answers whose turn has come. */
static bool backend_answer_local(struct session *session)
{
    struct relay *relay = session->relay;
    const struct expect *head = relay_head(relay);
    bool progress = false;

    while (head != NULL && head->kind == EXPECT_LOCAL && !session->limits.pause) {
        session_limits_reply(session, head->text);
        buffer_append(&session->client_out, head->text, strlen(head->text));
        if (head->text[0] == '2')
            session_count_ok(session, head->verb);
        relay_pop(relay);
        head = relay_head(relay);
        progress = true;
    }
    return progress;
}

bool session_run_backend(struct session *session)
{
    struct relay *relay = session->relay;
    struct session_reply arrived;

    if (relay->state == RELAY_CONNECTING || relay->state == RELAY_LOST ||
        session->ending != SESSION_GOES_ON)
        return false;
    if (backend_answer_local(session))
        return true;
    if (buffer_length(&relay->in) == 0 ||
        buffer_length(&session->client_out) >= SESSION_REPLIES_HIGH)
        return false;
    if (!relay->hearing) {
        relay->hearing = true;
        relay->began = relay->sent;
    }
    arrived.text = buffer_data(&relay->in);
    switch (smtp_reply_parse(arrived.text, buffer_length(&relay->in), &arrived.reply)) {
    case SMTP_REPLY_MORE:
        return false;
    case SMTP_REPLY_BAD:
        session_backend_fail(session, arrived.reply.error);
        return true;
    case SMTP_REPLY_DONE:
        break;
    }
    size_t length = arrived.reply.length;
    relay->replies++;
    if (relay->state == RELAY_SETUP)
        session_setup_reply(session, &arrived);
    else
        backend_arrived(session, &arrived);
    if (session->relay == relay && buffer_length(&relay->in) >= length) {
        buffer_consume(&relay->in, length);
        relay->hearing = false;
    }
    return true;
}

void session_backend_failed(struct session *session, const char *why)
{
    session_backend_fail(session, why);
}

void session_backend_eof(struct session *session, int error)
{
    struct relay *relay = session->relay;
    const struct expect *head = relay_head(relay);

    if (head != NULL && head->kind == EXPECT_QUIT && relay->queue_length == 1) {
        session_drop_relay(session);
        session_last_words(session, session_goodbye(session), "221 2.0.0 Bye");
        session_count_ok(session, SMTP_QUIT);
    } else if (relay->state == RELAY_READY && head == NULL && !session->transaction &&
               !session->authenticated && session->state == SESSION_COMMAND) {
        session_drop_relay(session); /* it had nothing to do; another is called when needed */
        session->backend_quit = false;
    } else {
        char what[128];
        snprintf(what, sizeof(what), "%s", error == 0 ? "connection closed" : strerror(error));
        session_backend_fail(session, what);
    }
}

void session_backend_timeout(struct session *session)
{
    session_backend_fail(session, "timeout");
}
