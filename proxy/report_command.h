/*
 * report_command.h: "gatepost report": what the ledger knows of the peers.
 */
#ifndef GATEPOST_PROXY_REPORT_COMMAND_H
#define GATEPOST_PROXY_REPORT_COMMAND_H

#include <stdio.h>

#include "policy/config.h"
#include "policy/diag.h"

#include "proxy/report_options.h"

/* Write the report that OPTIONS ask for to OUT, or to its file. Returns 0, 1 or EX_CONFIG after
 * reporting to DIAG. */
int report_command(const struct config *config, const struct report_options *options, FILE *out,
                   struct diag *diag);

#endif
