/*
 * simulate.h: "gatepost simulate": whom a change of the configuration would cost, before it is
 * made: every ClientHello that the ledger has, under the policy that the proposed configuration has
 * for the peer that sent it, compared with the present one.
 */
#ifndef GATEPOST_PROXY_SIMULATE_H
#define GATEPOST_PROXY_SIMULATE_H

#include <stdbool.h>
#include <stdio.h>

#include "policy/config.h"
#include "policy/diag.h"

struct simulate_question {
    const struct config *present; /* its ledger is read */
    const struct config *proposed;
    bool json;
    bool all; /* list everybody, also those for whom nothing changes */
};

/* Answer on OUT. Returns 0; 1 if someone who delivers today would be lost; EX_CONFIG or EX_NOINPUT
 * after reporting to DIAG. */
int simulate_command(const struct simulate_question *question, FILE *out, struct diag *diag);

#endif
