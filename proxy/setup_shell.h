/*
 * setup_shell.h: commands of the system, as "gatepost setup" runs them.
 */
#ifndef GATEPOST_PROXY_SETUP_SHELL_H
#define GATEPOST_PROXY_SETUP_SHELL_H

#include <stdbool.h>
#include <sys/types.h>

#include "policy/diag.h"

/*
 * Run COMMAND with sh(1), with the directories of system programs in its PATH and nothing to read.
 * Returns true if its exit status is 0; else it is reported to DIAG with the last of what it wrote.
 * A process that COMMAND leaves behind is not waited for.
 */
bool setup_shell_run(const char *command, struct diag *diag);

/* Wait for the process CHILD, whatever signals come meanwhile. Returns its wait status: 0 if it has
 * done well. One that cannot be waited for has not: 255 as its exit status. */
int setup_shell_wait(pid_t child);

#endif
