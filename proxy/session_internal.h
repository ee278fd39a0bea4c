/*
 * session_internal.h: what the parts of the session share: front (commands answered here or sent
 * on), content (DATA and BDAT), backend (replies). Not for others.
 */
#ifndef GATEPOST_PROXY_SESSION_INTERNAL_H
#define GATEPOST_PROXY_SESSION_INTERNAL_H

#include "proxy/session.h"

/* Each returns true if it got something done: call again. */
bool session_run_front(struct session *session);   /* session_front.c: command lines */
bool session_run_content(struct session *session); /* session_content.c: DATA and BDAT */
bool session_run_backend(struct session *session); /* session_backend.c: replies */

/* The most input without a line end that may still become a good line. */
size_t session_line_max(const struct session *session);

/* Answer VERB here: at once, or in its turn behind the replies that are still due. TEXT is
 * constant, a complete reply with its line end. Its code tells whether the command counts as
 * successful. */
void session_answer(struct session *session, enum smtp_verb verb, const char *text);

/* Append the last reply (printf, without line end), stop reading, and close after it was sent. */
void session_last_words(struct session *session, enum session_ending ending, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

/* End without a word: nothing can be said before TLS. */
void session_last_nothing(struct session *session);

/* The last words to a client whose certificate is not what is demanded. */
void session_refuse(struct session *session);

/* The backend cannot be used (any more): log WHY, tell the client with a 4xx. In the midst of
 * content the client is heard out first. */
void session_backend_broken(struct session *session, const char *why);

/* Let go of the backend, politely if nothing is under way. */
void session_drop_relay(struct session *session);

/* From now on content is read and thrown away; at its end REPLY (malloc'ed, with line end; taken
 * over) is given. ENDS: it also ends the session. */
void session_discard_content(struct session *session, char *reply, bool ends);

/* Begin, or go on with, a message's content. */
void session_content_begin_data(struct session *session);
/* BDAT of SIZE bytes: the command was accepted by the front. */
void session_content_begin_chunk(struct session *session, uint64_t size, bool last);
/* RSET, MAIL, EHLO: a message that BDAT began is forgotten. */
void session_content_reset(struct relay *relay);
/* Length of the header that would be added now. */
size_t session_header_length(struct session *session);

/* What gatepost may add to a message besides its header: "X-Mailbox-Line: " or an empty line. */
#define SESSION_ADDED_MARGIN 18

/* Append EHLO's (or HELO's) reply from what is known of the backend. */
void session_append_hello(struct session *session);

static inline void session_count_ok(struct session *session, enum smtp_verb verb)
{
    session->counts[verb].ok++;
}

#endif
