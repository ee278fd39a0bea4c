/*
 * smtp_command.h: one SMTP command line (RFC 5321 section 4.1.1, RFC 3030, RFC 3207).
 * Pure: bytes in, verdict out. Words are compared as Postfix does: any case, split at blanks, CR
 * counts as a blank, and a NUL ends the command.
 */
#ifndef GATEPOST_PROXY_SMTP_COMMAND_H
#define GATEPOST_PROXY_SMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of Postfix's disconnect statistics. PRE_TLS: allowed before TLS when TLS is
 * enforced. LAST: must be the last of a pipelined group (RFC 2920; Postfix's table). JUNK: counts
 * for smtpd_junk_command_limit. */
#define SMTP_COMMANDS(X)                                                                           \
    X(HELO, "HELO", 1, 1, 1)                                                                       \
    X(EHLO, "EHLO", 1, 1, 1)                                                                       \
    X(XCLIENT, "XCLIENT", 1, 0, 0)                                                                 \
    X(XFORWARD, "XFORWARD", 0, 0, 0)                                                               \
    X(STARTTLS, "STARTTLS", 1, 0, 0)                                                               \
    X(AUTH, "AUTH", 0, 0, 0)                                                                       \
    X(MAIL, "MAIL", 0, 0, 0)                                                                       \
    X(RCPT, "RCPT", 0, 0, 0)                                                                       \
    X(DATA, "DATA", 0, 1, 0)                                                                       \
    X(BDAT, "BDAT", 0, 0, 0)                                                                       \
    X(RSET, "RSET", 0, 0, 1)                                                                       \
    X(NOOP, "NOOP", 1, 1, 1)                                                                       \
    X(VRFY, "VRFY", 0, 1, 1)                                                                       \
    X(ETRN, "ETRN", 0, 0, 1)                                                                       \
    X(QUIT, "QUIT", 1, 0, 0)                                                                       \
    X(HELP, "HELP", 1, 0, 0)                                                                       \
    X(UNKNOWN, "UNKNOWN", 0, 0, 0)

enum smtp_verb {
#define X(id, name, pre_tls, last, junk) SMTP_##id,
    SMTP_COMMANDS(X)
#undef X
        SMTP_VERB_COUNT
};

struct smtp_command {
    enum smtp_verb verb;
    const char *word; /* the verb as it was spelled; not terminated */
    size_t word_length;
    const char
        *args; /* first byte after the verb and its blanks; not terminated, see args_length */
    size_t args_length; /* without trailing blanks */
    size_t length;      /* whole command, from the line's first byte, without trailing blanks */
    bool empty;         /* nothing but blanks: "500 5.5.2 Error: bad syntax" */
};

/*
 * Parse LINE (LENGTH bytes, the line end already removed). The line is made safe in place: what
 * follows a NUL is cut off, and a CR inside becomes a blank, so that what is then forwarded has one
 * meaning only. The result points into LINE.
 */
void smtp_command_parse(char *line, size_t length, struct smtp_command *command);

const char *smtp_verb_name(enum smtp_verb verb); /* "EHLO"; "UNKNOWN" */
bool smtp_verb_pre_tls(enum smtp_verb verb);
bool smtp_verb_last(enum smtp_verb verb);
bool smtp_verb_junk(enum smtp_verb verb);

/* Whether the first word makes the command look like a message header ("Subject: x"), which is what
 * an SMTP client sends that has lost its way, or a program that speaks no SMTP. */
bool smtp_command_is_header(const struct smtp_command *command);

/* "BDAT n [LAST]": 0 and the values, or -1 if it cannot be framed (then the session must end,
 * RFC 3030). n is at most INT64_MAX. */
int smtp_bdat_parse(const struct smtp_command *command, uint64_t *size, bool *last);

/* "FROM:<path> NAME=value ..." or "TO:...": the offset in ARGS of what follows the path. */
size_t smtp_path_end(const struct smtp_command *command);

/* The next word of TEXT (LENGTH bytes) from offset AT on: its length, and where it BEGINs; 0: there
 * is none. A word ends at a blank outside of quotes and <>. */
size_t smtp_next_word(const char *text, size_t length, size_t at, size_t *begin);

/*
 * Copy COMMAND, MAIL or RCPT, which begins at LINE, to OUT (of its length) without the parameter
 * WORD (any case, without a value). Returns the length, the same if there is no such parameter.
 */
size_t smtp_command_without(const struct smtp_command *command, const char *line, const char *word,
                            char *out);

/*
 * Rewrite "MAIL FROM:<...> SIZE=n ..." so that n includes ADDED more bytes (RFC 1870). Writes the
 * command, without line end, into OUT (CAPACITY bytes) and returns its length; a command without a
 * well-formed SIZE= (outside of the quoted path) is copied unchanged. Returns 0 if it does not fit.
 */
size_t smtp_mail_add_size(const char *line, size_t length, uint64_t added, char *out,
                          size_t capacity);

#endif
