/*
 * diag_record.h: findings that are kept until it is known where they belong: what is found before
 * there is a log belongs into the log, or to the terminal if there is never going to be one.
 */
#ifndef GATEPOST_POLICY_DIAG_RECORD_H
#define GATEPOST_POLICY_DIAG_RECORD_H

#include <stddef.h>

#include "policy/diag.h"

struct diag_finding {
    enum diag_severity severity;
    char *text;
};

struct diag_record {
    struct diag diag; /* to be handed to whoever reports */
    struct diag_finding *findings;
    size_t count;
};

void diag_record_begin(struct diag_record *record);

/* Report everything remembered to SINK, then forget it. */
void diag_record_replay(struct diag_record *record,
                        void (*sink)(void *ctx, enum diag_severity severity, const char *text),
                        void *ctx);

#endif
