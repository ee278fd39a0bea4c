/*
 * check_ledger.h: "gatepost check" on the ledger: can it be kept where it is to be? gatepost serves
 * without one, so that everything here is a warning.
 */
#ifndef GATEPOST_PROXY_CHECK_LEDGER_H
#define GATEPOST_PROXY_CHECK_LEDGER_H

#include "policy/config.h"
#include "policy/diag.h"

/* Changes nothing. */
void check_ledger(const struct config *config, struct diag *diag);

#endif
