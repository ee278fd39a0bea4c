/*
 * log_pipe.h: log records on their way from a child to the master, over a pipe of the child's own.
 * A record is its severity as a digit, the text and a line end. The child collects records and
 * writes them together; it never waits: while the pipe is full and no more can be collected,
 * records are dropped and counted, and the number is told as soon as there is room.
 */
#ifndef GATEPOST_PROXY_LOG_PIPE_H
#define GATEPOST_PROXY_LOG_PIPE_H

#include <stddef.h>
#include <sys/types.h>

#include "proxy/log.h"
#include "proxy/log_output.h"

#define LOG_PIPE_BUFFER 16384

/* The child's end. Begin with the descriptor set (non-blocking) and all else 0. */
struct log_pipe {
    int fd;
    unsigned dropped; /* records that nobody was told of yet */
    size_t length;    /* of what was collected */
    char collected[LOG_PIPE_BUFFER];
};

/* The log_sink and log_flusher of a child; CTX is its struct log_pipe. */
void log_pipe_write(void *ctx, enum log_severity severity, const char *text, size_t length);
void log_pipe_flush(void *ctx);

/* The master's end: what has come of an incomplete record. Begin with 0. */
struct log_pipe_reader {
    size_t length;
    char pending[LOG_PIPE_BUFFER];
};

/*
 * Read once from FD (non-blocking) and write complete records to OUTPUT as those of process PID in
 * ROLE. Returns the number of bytes read, 0 if there are none now, -1 at end of file or if FD is
 * broken.
 */
ssize_t log_pipe_read(struct log_pipe_reader *reader, int fd, struct log_output *output,
                      const char *role, pid_t pid);

#endif
