/*
 * load_session.h: one session of the load generator, from connect to the server's end of it:
 *
 *   220, EHLO, [STARTTLS, handshake, EHLO,] the messages of the plan, QUIT, 221, end.
 *
 * Each reply must be the expected one and the server's end must come behind 221; all else is a
 * failure of the session. A message's commands go out in one write, its content after their
 * replies; with BDAT the content follows the commands at once.
 */
#ifndef GATEPOST_BENCH_LOAD_SESSION_H
#define GATEPOST_BENCH_LOAD_SESSION_H

#include "tests/bench/load_link.h"

enum load_outcome {
    LOAD_BUSY,   /* waits for session->link.wants */
    LOAD_PAUSED, /* the plan's pause has begun; call session_resume when it is over */
    LOAD_HELD,   /* the plan's hold: open and idle from here on */
    LOAD_DONE,
    LOAD_FAILED /* session->link.problem */
};

struct load_session {
    struct link link;
    int step;              /* load_session.c */
    unsigned replies_left; /* of the commands that were sent together */
    unsigned messages_left;
    bool paused;         /* the pause was had */
    const char *pending; /* what is to be written, and what then */
    size_t pending_length;
    const char *then;
    size_t then_length;
    char line[512]; /* the reply line that is being read */
    size_t line_length;
    double began;   /* seconds */
    double replied; /* when 221 came, or when the session became idle */
};

/* Begin; the result as that of session_go. */
enum load_outcome session_begin(struct load_session *session, const struct load_plan *plan,
                                uint32_t number);

/* Go on as far as possible. */
enum load_outcome session_go(struct load_session *session, const struct load_plan *plan);

/* A held session: has the server sent or ended anything? LOAD_HELD if not. */
enum load_outcome session_check(struct load_session *session);

double load_now(void);

#endif
