/*
 * session_internal.h: what the parts of the session share: front (commands answered here or sent
 * on), content (DATA and BDAT), backend (replies). Not for others.
 */
#ifndef GATEPOST_PROXY_SESSION_INTERNAL_H
#define GATEPOST_PROXY_SESSION_INTERNAL_H

#include "proxy/session.h"
#include "proxy/smtp_reply.h"

/* One complete reply as it stands in relay->in. */
struct session_reply {
    const char *text;
    struct smtp_reply reply;
};

/* How a command was dealt with. */
enum session_verdict {
    SESSION_VERDICT_DONE,  /* consume the line */
    SESSION_VERDICT_BLOCK, /* leave it: something else must happen first */
};

/* Each returns true if it got something done: call again. */
bool session_run_front(struct session *session);   /* session_front.c: command lines */
bool session_run_content(struct session *session); /* session_content.c: DATA and BDAT */
bool session_run_backend(struct session *session); /* session_backend.c: replies */

/* "improper command pipelining after AFTER from NAMADDR: TEXT", once a session. */
void session_log_pipelining(struct session *session, const char *after, const char *text,
                            size_t length);
/* "NOQUEUE: reject: WHERE from NAMADDR: WHAT; ...". */
void session_log_reject(const struct session *session, const char *where, const char *what);
/* The most input without a line end that may still become a good line. */
size_t session_line_max(const struct session *session);

/* Answer VERB here: at once, or in its turn behind the replies that are still due. TEXT is
 * constant, a complete reply with its line end. Its code tells whether the command counts as
 * successful. */
void session_answer(struct session *session, enum smtp_verb verb, const char *text);

/* Append the last reply (printf, without line end), stop reading, and close after it was sent. */
void session_last_words(struct session *session, enum session_ending ending, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

/* How a session ends after QUIT: a client has nothing more to say then, but over TLS it answers
 * close_notify with its own (RFC 5246 section 7.2.1). */
enum session_ending session_goodbye(const struct session *session);

/* End without a word: nothing can be said before TLS. */
void session_last_nothing(struct session *session);

/* The last words to a client whose certificate is not what is demanded. */
void session_refuse(struct session *session);

/* The backend cannot be used (any more): log WHY, tell the client with a 4xx. In the midst of
 * content the client is heard out first. */
void session_backend_broken(struct session *session, const char *why);

/* The command that waits at the head of client_in was answered without having been sent on. */
void session_command_answered(struct session *session);

/* Nothing that went to the backend is unanswered. */
bool session_is_quiet(const struct session *session);
/* Make sure that the backend is there and may be sent one more command; else false. */
bool session_backend_ready(struct session *session);
/* Send the command line TEXT on and expect its reply. */
void session_forward(struct session *session, const struct smtp_command *command, const char *text,
                     size_t length, enum expect_kind kind);
/* Has the session's backend what the client was promised and now uses, the extensions USED? If not
 * the session ends with 421, since the backend's 5xx would be final where another session may do;
 * *VERDICT says how. */
bool session_keeps_promise(struct session *session, unsigned used, enum session_verdict *verdict);
/* MAIL: its SIZE= must count what gatepost adds (RFC 1870). */
enum session_verdict session_command_mail(struct session *session,
                                          const struct smtp_command *command);
/* BDAT (RFC 3030): if the length of what follows cannot be known, the session cannot go on. */
enum session_verdict session_command_bdat(struct session *session,
                                          const struct smtp_command *command);

/* Begin to use a backend. The driver connects to it. */
void session_setup_begin(struct session *session);
/* A reply while the connection is being set up. */
void session_setup_reply(struct session *session, const struct session_reply *reply);
/* The connection could not be set up because of WHY; FAULT: what that says about the backend, for
 * others. True if another backend is tried instead. */
bool session_setup_next(struct session *session, const char *why, enum backend_fault fault);
/* The connection is set up: the client's commands may flow. */
void session_setup_ready(struct session *session);

/* Break off with WHAT and, behind it, what was being done. */
void session_backend_fail(struct session *session, const char *what);
/* The same for a reply that has no place in SMTP at this point, or comes before what it seems to
 * answer. */
void session_backend_nonsense(struct session *session, const struct session_reply *arrived);
/* Tell the client that ARRIVED is what its command VERB came to. */
void session_backend_pass_on(struct session *session, const struct session_reply *arrived,
                             enum smtp_verb verb);

/* Let go of the backend, politely if nothing is under way. */
void session_drop_relay(struct session *session);

/* From now on content is read and thrown away; at its end REPLY (malloc'ed, with line end; taken
 * over) is given. ENDS: it also ends the session. */
void session_discard_content(struct session *session, char *reply, bool ends);

/* Begin, or go on with, a message's content. */
void session_content_begin_data(struct session *session);
/* BDAT of SIZE bytes: the command was accepted by the front. */
void session_content_begin_chunk(struct session *session, uint64_t size, bool last);
/* The same after a chunk of the message was refused: this one goes nowhere. Nothing may be due. */
void session_content_refuse_chunk(struct session *session, uint64_t size, bool last);
/* RSET, MAIL, EHLO: a message that BDAT began is forgotten. */
void session_content_reset(struct relay *relay);
/* The reply to a bare LF that is refused; with line end. Returns OUT. */
#define SESSION_BARE_LF_REPLY_MAX 600
const char *session_bare_lf_reply(const struct session *session,
                                  char out[SESSION_BARE_LF_REPLY_MAX]);
/* What gatepost may add to a message besides its header: "X-Mailbox-Line: " or an empty line. */
#define SESSION_ADDED_MARGIN 18

/* Append EHLO's (or HELO's) reply from what is known of the backend. */
void session_append_hello(struct session *session);

/* session_trace.c: the header fields that gatepost puts on messages, and what they tell of. */

/* No more than this is added to a message of SERVICE (with SESSION_ADDED_MARGIN): what its SIZE in
 * EHLO has to allow for. */
size_t session_trace_reserve(const struct service *service);
/* No more than this (without SESSION_ADDED_MARGIN) is added to a message that is beginning. */
size_t session_trace_length(struct session *session, bool requiretls);
/* MAIL or RCPT was just sent on: keep what matters for when it is accepted. */
void session_trace_expect(struct session *session, const struct smtp_command *command,
                          bool requiretls);
/* It was accepted. */
void session_trace_accepted(struct session *session, const struct expect *expected);
/* Whether the header needs replies of the backend that are still due. */
bool session_trace_waits(const struct session *session);
/* The content begins: write the header to relay->header, and its id to the log. Returns its length,
 * 0 if there is none. */
size_t session_trace_begin(struct session *session);
/* The backend's verdict on the message, for the log. */
void session_trace_verdict(const struct session *session, const struct session_reply *arrived);

static inline void session_count_ok(struct session *session, enum smtp_verb verb)
{
    session->counts[verb].ok++;
}

#endif
