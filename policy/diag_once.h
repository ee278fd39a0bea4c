/*
 * diag_once.h: a sink that lets each text through once. Settings that several policies share are
 * judged for each of them; a person wants to read the verdict once.
 */
#ifndef GATEPOST_POLICY_DIAG_ONCE_H
#define GATEPOST_POLICY_DIAG_ONCE_H

#include <stddef.h>

#include "policy/diag.h"

#define DIAG_ONCE_MAX 1000 /* texts that are remembered; later ones all pass */

struct diag_once {
    struct diag diag; /* to be handed to whoever reports; findings are counted once each */
    struct diag *target;
    const char *place; /* put before what is new; NULL: nothing. Borrowed, set by the owner. */
    char *seen[DIAG_ONCE_MAX];
    size_t seen_count;
};

/* Begin to report to TARGET. */
void diag_once_begin(struct diag_once *once, struct diag *target);
void diag_once_end(struct diag_once *once);

#endif
