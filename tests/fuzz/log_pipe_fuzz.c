/*
 * log_pipe_fuzz.c: what a worker that was taken over may write into its log pipe, in pieces that
 * end in a record separator (0x1e). The master writes one line for each record, each with the
 * process's name and number before it, of bounded length and of bytes that print: no line can be
 * forged, broken or made to come from another process.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/log_output.h"

#define PIECE_END 0x1e
#define PID 4711

static void check(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "log_pipe: %s\n", what);
        abort();
    }
}

/* Lines that hold a record: those that begin with a severity. */
static size_t count_records(const uint8_t *data, size_t size)
{
    size_t count = 0, start = 0;
    bool any = false;
    char first = '\0';
    (void)start;
    for (size_t i = 0; i < size; i++) {
        if (data[i] == PIECE_END) {
            continue;
        }
        if (data[i] == '\n') {
            count += any && first >= '0' && first <= '3';
            any = false;
        } else if (!any) {
            any = true;
            first = (char)data[i];
        }
    }
    return count;
}

static void check_file(int fd, size_t records)
{
    static char text[1 << 20];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    size_t lines = 0;
    check(length >= 0 && (size_t)length < sizeof text - 1, "the log is too long");
    text[length] = '\0';
    for (char *line = text; *line != '\0'; lines++) {
        char *end = strchr(line, '\n');
        check(end != NULL && end - line < LOG_RECORD_MAX + 1024, "a line's length");
        *end = '\0';
        const char *name = strstr(line, "gatepost/smtpd[4711]: ");
        check(name != NULL && name - line < 200, "a line's name");
        for (const char *byte = line; byte < end; byte++) {
            check(*byte >= ' ' && *byte <= '~', "a byte that does not print");
        }
        line = end + 1;
    }
    check(lines == records, "number of lines");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct log_output *output;
    static int file, ends[2];
    static char pending[LOG_PIPE_BUFFER];
    size_t pending_length = 0;
    if (output == NULL) {
        struct diag diag = {0};
        char path[64];
        file = memfd_create("log", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        struct config_override override = {"maillog_file", path};
        struct config *config = config_parse("F", "", 0, &override, 1, &diag);
        check(file >= 0 && config != NULL, "configuration");
        output = log_output_open(config, &diag);
        check(output != NULL && pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0, "output");
    }
    if (size > LOG_PIPE_BUFFER - 1) {
        return 0;
    }
    check(ftruncate(file, 0) == 0, "truncate");
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, PIECE_END, size - at);
        size_t length = end != NULL ? (size_t)(end - data) - at : size - at;
        check(write(ends[1], data + at, length) == (ssize_t)length, "pipe");
        check(log_pipe_read(ends[0], output, "smtpd", PID, pending, &pending_length),
              "end of file");
        check(pending_length < LOG_PIPE_BUFFER, "what waits");
        at += length + 1;
    }
    check_file(file, count_records(data, size));
    return 0;
}
