/*
 * log_pipe_fuzz.c: what a worker that was taken over may write into its log pipe, in pieces that
 * end in a record separator (0x1e), and leave in the memory that it shares with the master when it
 * dies. Input: two bytes, the length that it claims for the latter, then the pieces; what is in the
 * memory is the last of them, over and over.
 *
 * The master writes one line for each record, each with the process's name and number before it, of
 * bounded length and of bytes that print: no line can be forged, broken or made to come from
 * another process.
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
#include "proxy/log_pipe.h"

#define PIECE_END 0x1e
#define PID 4711
#define INPUT_MAX 12000

static void check(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "log_pipe: %s\n", what);
        abort();
    }
}

/* Lines that hold a record: those that begin with a severity. */
static size_t count_records(const char *stream, size_t length)
{
    size_t count = 0;
    for (size_t at = 0; at < length;) {
        const char *end = memchr(stream + at, '\n', length - at);
        if (end == NULL) {
            break;
        }
        count += stream[at] >= '0' && stream[at] <= '3';
        at = (size_t)(end - stream) + 1;
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

/* The child dies, with DATA over and over in the shared memory and LENGTH claimed for it. Returns
 * how much of it counts. */
static size_t die(struct log_pipe *shared, const uint8_t *data, size_t size, size_t length)
{
    for (size_t at = 0; at < sizeof shared->collected; at++) {
        shared->collected[at] = (char)(size > 0 ? data[at % size] : 0);
    }
    shared->length = length;
    return length <= sizeof shared->collected ? length : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct log_output *output;
    static struct log_pipe_reader *reader;
    static int file, ends[2];
    static char stream[INPUT_MAX + LOG_PIPE_BUFFER];
    size_t length = 0, last = 2;
    if (output == NULL) {
        struct diag diag = {0};
        char path[64];
        file = memfd_create("log", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        struct config_override override = {"maillog_file", path};
        struct config *config = config_parse("F", "", 0, &override, 1, &diag);
        check(file >= 0 && config != NULL, "configuration");
        output = log_output_open(config, &diag);
        config_free(config);
        reader = log_pipe_reader_new();
        check(output != NULL && reader != NULL, "output");
        check(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0, "pipe");
    }
    if (size < 2 || size > INPUT_MAX) {
        return 0;
    }
    check(ftruncate(file, 0) == 0, "truncate");
    log_pipe_reader_reset(reader);
    for (size_t at = 2; at < size;) {
        const uint8_t *end = memchr(data + at, PIECE_END, size - at);
        size_t piece = end != NULL ? (size_t)(end - data) - at : size - at;
        memcpy(stream + length, data + at, piece);
        length += piece;
        check(write(ends[1], data + at, piece) == (ssize_t)piece, "pipe");
        check(piece == 0 || log_pipe_read(reader, ends[0], output, "smtpd", PID), "end of file");
        check(reader->length < LOG_PIPE_BUFFER, "what waits");
        last = at;
        at += piece + 1;
    }
    size_t claimed = (size_t)data[0] << 8 | data[1];
    size_t left = die(reader->shared, data + last, size - last, claimed);
    memcpy(stream + length, reader->shared->collected, left);
    log_pipe_drain(reader, ends[0], output, "smtpd", PID);
    log_output_flush(output);
    check_file(file, count_records(stream, length + left));
    return 0;
}
