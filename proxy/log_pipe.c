#include "proxy/log_pipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
    if (!log_pipe_put_dropped(log) || !log_pipe_put(log, severity, text, length)) {
        log->dropped++;
        atomic_fetch_add(log->all_dropped, 1);
    }
}

/* One line of the pipe, without its end. What does not look like a record is not one of ours. */
static void put_record(struct log_output *output, const char *role, pid_t pid, const char *line,
                       size_t length)
{
    int digit = length > 0 ? line[0] - '0' : -1;

    if (digit >= LOG_SEVERITY_INFO && digit <= LOG_SEVERITY_FATAL)
        log_output_write(output, (enum log_severity)digit, role, pid, line + 1, length - 1);
}

/* Write the complete records among what is pending. */
static void put_records(struct log_pipe_reader *reader, struct log_output *output, const char *role,
                        pid_t pid)
{
    char *pending = reader->pending;
    size_t end = reader->length;
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
}

struct log_pipe_reader *log_pipe_reader_new(void)
{
    struct log_pipe_reader *reader = calloc(1, sizeof(*reader));

    if (reader == NULL)
        return NULL;
    reader->shared = mmap(NULL, sizeof(*reader->shared), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (reader->shared != MAP_FAILED)
        return reader;
    free(reader);
    return NULL;
}

void log_pipe_reader_free(struct log_pipe_reader *reader)
{
    if (reader == NULL)
        return;
    munmap(reader->shared, sizeof(*reader->shared));
    free(reader);
}

void log_pipe_reader_reset(struct log_pipe_reader *reader)
{
    reader->length = 0;
    reader->shared->length = 0;
    reader->shared->dropped = 0;
}

/* log_pipe_read. Returns how many bytes were read; 0: none now; -1. */
static ssize_t read_once(struct log_pipe_reader *reader, int fd, struct log_output *output,
                         const char *role, pid_t pid)
{
    ssize_t got =
        read(fd, reader->pending + reader->length, sizeof(reader->pending) - reader->length);

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    reader->length += (size_t)got;
    put_records(reader, output, role, pid);
    return got;
}

bool log_pipe_read(struct log_pipe_reader *reader, int fd, struct log_output *output,
                   const char *role, pid_t pid)
{
    return read_once(reader, fd, output, role, pid) >= 0;
}

void log_pipe_drain(struct log_pipe_reader *reader, int fd, struct log_output *output,
                    const char *role, pid_t pid)
{
    size_t left = reader->shared->length;
    size_t at = 0;

    while (read_once(reader, fd, output, role, pid) > 0) {
    }
    if (left > sizeof(reader->shared->collected))
        return;
    while (at < left) {
        size_t part = sizeof(reader->pending) - reader->length;
        if (part > left - at)
            part = left - at;
        memcpy(reader->pending + reader->length, reader->shared->collected + at, part);
        reader->length += part;
        at += part;
        put_records(reader, output, role, pid);
    }
}
