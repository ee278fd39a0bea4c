/*
 * mail_line.h: one line of gatepost_policy_service_maps (gatepost manual, "TLS state for Postfix").
 *
 *   PATTERN DEMAND [NAME=VALUE ...] [# comment]
 *
 * PATTERN is a recipient, or a sender after "from:": user@domain, domain, .domain (all names below
 * it), user@, <> (the null sender) or * (any). Words are separated by blanks and commas.
 *
 * Pure: no file, no clock, no allocation. What the values of protocols= and match= come to is
 * judged by policy_values.h.
 */
#ifndef GATEPOST_POLICY_MAIL_LINE_H
#define GATEPOST_POLICY_MAIL_LINE_H

#include <stddef.h>

#include "policy/policy_line.h"

#define MAIL_PATTERN_MAX 512 /* bytes */
#define MAIL_HEADER_MAX 76   /* bytes of a header's name */

/* What a session must have. */
enum mail_demand {
    MAIL_DEMAND_NONE,
    MAIL_DEMAND_ENCRYPT, /* TLS */
    MAIL_DEMAND_CCERT    /* TLS with a client certificate that is trusted, or listed in match= */
};

/* What a line says. Too large for a stack; made once for many lines. */
struct mail_line {
    char pattern[MAIL_PATTERN_MAX + 1]; /* in lower case */
    enum mail_demand demand;
    char prepend[MAIL_HEADER_MAX + 1]; /* name of a header; "": none */
    struct policy_line attributes;     /* protocols= and match=, of its settings */
};

/* Parse a logical line. Returns 0, or -1 with what is wrong, and what is allowed, in ERROR. */
int mail_line_parse(const char *text, size_t length, struct mail_line *line, char *error,
                    size_t error_size);

#endif
