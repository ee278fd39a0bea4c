/*
 * buffer.h: bytes in flight, in memory that is lent.
 *
 * A worker owns a few large scratch areas. While one session is being worked on, its buffers live
 * in those areas (buffer_lend); when the worker turns to another session, what is left over,
 * usually nothing, is moved to memory of exactly that size (buffer_settle). An idle session owns no
 * buffer.
 */
#ifndef GATEPOST_PROXY_BUFFER_H
#define GATEPOST_PROXY_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data;      /* NULL while empty and settled */
    size_t start;    /* first unread byte */
    size_t end;      /* behind the last one */
    size_t capacity; /* of data */
    bool lent;       /* data is scratch: not ours to free */
};

/* Give BUFFER the scratch area (CAPACITY bytes) to work in; its content moves there if it fits,
 * else it stays where it is. */
void buffer_lend(struct buffer *buffer, char *scratch, size_t capacity);

/* Leave the scratch area. Content is copied to memory of its own; out of memory is fatal. */
void buffer_settle(struct buffer *buffer);

void buffer_free(struct buffer *buffer);

static inline size_t buffer_length(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline char *buffer_data(const struct buffer *buffer)
{
    return buffer->data + buffer->start;
}

/* Forget the first COUNT bytes. */
static inline void buffer_consume(struct buffer *buffer, size_t count)
{
    buffer->start += count;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

/* Room for at least COUNT bytes behind the content (moves or enlarges as needed). Returns where to
 * write; call buffer_commit with what was written. Out of memory is fatal. */
char *buffer_reserve(struct buffer *buffer, size_t count);

static inline void buffer_commit(struct buffer *buffer, size_t count)
{
    buffer->end += count;
}

/* Move the first COUNT bytes of FROM to the end of TO; all of it, to an empty TO, without copying
 * (the two then exchange their memory). */
void buffer_move(struct buffer *to, struct buffer *from, size_t count);

void buffer_append(struct buffer *buffer, const char *data, size_t length);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
