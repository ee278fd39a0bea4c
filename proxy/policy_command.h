/*
 * policy_command.h: "gatepost policy ADDRESS": which line of the policy table applies to a peer,
 * and what it comes to, read back from the context that the daemon would use.
 */
#ifndef GATEPOST_PROXY_POLICY_COMMAND_H
#define GATEPOST_PROXY_POLICY_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "policy/config.h"
#include "policy/diag.h"

struct policy_question {
    const char *address; /* numeric, IPv4 or IPv6 */
    const char *sni;     /* the server name that the peer would ask for, or NULL */
    bool json;
};

/* Answer on OUT from CONFIG. Returns 0, 1 after reporting to DIAG, or EX_USAGE if the address is
 * not one. */
int policy_command(const struct config *config, const struct policy_question *question, FILE *out,
                   struct diag *diag);

#endif
