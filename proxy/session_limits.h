/*
 * session_limits.h: what a session has done that there is a limit for. How much a client may do is
 * counted with all its other sessions (limits.h); its errors are this session's own.
 *
 * Errors are counted as smtpd(8) does: each reply with a code from 400, and each HELO, EHLO, NOOP,
 * RSET, VRFY and ETRN beyond smtpd_junk_command_limit; a message delivered makes up for them. After
 * smtpd_soft_error_limit errors each reply waits: PAUSE asks the driver to send nothing and to read
 * nothing for smtpd_error_sleep_time. After smtpd_hard_error_limit the session ends; commands that
 * went to the backend before are still answered, lest a message be delivered that the client does
 * not know of.
 */
#ifndef GATEPOST_PROXY_SESSION_LIMITS_H
#define GATEPOST_PROXY_SESSION_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/limits.h"
#include "proxy/smtp_command.h"

struct session;

/* The MAIL command that is being looked at; it may have to wait for the backend. */
enum session_mail { SESSION_MAIL_NEW, SESSION_MAIL_COUNTED, SESSION_MAIL_REFUSED };

struct session_limits {
    struct limits *shared; /* borrowed; NULL: only errors are counted */
    unsigned slot;         /* of the worker */
    uint64_t now;          /* the driver's clock (limits.h), set before it calls the session */
    struct limits_session held;
    enum session_mail mail;
    uint32_t errors;
    uint32_t junk;
    bool pause; /* cleared by the driver when it is over */
};

/* There is a connection, and nothing more is known: takes its place among all sessions. False:
 * there is none (see session_limits_refuse_all). */
bool session_limits_admit(struct session_limits *limits);
/* The last words in that case. */
void session_limits_refuse_all(struct session *session);
/* The client is known: may end the session. Wrapper mode: its handshake may begin as well. */
void session_limits_connect(struct session *session);
/* The session is over, or never began. */
void session_limits_end(struct session_limits *limits);

/* STARTTLS: true if the handshake may begin; else the client was told why not. */
bool session_limits_starttls(struct session *session);
/* The handshake is over: true unless it was one too many, which is then logged. */
bool session_limits_handshake(struct session *session, bool resumed);
/* The last words in that case. */
void session_limits_refuse_tls(struct session *session);

/* MAIL, each time it is looked at: true if it may go on. */
bool session_limits_mail(struct session *session);
/* The refusal: nothing may be due before it. */
void session_limits_refuse_mail(struct session *session);

/* Each reply waits, because of the errors before it. */
bool session_limits_sleeps(const struct session *session);
/* A reply is told to the client; CODE is where it begins, with three digits. */
void session_limits_reply(struct session *session, const char *code);
/* A command was dealt with. */
void session_limits_command(struct session *session, enum smtp_verb verb);
/* The backend has accepted a message. */
void session_limits_delivered(struct session *session);
/* No more commands are taken. */
bool session_limits_exhausted(const struct session *session);
/* ...and here is why. */
void session_limits_refuse_errors(struct session *session);

#endif
