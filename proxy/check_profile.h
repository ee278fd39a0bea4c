/*
 * check_profile.h: the part of "gatepost check --profile" that compares what is offered with a
 * published rule set (policy/profile.h).
 */
#ifndef GATEPOST_PROXY_CHECK_PROFILE_H
#define GATEPOST_PROXY_CHECK_PROFILE_H

#include "policy/diag.h"
#include "policy/profile.h"

#include "tls/inventory.h"

/* The rule set called NAME; NULL after reporting an error to DIAG that names those there are. */
const struct profile *check_profile_find(const char *name, struct diag *diag);

/*
 * Report each rule of PROFILE that INVENTORY violates, as warnings that begin with LABEL, the part
 * of the configuration that INVENTORY is of: "main configuration", "tls_policy.cidr:12". Returns
 * the number of violated rules. Where TLS is not available there is nothing to be checked.
 */
unsigned check_profile(const char *label, const struct tls_inventory *inventory,
                       const struct profile *profile, struct diag *diag);

#endif
