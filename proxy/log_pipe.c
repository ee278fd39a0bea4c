#include "proxy/log_pipe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Add one record to what was collected. False: there is no room. */
static bool log_pipe_put(struct log_pipe *log, enum log_severity severity, const char *text,
                         size_t length)
{
    if (length > LOG_RECORD_MAX)
        length = LOG_RECORD_MAX;
    if (length + 2 > sizeof(log->collected) - log->length)
        return false;
    char *at = log->collected + log->length;
    at[0] = (char)('0' + (int)severity);
    memcpy(at + 1, text, length);
    at[length + 1] = '\n';
    log->length += length + 2;
    return true;
}

/* Tell of records that were dropped. False: there is no room for that either. */
static bool log_pipe_put_dropped(struct log_pipe *log)
{
    char note[96];

    if (log->dropped == 0)
        return true;
    int length = snprintf(note, sizeof(note), "warning: %u log records were lost", log->dropped);
    if (!log_pipe_put(log, LOG_SEVERITY_WARNING, note, (size_t)length))
        return false;
    log->dropped = 0;
    return true;
}

void log_pipe_flush(void *ctx)
{
    struct log_pipe *log = ctx;

    if (log->length == 0)
        return;
    ssize_t written = write(log->fd, log->collected, log->length);
    if (written <= 0)
        return;
    log->length -= (size_t)written;
    memmove(log->collected, log->collected + written, log->length);
}

void log_pipe_write(void *ctx, enum log_severity severity, const char *text, size_t length)
{
    struct log_pipe *log = ctx;

    if (log_pipe_put_dropped(log) && log_pipe_put(log, severity, text, length))
        return;
    log_pipe_flush(log);
    if (!log_pipe_put_dropped(log) || !log_pipe_put(log, severity, text, length))
        log->dropped++;
}

/* One line of the pipe, without its end. What does not look like a record is not one of ours. */
static void put_record(struct log_output *output, const char *role, pid_t pid, const char *line,
                       size_t length)
{
    int digit = length > 0 ? line[0] - '0' : -1;

    if (digit >= LOG_SEVERITY_INFO && digit <= LOG_SEVERITY_FATAL)
        log_output_write(output, (enum log_severity)digit, role, pid, line + 1, length - 1);
}

ssize_t log_pipe_read(struct log_pipe_reader *reader, int fd, struct log_output *output,
                      const char *role, pid_t pid)
{
    char *pending = reader->pending;
    ssize_t got = read(fd, pending + reader->length, sizeof(reader->pending) - reader->length);

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    size_t end = reader->length + (size_t)got;
    size_t start = 0;
    const char *lf;
    while ((lf = memchr(pending + start, '\n', end - start)) != NULL) {
        size_t length = (size_t)(lf - (pending + start));
        put_record(output, role, pid, pending + start, length);
        start += length + 1;
    }
    log_output_flush(output);
    if (start == 0 && end == sizeof(reader->pending))
        start = end; /* no record is that long */
    memmove(pending, pending + start, end - start);
    reader->length = end - start;
    return got;
}
