/*
 * log_output.h: where log lines leave gatepost. Only the master writes here: to maillog_file, to
 * standard error on a terminal, else to syslog (syslog_name, syslog_facility as in postconf(5)).
 */
#ifndef GATEPOST_PROXY_LOG_OUTPUT_H
#define GATEPOST_PROXY_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "proxy/log.h"

struct log_output;

/* Open the output that CONFIG names. Returns NULL after reporting to DIAG. */
struct log_output *log_output_open(const struct config *config, struct diag *diag);

/* Open maillog_file anew (after it was rotated). On failure the old file stays in use. */
void log_output_reopen(struct log_output *output);

/* While starting, errors are also shown on standard error, whatever the output is. */
void log_output_set_starting(struct log_output *output, bool starting);

/* One record of the process PID in ROLE ("smtpd", "master"). Bytes that do not print become "?".
 * Lines of a file are collected until log_output_flush. */
void log_output_write(struct log_output *output, enum log_severity severity, const char *role,
                      pid_t pid, const char *text, size_t length);
void log_output_flush(struct log_output *output);

void log_output_close(struct log_output *output);

#endif
