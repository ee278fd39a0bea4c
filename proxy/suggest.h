/*
 * suggest.h: "gatepost suggest": lines for the policy table that let those through whose handshakes
 * fail, as tight as they can be, and lines of the present table that could go or be tighter. What
 * it prints can be put into the table as it is: all but the new lines is in comments.
 */
#ifndef GATEPOST_PROXY_SUGGEST_H
#define GATEPOST_PROXY_SUGGEST_H

#include <stdio.h>

#include "policy/config.h"
#include "policy/diag.h"

struct suggest_question {
    long min_sessions; /* failed ones of a peer, to be worth a line */
    long unused_days;  /* a line that nobody has needed for so long could go */
};

/* Answer on OUT from CONFIG and its ledger. Returns 0, or EX_CONFIG or EX_NOINPUT after reporting
 * to DIAG. */
int suggest_command(const struct config *config, const struct suggest_question *question, FILE *out,
                    struct diag *diag);

#endif
