#include "proxy/log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define SYSLOG_NAMES
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "policy/decimal.h"

#define LINE_MAX_LENGTH (LOG_RECORD_MAX + 1024)
#define COLLECTED_MAX 32768

struct log_output {
    char *path; /* maillog_file; NULL: syslog or standard error */
    int fd;     /* -1: syslog */
    bool bare;  /* standard error on a terminal: no time and host name */
    bool starting;
    char *name; /* syslog_name */
    int facility;
    char host[256];
    char ident[256]; /* syslog(3) keeps a pointer to it */
    time_t stamped;  /* the second that stamp names */
    char stamp[32];
    size_t collected_length;
    char collected[COLLECTED_MAX]; /* lines for the file */
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
    log_output_flush(output);
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

/* Append TEXT behind AT bytes of a line at OUT (LINE_MAX_LENGTH) as far as there is room. Returns
 * the new length. */
static size_t put(char *out, size_t at, const char *text, size_t length)
{
    const size_t room = LINE_MAX_LENGTH - 2 - at;

    if (length > room)
        length = room;
    memcpy(out + at, text, length);
    return at + length;
}

static size_t put_string(char *out, size_t at, const char *text)
{
    return put(out, at, text, strlen(text));
}

/* "Nov 22 01:30:54 host " as postlogd(8) writes it. Returns the length. */
static size_t put_time_and_host(struct log_output *output, char *out)
{
    time_t now = time(NULL);
    struct tm local;

    if (now != output->stamped &&
        (localtime_r(&now, &local) == NULL ||
         strftime(output->stamp, sizeof(output->stamp), "%b %d %H:%M:%S", &local) == 0))
        output->stamp[0] = '\0';
    output->stamped = now;
    size_t at = put_string(out, 0, output->stamp);
    at = put_string(out, at, " ");
    at = put_string(out, at, output->host);
    return put_string(out, at, " ");
}

/* "postfix/smtpd[123]: text" and a line end, at OUT (LINE_MAX_LENGTH). Returns its length. */
static size_t put_line(struct log_output *output, char *out, const char *role, pid_t pid,
                       const char *text, size_t length)
{
    char number[DECIMAL_MAX];
    const char *number_end = decimal_put(number, (uint64_t)pid);
    size_t start = output->bare ? 0 : put_time_and_host(output, out);
    size_t end = put_string(out, start, output->name);

    end = put_string(out, end, "/");
    end = put_string(out, end, role);
    end = put_string(out, end, "[");
    end = put(out, end, number, (size_t)(number_end - number));
    end = put_string(out, end, "]: ");
    end = put(out, end, text, length);
    for (size_t i = start; i < end; i++)
        if ((unsigned char)out[i] < 0x20 || (unsigned char)out[i] >= 0x7f)
            out[i] = '?';
    out[end++] = '\n';
    return end;
}

void log_output_flush(struct log_output *output)
{
    if (output->collected_length > 0)
        (void)!write(output->fd, output->collected, output->collected_length);
    output->collected_length = 0;
}

void log_output_write(struct log_output *output, enum log_severity severity, const char *role,
                      pid_t pid, const char *text, size_t length)
{
    if (length > LOG_RECORD_MAX)
        length = LOG_RECORD_MAX;
    if (output->starting && severity >= LOG_SEVERITY_ERROR && !output->bare)
        fprintf(stderr, "gatepost: %.*s\n", (int)length, text);
    if (output->fd < 0) {
        snprintf(output->ident, sizeof(output->ident), "%s/%s[%ld]", output->name, role, (long)pid);
        syslog(syslog_level(severity), "%.*s", (int)length, text);
        return;
    }
    if (sizeof(output->collected) - output->collected_length < LINE_MAX_LENGTH)
        log_output_flush(output);
    output->collected_length +=
        put_line(output, output->collected + output->collected_length, role, pid, text, length);
}

void log_output_close(struct log_output *output)
{
    if (output == NULL)
        return;
    log_output_flush(output);
    if (output->path != NULL && output->fd >= 0)
        close(output->fd);
    if (output->fd < 0)
        closelog();
    free(output->path);
    free(output->name);
    free(output);
}
