/*
 * check.h: "gatepost check": everything that can be found wrong before the daemon is started.
 */
#ifndef GATEPOST_PROXY_CHECK_H
#define GATEPOST_PROXY_CHECK_H

#include "policy/config.h"
#include "policy/diag.h"

/*
 * Listeners, policies and their tables, certificates and keys of CONFIG, and a probe of each
 * backend: does it answer, and does it understand who the client is. PROFILE (or NULL) names a
 * published rule set that each policy is compared with. Everything is reported to DIAG. Returns the
 * number of rules of the profile that are violated.
 */
unsigned check_run(const struct config *config, const char *profile, struct diag *diag);

#endif
