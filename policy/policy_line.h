/*
 * policy_line.h: one line of a policy table (gatepost_tls_policy(5)).
 *
 *   PATTERN LEVEL [NAME=VALUE ...] [# comment]
 *
 * Words are separated by blanks and commas, as in smtp_tls_policy_maps. A VALUE with blanks is
 * written NAME="VALUE" or { NAME = VALUE }; runs of blanks in it become one. A word that begins
 * with '#' begins a comment, up to the end of the physical line: a logical line comes with its
 * newlines.
 *
 * Pure: no file, no clock, no allocation. What needs more than the line itself to be judged
 * (policy_values.h) is not judged here.
 */
#ifndef GATEPOST_POLICY_POLICY_LINE_H
#define GATEPOST_POLICY_POLICY_LINE_H

#include <stddef.h>

#include "policy/policy_table.h"
#include "policy/prefix.h"

#define POLICY_LINE_MAX ((size_t)65536) /* bytes in a logical line */

/* The last day on which a line applies. YEAR 0: for ever. */
struct policy_date {
    unsigned year;
    unsigned month; /* 1 to 12 */
    unsigned day;   /* 1.. */
};

/* What a line says. Too large for a stack; made once for many lines. */
struct policy_line {
    struct prefix prefix;
    struct policy_settings settings; /* strings are in the buffers below. A word of ciphers= is in
                                        lower case, fingerprints are in upper case with colons */
    const char *note;                /* likewise; or NULL */
    struct policy_date until;
    size_t used; /* bytes of BUFFER */
    char buffer[POLICY_LINE_MAX + 64];
    size_t match_used;
    char match[2 * POLICY_LINE_MAX];
};

/* Parse a logical line. Returns 0, or -1 with what is wrong, and what is allowed, in ERROR. */
int policy_line_parse(const char *text, size_t length, struct policy_line *line, char *error,
                      size_t error_size);

/* "none", "may", "encrypt", "reject". */
const char *policy_level_name(enum policy_level level);

#endif
