/*
 * second_chance_policy.h: gatepost_second_chance: the policy that a peer gets for a while whose TLS
 * handshakes fail under the main one.
 */
#ifndef GATEPOST_POLICY_SECOND_CHANCE_POLICY_H
#define GATEPOST_POLICY_SECOND_CHANCE_POLICY_H

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/tls_policy.h"

/*
 * The policy that CONFIG's gatepost_second_chance comes to, "[LEVEL] NAME=VALUE ..." as in a line
 * of a policy table (policy_line.h), on top of the main configuration. Without a level it is that
 * of the main policy, LEVEL: only who writes "none" or "may" gives up TLS where it was demanded.
 * *POLICY is NULL if the parameter is empty. PLACE goes before findings. Returns 0, or -1 after
 * reporting to DIAG.
 */
int second_chance_policy_new(const struct config *config, enum tls_level level, const char *place,
                             struct tls_policy **policy, struct diag *diag);

#endif
