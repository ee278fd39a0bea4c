/*
 * line_source.c: pieces of a file become lines.
 */
#include "policy/line_source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/regular_file.h"
#include "policy/text.h"

#define BUFFER_SIZE (4 * LINE_SOURCE_MAX_LINE)

struct line_source {
    const char *path;
    struct diag *diag;
    int fd;
    bool at_end; /* of the file: everything is in BUFFER */
    bool failed;
    size_t total;  /* bytes read */
    unsigned line; /* number of the physical line that was taken last */
    size_t start;  /* unread bytes of BUFFER */
    size_t end;
    struct text joined; /* a logical line of several physical ones */
    char buffer[BUFFER_SIZE];
};

/* Stop, after an error was reported. */
static const char *fail(struct line_source *source)
{
    source->failed = true;
    return NULL;
}

struct line_source *line_source_open(const char *path, struct diag *diag)
{
    int fd = regular_file_open(path, diag);

    if (fd < 0)
        return NULL;
    struct line_source *source = text_alloc(1, sizeof(*source));
    source->path = path;
    source->diag = diag;
    source->fd = fd;
    return source;
}

void line_source_close(struct line_source *source)
{
    if (source == NULL)
        return;
    close(source->fd);
    text_free(&source->joined);
    free(source);
}

int line_source_failed(const struct line_source *source)
{
    return source->failed;
}

/* Fill the buffer. Returns -1 after reporting. */
static int refill(struct line_source *source)
{
    ssize_t count;

    memmove(source->buffer, source->buffer + source->start, source->end - source->start);
    source->end -= source->start;
    source->start = 0;
    do
        count = read(source->fd, source->buffer + source->end, BUFFER_SIZE - source->end);
    while (count < 0 && errno == EINTR);
    if (count < 0) {
        diag_error(source->diag, "read %s: %s", source->path, strerror(errno));
        return -1;
    }
    if (count == 0)
        source->at_end = true;
    source->end += (size_t)count;
    source->total += (size_t)count;
    if (source->total <= LINE_SOURCE_MAX_FILE)
        return 0;
    diag_error(source->diag, "%s: file too large: at most %zu bytes are read", source->path,
               LINE_SOURCE_MAX_FILE);
    return -1;
}

/* Report a line that no buffer is made for. */
static void report_long(const struct line_source *source, unsigned line)
{
    diag_error(source->diag, "%s, line %u: line too long: at most %zu bytes", source->path, line,
               LINE_SOURCE_MAX_LINE);
}

/* Take a physical line without its newline, such that also the first byte behind it is in the
 * buffer if there is one. NULL at the end and on error. */
static const char *take_physical(struct line_source *source, size_t *length)
{
    for (;;) {
        char *start = source->buffer + source->start;
        size_t unread = source->end - source->start;
        char *newline = memchr(start, '\n', unread);

        *length = newline != NULL ? (size_t)(newline - start) : unread;
        if (*length > LINE_SOURCE_MAX_LINE) {
            report_long(source, source->line + 1);
            return fail(source);
        }
        if (source->at_end && unread == 0)
            return NULL;
        if (source->at_end || (newline != NULL && *length + 1 < unread)) {
            source->start += newline != NULL ? *length + 1 : *length;
            source->line++;
            return start;
        }
        if (refill(source) != 0)
            return fail(source);
    }
}

/* A line that is dropped: empty, only blanks, or a comment. */
static bool is_dropped(const char *line, size_t length)
{
    size_t i = 0;

    while (i < length && text_is_blank(line[i]))
        i++;
    return i == length || line[i] == '#';
}

/* Whether the line to come may still belong to the present logical line. */
static bool may_continue(const struct line_source *source)
{
    char next = source->start < source->end ? source->buffer[source->start] : 'x';

    return next == '#' || text_is_blank(next);
}

/* Whether a line has a NUL byte, which is reported. */
static bool has_nul(struct line_source *source, const char *line, size_t length)
{
    if (memchr(line, '\0', length) == NULL)
        return false;
    diag_error(source->diag, "%s, line %u: NUL byte: this is not a text file", source->path,
               source->line);
    return true;
}

/* Add the lines that continue the one in JOINED. */
static const char *join(struct line_source *source, size_t *length, unsigned number)
{
    while (may_continue(source)) {
        size_t more;
        const char *line = take_physical(source, &more);

        if (line == NULL || has_nul(source, line, more))
            return fail(source);
        if (is_dropped(line, more))
            continue;
        text_add_char(&source->joined, '\n');
        text_add(&source->joined, line, more);
        if (source->joined.length > LINE_SOURCE_MAX_LINE) {
            report_long(source, number);
            return fail(source);
        }
    }
    *length = source->joined.length;
    return source->joined.data;
}

const char *line_source_next(struct line_source *source, size_t *length, unsigned *number)
{
    const char *line;

    if (source->failed)
        return NULL;
    while ((line = take_physical(source, length)) != NULL) {
        if (has_nul(source, line, *length))
            return fail(source);
        if (is_dropped(line, *length))
            continue;
        *number = source->line;
        if (text_is_blank(*line)) {
            diag_error(source->diag,
                       "%s, line %u: the line begins with a blank but continues nothing",
                       source->path, source->line);
            return fail(source);
        }
        if (!may_continue(source))
            return line;
        source->joined.length = 0;
        text_add(&source->joined, line, *length);
        return join(source, length, *number);
    }
    return NULL;
}
