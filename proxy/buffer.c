#include "proxy/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/log.h"

/* Memory, or the end of this process: a worker that cannot hold a reply cannot serve. */
static char *buffer_memory(size_t size)
{
    char *memory = malloc(size);
    if (memory == NULL)
        log_fatal("out of memory for %zu bytes of session data", size);
    return memory;
}

void buffer_lend(struct buffer *buffer, char *scratch, size_t capacity)
{
    size_t length = buffer_length(buffer);

    if (buffer->lent || length > capacity)
        return;
    if (length > 0)
        memcpy(scratch, buffer_data(buffer), length);
    free(buffer->data);
    *buffer = (struct buffer){.data = scratch, .end = length, .capacity = capacity, .lent = true};
}

void buffer_settle(struct buffer *buffer)
{
    size_t length = buffer_length(buffer);

    if (!buffer->lent && length > 0)
        return;
    struct buffer own = {0};
    if (length > 0) {
        own.data = buffer_memory(length);
        memcpy(own.data, buffer_data(buffer), length);
        own.end = own.capacity = length;
    }
    if (!buffer->lent)
        free(buffer->data);
    *buffer = own;
}

void buffer_free(struct buffer *buffer)
{
    if (!buffer->lent)
        free(buffer->data);
    *buffer = (struct buffer){0};
}

char *buffer_reserve(struct buffer *buffer, size_t count)
{
    size_t length = buffer_length(buffer);

    if (buffer->capacity - buffer->end >= count && buffer->data != NULL)
        return buffer->data + buffer->end;
    if (buffer->capacity - length >= count && buffer->data != NULL) {
        memmove(buffer->data, buffer_data(buffer), length);
    } else {
        size_t capacity =
            length + count > 2 * buffer->capacity ? length + count : 2 * buffer->capacity;
        char *larger = buffer_memory(capacity > 0 ? capacity : 1);
        if (length > 0)
            memcpy(larger, buffer_data(buffer), length);
        if (!buffer->lent)
            free(buffer->data);
        buffer->data = larger;
        buffer->capacity = capacity;
        buffer->lent = false;
    }
    buffer->start = 0;
    buffer->end = length;
    return buffer->data + length;
}

void buffer_append(struct buffer *buffer, const char *data, size_t length)
{
    if (length == 0)
        return;
    memcpy(buffer_reserve(buffer, length), data, length);
    buffer_commit(buffer, length);
}

void buffer_move(struct buffer *to, struct buffer *from, size_t count)
{
    if (count == buffer_length(from) && buffer_length(to) == 0) {
        const struct buffer full = *from;
        *from = *to;
        *to = full;
        return;
    }
    buffer_append(to, buffer_data(from), count);
    buffer_consume(from, count);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    char text[4096];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length < 0)
        log_fatal("cannot format a reply: %s", format);
    if ((size_t)length >= sizeof(text))
        length = (int)sizeof(text) - 1;
    buffer_append(buffer, text, (size_t)length);
}
