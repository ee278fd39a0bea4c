/*
 * log_pipe.h: log records on their way from a child to the master, over a pipe of the child's own.
 * A record is its severity as a digit, the text and a line end. The child collects records and
 * writes them together; it never waits: while the pipe is full and no more can be collected,
 * records are dropped and counted, and the number is told as soon as there is room. What is
 * collected lies in memory that the master shares, so that the last words of a child that was
 * killed are not lost.
 */
#ifndef GATEPOST_PROXY_LOG_PIPE_H
#define GATEPOST_PROXY_LOG_PIPE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/log.h"
#include "proxy/log_output.h"

#define LOG_PIPE_BUFFER 16384

/* The child's end, in shared memory. The master takes nothing in it on trust. */
struct log_pipe {
    int fd;                        /* non-blocking */
    unsigned dropped;              /* records that nobody was told of yet */
    _Atomic uint64_t *all_dropped; /* counts all of them, besides other processes' */
    size_t length;                 /* of what was collected */
    char collected[LOG_PIPE_BUFFER];
};

/* The log_sink and log_flusher of a child; CTX is its struct log_pipe. */
void log_pipe_write(void *ctx, enum log_severity severity, const char *text, size_t length);
void log_pipe_flush(void *ctx);

/* The master's end. */
struct log_pipe_reader {
    struct log_pipe *shared; /* of the child at the other end */
    size_t length;           /* of an incomplete record */
    char pending[LOG_PIPE_BUFFER];
};

/* To be used for one child after the other. NULL: no memory. */
struct log_pipe_reader *log_pipe_reader_new(void);
void log_pipe_reader_free(struct log_pipe_reader *reader);

/* Before a child is made: what was collected by the one before is forgotten. */
void log_pipe_reader_reset(struct log_pipe_reader *reader);

/*
 * Read once from FD (non-blocking) and write complete records to OUTPUT as those of process PID in
 * ROLE. False: end of file, or FD is broken.
 */
bool log_pipe_read(struct log_pipe_reader *reader, int fd, struct log_output *output,
                   const char *role, pid_t pid);

/* The child is dead: read everything from FD, and what it had no time to write. */
void log_pipe_drain(struct log_pipe_reader *reader, int fd, struct log_output *output,
                    const char *role, pid_t pid);

#endif
