#include "proxy/log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define SYSLOG_NAMES
#include <syslog.h>
#include <time.h>
#include <unistd.h>

struct log_output {
    char *path; /* maillog_file; NULL: syslog or standard error */
    int fd;     /* -1: syslog */
    bool bare;  /* standard error on a terminal: no time and host name */
    bool starting;
    char *name; /* syslog_name */
    int facility;
    char host[256];
    char ident[256]; /* syslog(3) keeps a pointer to it */
};

/* syslog_facility's number, or -1. */
static int facility_number(const char *name)
{
    for (const CODE *code = facilitynames; code->c_name != NULL; code++)
        if (strcmp(code->c_name, name) == 0)
            return code->c_val;
    return -1;
}

/* Open maillog_file for appending. */
static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
}

struct log_output *log_output_open(const struct config *config, struct diag *diag)
{
    struct log_output *output = calloc(1, sizeof(*output));
    const char *path = config_str(config, PARAM_maillog_file);
    const char *facility = config_str(config, PARAM_syslog_facility);

    if (output == NULL)
        abort();
    output->fd = -1;
    output->name = strdup(config_str(config, PARAM_syslog_name));
    output->facility = facility_number(facility);
    if (output->name == NULL)
        abort();
    if (gethostname(output->host, sizeof(output->host) - 1) != 0)
        snprintf(output->host, sizeof(output->host), "localhost");
    output->host[strcspn(output->host, ".")] = '\0';
    if (output->facility < 0) {
        diag_error(diag, "syslog_facility = %s: unknown facility; see syslog(3)", facility);
        log_output_close(output);
        return NULL;
    }
    if (path[0] != '\0') {
        output->path = strdup(path);
        output->fd = open_file(path);
        if (output->path == NULL || output->fd < 0) {
            diag_error(diag, "maillog_file = %s: cannot open: %s", path, strerror(errno));
            log_output_close(output);
            return NULL;
        }
    } else if (isatty(STDERR_FILENO)) {
        output->fd = STDERR_FILENO;
        output->bare = true;
    } else {
        openlog(output->ident, LOG_NDELAY, output->facility);
    }
    return output;
}

void log_output_reopen(struct log_output *output)
{
    if (output->path == NULL)
        return;
    int fd = open_file(output->path);
    if (fd < 0)
        return;
    close(output->fd);
    output->fd = fd;
}

void log_output_set_starting(struct log_output *output, bool starting)
{
    output->starting = starting;
}

/* syslog(3)'s level for a severity. */
static int syslog_level(enum log_severity severity)
{
    switch (severity) {
    case LOG_SEVERITY_INFO:
        return LOG_INFO;
    case LOG_SEVERITY_WARNING:
        return LOG_WARNING;
    case LOG_SEVERITY_ERROR:
        return LOG_ERR;
    case LOG_SEVERITY_FATAL:
        break;
    }
    return LOG_CRIT;
}

/* "Nov 22 01:30:54 host " as postlogd(8) writes it. */
static size_t put_time_and_host(const struct log_output *output, char *out, size_t capacity)
{
    time_t now = time(NULL);
    struct tm local;
    char stamp[32];

    if (localtime_r(&now, &local) == NULL ||
        strftime(stamp, sizeof(stamp), "%b %d %H:%M:%S", &local) == 0)
        stamp[0] = '\0';
    return (size_t)snprintf(out, capacity, "%s %s ", stamp, output->host);
}

void log_output_write(struct log_output *output, enum log_severity severity, const char *role,
                      pid_t pid, const char *text, size_t length)
{
    char line[LOG_RECORD_MAX + 1024];
    size_t start = 0;
    int printed;

    if (length > LOG_RECORD_MAX)
        length = LOG_RECORD_MAX;
    if (output->fd >= 0 && !output->bare)
        start = put_time_and_host(output, line, sizeof(line));
    printed = snprintf(line + start, sizeof(line) - start, "%s/%s[%ld]: %.*s", output->name, role,
                       (long)pid, (int)length, text);
    size_t end = start + (size_t)printed;
    if (end > sizeof(line) - 2)
        end = sizeof(line) - 2;
    for (size_t i = start; i < end; i++)
        if ((unsigned char)line[i] < 0x20 || (unsigned char)line[i] >= 0x7f)
            line[i] = '?';
    if (output->starting && severity >= LOG_SEVERITY_ERROR && !output->bare)
        fprintf(stderr, "gatepost: %.*s\n", (int)length, text);
    if (output->fd < 0) {
        snprintf(output->ident, sizeof(output->ident), "%s/%s[%ld]", output->name, role, (long)pid);
        syslog(syslog_level(severity), "%.*s", (int)length, text);
        return;
    }
    line[end++] = '\n';
    (void)!write(output->fd, line, end);
}

void log_output_close(struct log_output *output)
{
    if (output == NULL)
        return;
    if (output->path != NULL && output->fd >= 0)
        close(output->fd);
    if (output->fd < 0)
        closelog();
    free(output->path);
    free(output->name);
    free(output);
}

/* Records that did not fit into the pipe. */
static atomic_uint dropped_records;

/* One record: the severity as a digit, the text, a line end; written whole or not at all. */
static bool log_pipe_put(int fd, enum log_severity severity, const char *text, size_t length)
{
    char record[LOG_RECORD_MAX + 2];

    if (length > LOG_RECORD_MAX)
        length = LOG_RECORD_MAX;
    record[0] = (char)('0' + (int)severity);
    memcpy(record + 1, text, length);
    record[length + 1] = '\n';
    return write(fd, record, length + 2) == (ssize_t)length + 2;
}

void log_pipe_write(void *ctx, enum log_severity severity, const char *text, size_t length)
{
    int fd = *(const int *)ctx;
    unsigned dropped = atomic_load(&dropped_records);

    if (dropped > 0) {
        char note[96];
        int noted = snprintf(note, sizeof(note), "warning: %u log records were lost", dropped);
        if (log_pipe_put(fd, LOG_SEVERITY_WARNING, note, (size_t)noted))
            atomic_fetch_sub(&dropped_records, dropped);
    }
    if (!log_pipe_put(fd, severity, text, length))
        atomic_fetch_add(&dropped_records, 1);
}

bool log_pipe_read(int fd, struct log_output *output, const char *role, pid_t pid, char *pending,
                   size_t *pending_length)
{
    ssize_t got = read(fd, pending + *pending_length, LOG_PIPE_BUFFER - *pending_length);

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    size_t end = *pending_length + (size_t)got;
    size_t start = 0;
    for (;;) {
        const char *lf = memchr(pending + start, '\n', end - start);
        if (lf == NULL)
            break;
        size_t length = (size_t)(lf - (pending + start));
        int digit = length > 0 ? pending[start] - '0' : -1;
        if (digit >= LOG_SEVERITY_INFO && digit <= LOG_SEVERITY_FATAL)
            log_output_write(output, (enum log_severity)digit, role, pid, pending + start + 1,
                             length - 1);
        start += length + 1;
    }
    if (start == 0 && end == LOG_PIPE_BUFFER)
        start = end; /* no record is that long: not one of ours */
    memmove(pending, pending + start, end - start);
    *pending_length = end - start;
    return true;
}
