/*
 * logical_line.h: the lines of main.cf and master.cf (postconf(5), "FILE FORMAT"): a line that
 * begins with a blank continues the one before; empty lines and comments are dropped and end
 * nothing. Pure.
 */
#ifndef GATEPOST_POLICY_LOGICAL_LINE_H
#define GATEPOST_POLICY_LOGICAL_LINE_H

#include "policy/diag.h"
#include "policy/text.h"

/* Where the reader is. Begin with {.next = text, .end = text + length}. */
struct logical_lines {
    const char *next; /* unread bytes */
    const char *end;
    unsigned line; /* number of the physical line that was read last */
};

/* Put one logical line into BUFFER, whose content is replaced. Returns the number of its first
 * physical line, or 0 at the end. */
unsigned logical_line_next(struct logical_lines *lines, struct text *buffer);

/* Report an error at LINE of FILE_NAME, with the beginning of the offending TEXT (may be NULL). */
void logical_line_error(struct diag *diag, const char *file_name, unsigned line, const char *what,
                        const char *text);

#endif
