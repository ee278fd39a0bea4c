/*
 * check.h: "gatepost check": everything that can be found wrong before the daemon is started.
 */
#ifndef GATEPOST_PROXY_CHECK_H
#define GATEPOST_PROXY_CHECK_H

#include "policy/config.h"
#include "policy/diag.h"

/* Listeners, policies, certificates and keys of CONFIG, and a probe of each backend: does it
 * answer, and does it understand who the client is. Everything is reported to DIAG. */
void check_run(const struct config *config, struct diag *diag);

#endif
