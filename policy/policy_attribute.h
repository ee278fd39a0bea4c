/*
 * policy_attribute.h: the NAME=VALUE part of a line of a policy table, one attribute at a time.
 */
#ifndef GATEPOST_POLICY_POLICY_ATTRIBUTE_H
#define GATEPOST_POLICY_POLICY_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/policy_line.h"

enum policy_attribute {
    POLICY_ATTR_PROTOCOLS,
    POLICY_ATTR_CIPHERS,
    POLICY_ATTR_EXCLUDE,
    POLICY_ATTR_CURVES,
    POLICY_ATTR_CIPHERLIST,
    POLICY_ATTR_CCERT,
    POLICY_ATTR_MATCH,
    POLICY_ATTR_TICKETS,
    POLICY_ATTR_UNTIL,
    POLICY_ATTR_NOTE,
    POLICY_ATTR_COUNT
};

extern const char *const policy_attribute_names[POLICY_ATTR_COUNT];

/* All of them, for messages. */
#define POLICY_ATTRIBUTES_ALLOWED                                                                  \
    "protocols=, ciphers=, exclude=, curves=, cipherlist=, ccert=, match=, tickets=, until= and "  \
    "note="

/* A piece of the line. */
struct policy_span {
    const char *text;
    size_t length;
};

#define POLICY_QUOTED_MAX 60 /* bytes of the line in a message */

/* How much of a piece goes into a message. */
static inline int policy_span_shown(struct policy_span span)
{
    return span.length > POLICY_QUOTED_MAX ? POLICY_QUOTED_MAX : (int)span.length;
}

/* text_is_blank() for every byte of a large table. */
static inline bool policy_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Whether a piece is this word, in any case. */
bool policy_span_is(struct policy_span span, const char *word);

/* Without the blanks at both ends. */
struct policy_span policy_span_trim(struct policy_span span);

/* Which attribute a name is, in any case, or POLICY_ATTR_COUNT. */
enum policy_attribute policy_attribute_find(struct policy_span name);

/* Describe an unknown name in ERROR, with what may have been meant. Always -1. */
int policy_attribute_unknown(struct policy_span name, char *error, size_t error_size);

/* Give LINE what an attribute says. VALUE is trimmed and not empty. match= adds to LINE's
 * fingerprints, which whoever calls ends with a NUL. Returns 0, or -1 with what is wrong in
 * ERROR. */
int policy_attribute_set(struct policy_line *line, enum policy_attribute attribute,
                         struct policy_span value, char *error, size_t error_size);

#endif
