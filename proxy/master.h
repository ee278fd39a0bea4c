/*
 * master.h: the process that starts, watches and stops the others. It reads configuration, binds
 * sockets, writes logs, and never parses a byte that came from the network.
 */
#ifndef GATEPOST_PROXY_MASTER_H
#define GATEPOST_PROXY_MASTER_H

#include "policy/config.h"
#include "policy/diag_record.h"

/* Where the configuration was read from, and is read from again at a reload. Borrowed. */
struct master_source {
    const char *directory;
    const struct config_override *overrides;
    size_t override_count;
};

/*
 * Run the daemon in the foreground under CONFIG (taken over), which was read from SOURCE, until
 * SIGTERM or SIGINT, or "gatepost stop"; SIGHUP or "gatepost reload" reads SOURCE again, SIGUSR1
 * opens maillog_file anew. What FINDINGS has from reading CONFIG is logged, if it comes to a log.
 * Returns the exit status: EX_OK, EX_CONFIG if the configuration cannot be served (reported to
 * FINDINGS, or logged), EX_UNAVAILABLE if no worker could be started.
 */
int master_run(struct config *config, const struct master_source *source,
               struct diag_record *findings);

#endif
