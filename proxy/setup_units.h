/*
 * setup_units.h: gatepost under systemd, as "gatepost setup" arranges it: the socket unit listens
 * where gatepost_listen says (systemd.socket(5)), and the service is started as root if its own
 * user cannot read the keys.
 */
#ifndef GATEPOST_PROXY_SETUP_UNITS_H
#define GATEPOST_PROXY_SETUP_UNITS_H

#include "policy/diag.h"

#include "proxy/setup_plan.h"

/* Add drop-ins and the commands that start and stop gatepost to PLAN, whose config is there.
 * Returns 0, or -1 after reporting to DIAG: systemd does not run here, or has no gatepost. */
int setup_units_plan(struct setup_plan *plan, struct diag *diag);

#endif
