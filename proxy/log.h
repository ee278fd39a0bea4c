/*
 * log.h: Postfix's log lines. Every process calls log_info and friends; where the text goes was
 * decided when the process started: the master writes to syslog, maillog_file or standard error,
 * all others hand complete records to the master over a pipe and never wait for it (a record that
 * does not fit is dropped and counted). Bytes that do not print become "?", so that nothing from
 * the network can break a line or forge one.
 */
#ifndef GATEPOST_PROXY_LOG_H
#define GATEPOST_PROXY_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_severity {
    LOG_SEVERITY_INFO,
    LOG_SEVERITY_WARNING,
    LOG_SEVERITY_ERROR,
    LOG_SEVERITY_FATAL
};

#define LOG_RECORD_MAX 4000 /* below PIPE_BUF, so that a record is written whole or not at all */

/* What the sink of this process gets: one record, without a line end. */
typedef void log_sink(void *ctx, enum log_severity severity, const char *text, size_t length);

/* A sink may collect records: this makes it hand them over. */
typedef void log_flusher(void *ctx);

/* Send this process's records to SINK, whose FLUSHER (NULL: it collects nothing) is called after
 * each of them. Before the first call they go to standard error. */
void log_set_sink(log_sink *sink, log_flusher *flusher, void *ctx);

/* From now on ordinary records may wait until the next warning or the next log_flush, which the
 * process is to call soon after there are some (log_waits). */
void log_collect(void);
bool log_waits(void);
void log_flush(void);

void log_at(enum log_severity severity, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define log_info(...) log_at(LOG_SEVERITY_INFO, __VA_ARGS__)
#define log_warning(...) log_at(LOG_SEVERITY_WARNING, __VA_ARGS__) /* prefixed "warning: " */
#define log_error(...) log_at(LOG_SEVERITY_ERROR, __VA_ARGS__)     /* prefixed "error: " */

/* Log, prefixed "fatal: ", and exit with EX_SOFTWARE. */
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
