/*
 * master.h: the process that starts, watches and stops the others. It reads configuration, binds
 * sockets, writes logs, and never parses a byte that came from the network.
 */
#ifndef GATEPOST_PROXY_MASTER_H
#define GATEPOST_PROXY_MASTER_H

#include "policy/config.h"
#include "policy/diag.h"

/*
 * Run the daemon in the foreground under CONFIG (read from DIRECTORY, for the log) until SIGTERM or
 * SIGINT, or "gatepost stop". Returns the exit status: EX_OK, EX_CONFIG if the configuration cannot
 * be served (reported to DIAG, or logged), EX_UNAVAILABLE if no worker could be started.
 */
int master_run(const struct config *config, const char *directory, struct diag *diag);

#endif
