/*
 * refusal.h: how a pure parser says why it does not take something: one line, for an operator.
 */
#ifndef GATEPOST_POLICY_REFUSAL_H
#define GATEPOST_POLICY_REFUSAL_H

#include <stddef.h>

/* Where the line goes. TEXT is the caller's, of SIZE bytes. */
struct refusal {
    char *text;
    size_t size;
};

/* Write the line, cut to what there is room for. Always -1, so that a parser can return it. */
int refuse(const struct refusal *refusal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
