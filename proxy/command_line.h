/*
 * command_line.h: what was given before the command, and what every command does with it.
 */
#ifndef GATEPOST_PROXY_COMMAND_LINE_H
#define GATEPOST_PROXY_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/config.h"
#include "policy/diag.h"

#define COMMAND_LINE_OVERRIDES_MAX 256

/* All text is borrowed from argv. */
struct command_line {
    const char *directory; /* -c */
    struct config_override overrides[COMMAND_LINE_OVERRIDES_MAX];
    size_t override_count;
    const char *usage; /* of the program */
    struct diag diag;
};

/* A sink for DIAG: findings go to standard error, one a line. */
void command_line_finding(void *ctx, enum diag_severity severity, const char *text);

/* Say on standard error that the command line is wrong, WHAT about it, and how it is used. Returns
 * EX_USAGE. */
int command_line_wrong(const struct command_line *line, const char *what);

/* "-o name=value": TEXT is split in place. Returns false if there is no name, no "=" or no room. */
bool command_line_override(struct command_line *line, char *text);

/* Load the configuration: the caller's to free (config_free). Returns NULL after reporting. */
struct config *command_line_load(struct command_line *line);

#endif
