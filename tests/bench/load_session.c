/*
 * load_session.c: see load_session.h.
 */
#include "tests/bench/load_session.h"

#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define EHLO "EHLO client.bench.test\r\n"
#define STARTTLS "STARTTLS\r\n"
#define QUIT "QUIT\r\n"
#define MESSAGE_COMMANDS 3 /* MAIL, RCPT, and DATA or BDAT */

/* What is being waited for. */
enum step {
    STEP_GREETING,
    STEP_EHLO,
    STEP_STARTTLS,
    STEP_HANDSHAKE,
    STEP_EHLO_AGAIN,
    STEP_ENVELOPE, /* DATA: the replies to the commands of a message */
    STEP_CONTENT,  /* the reply to its content; BDAT: those to the commands too */
    STEP_QUIT,
    STEP_END
};

double load_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Remembers what went wrong. */
static enum load_outcome give_up(struct load_session *session, const char *problem)
{
    session->link.problem = problem;
    return LOAD_FAILED;
}

/* What to write next, and what to wait for then. */
static void say(struct load_session *session, enum step step, const char *text, size_t length)
{
    session->step = (int)step;
    session->pending = text;
    session->pending_length = length;
    session->replies_left = 1;
}

/* The next message, or QUIT. */
static void next_message(struct load_session *session, const struct load_plan *plan)
{
    if (session->messages_left == 0) {
        say(session, STEP_QUIT, QUIT, sizeof QUIT - 1);
        return;
    }
    session->messages_left--;
    say(session, plan->bdat ? STEP_CONTENT : STEP_ENVELOPE, plan->commands, plan->commands_length);
    session->replies_left = MESSAGE_COMMANDS;
    if (plan->bdat) {
        session->then = plan->content;
        session->then_length = plan->content_length;
    }
}

/* All commands are possible now. */
static enum load_outcome open_for_mail(struct load_session *session, const struct load_plan *plan)
{
    if (plan->hold) {
        session->replied = load_now();
        return LOAD_HELD;
    }
    next_message(session, plan);
    return LOAD_BUSY;
}

/* The last line of a reply of the right kind: what follows from it. */
static enum load_outcome take_reply(struct load_session *session, const struct load_plan *plan)
{
    if (--session->replies_left > 0)
        return LOAD_BUSY;
    switch ((enum step)session->step) {
    case STEP_GREETING:
        say(session, STEP_EHLO, EHLO, sizeof EHLO - 1);
        return LOAD_BUSY;
    case STEP_EHLO:
        if (!plan->starttls)
            return open_for_mail(session, plan);
        say(session, STEP_STARTTLS, STARTTLS, sizeof STARTTLS - 1);
        return LOAD_BUSY;
    case STEP_STARTTLS:
        session->step = STEP_HANDSHAKE;
        return link_tls(&session->link, plan) == 0 ? LOAD_BUSY : LOAD_FAILED;
    case STEP_EHLO_AGAIN:
        return open_for_mail(session, plan);
    case STEP_ENVELOPE:
        say(session, STEP_CONTENT, plan->content, plan->content_length);
        return LOAD_BUSY;
    case STEP_CONTENT:
        next_message(session, plan);
        return LOAD_BUSY;
    case STEP_QUIT:
        session->replied = load_now();
        session->step = STEP_END;
        return LOAD_BUSY;
    case STEP_HANDSHAKE:
    case STEP_END:
        break;
    }
    return give_up(session, "a reply to nothing");
}

/* A line of a reply, complete. */
static enum load_outcome take_line(struct load_session *session, const struct load_plan *plan)
{
    const char *line = session->line;
    bool continues = session->line_length > 3 && line[3] == '-';
    bool goes_on = session->step == STEP_ENVELOPE && session->replies_left == 1;

    if (session->line_length < 3 || line[0] != (goes_on ? '3' : '2'))
        return give_up(session, session->line_length < 3 ? "an empty reply" : line);
    return continues ? LOAD_BUSY : take_reply(session, plan);
}

/* Bytes from the server. */
static enum load_outcome take_bytes(struct load_session *session, const struct load_plan *plan,
                                    const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        enum load_outcome outcome;

        if (bytes[i] != '\n') {
            if (session->line_length + 1 == sizeof session->line)
                return give_up(session, "an endless line");
            session->line[session->line_length++] = bytes[i];
            continue;
        }
        session->line[session->line_length] = '\0';
        outcome = take_line(session, plan);
        session->line_length = 0;
        if (outcome != LOAD_BUSY || session->step == STEP_HANDSHAKE)
            return i + 1 == length ? outcome : give_up(session, "more than was asked for");
    }
    return LOAD_BUSY;
}

/* Writes what there is to write; 1 when nothing is left. */
static ssize_t write_pending(struct load_session *session)
{
    while (session->pending_length > 0) {
        ssize_t written = link_write(&session->link, session->pending, session->pending_length);

        if (written <= 0)
            return written;
        session->pending += written;
        session->pending_length -= (size_t)written;
        if (session->pending_length == 0) {
            session->pending = session->then;
            session->pending_length = session->then_length;
            session->then_length = 0;
        }
    }
    return 1;
}

/* The handshake. */
static enum load_outcome shake_hands(struct load_session *session, const struct load_plan *plan)
{
    int result = link_handshake(&session->link);

    if (result == LINK_AGAIN)
        return LOAD_BUSY;
    if (result == LINK_FAILED)
        return LOAD_FAILED;
    if (plan->resume && plan->ticket != NULL && !SSL_session_reused(session->link.ssl))
        return give_up(session, "the server did not resume the session");
    say(session, STEP_EHLO_AGAIN, EHLO, sizeof EHLO - 1);
    return LOAD_BUSY;
}

/* Reads and interprets what is there; *AGAIN: there is nothing more. */
static enum load_outcome read_replies(struct load_session *session, const struct load_plan *plan,
                                      bool *again)
{
    char buffer[4096];
    ssize_t length = link_read(&session->link, buffer, sizeof buffer);

    if (length > 0)
        return take_bytes(session, plan, buffer, (size_t)length);
    *again = length == LINK_AGAIN;
    if (length == LINK_AGAIN)
        return LOAD_BUSY;
    if (length == LINK_END && session->step == STEP_END && session->line_length == 0)
        return LOAD_DONE;
    return length == LINK_END ? give_up(session, "the server ended the session") : LOAD_FAILED;
}

/* The plan's pause: once, when the server has answered the ClientHello. */
static bool begin_pause(struct load_session *session, const struct load_plan *plan)
{
    if (plan->pause_ms == 0 || session->paused || SSL_get_state(session->link.ssl) == TLS_ST_BEFORE)
        return false;
    session->paused = true;
    return true;
}

enum load_outcome session_go(struct load_session *session, const struct load_plan *plan)
{
    for (;;) {
        enum load_outcome outcome;
        ssize_t written;
        bool again = false;

        if (session->step == STEP_HANDSHAKE) {
            if (begin_pause(session, plan))
                return LOAD_PAUSED;
            outcome = shake_hands(session, plan);
            if (outcome != LOAD_BUSY || session->step == STEP_HANDSHAKE)
                return outcome;
        }
        written = write_pending(session);
        if (written == LINK_FAILED || written == LINK_END)
            return LOAD_FAILED;
        outcome = read_replies(session, plan, &again);
        if (outcome != LOAD_BUSY)
            return outcome;
        if (again) {
            session->link.wants = written == LINK_AGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN;
            return LOAD_BUSY;
        }
    }
}

enum load_outcome session_begin(struct load_session *session, const struct load_plan *plan,
                                uint32_t number)
{
    *session = (struct load_session){.began = load_now(),
                                     .step = STEP_GREETING,
                                     .replies_left = 1,
                                     .messages_left = plan->messages};
    return link_connect(&session->link, plan, number) == 0 ? LOAD_BUSY : LOAD_FAILED;
}

enum load_outcome session_check(struct load_session *session)
{
    char byte;
    ssize_t length = link_read(&session->link, &byte, 1);

    if (length == LINK_AGAIN)
        return LOAD_HELD;
    return length == LINK_FAILED ? LOAD_FAILED
                                 : give_up(session, "the server said something to an idle session");
}
