#include "policy/logical_line.h"

#include <stdbool.h>
#include <string.h>

/* Take one physical line without its newline. */
static const char *next_physical(struct logical_lines *lines, size_t *length)
{
    const char *start = lines->next;
    const char *newline = memchr(start, '\n', (size_t)(lines->end - start));

    lines->line++;
    *length = (size_t)((newline != NULL ? newline : lines->end) - start);
    lines->next = newline != NULL ? newline + 1 : lines->end;
    return start;
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
static bool may_continue(const struct logical_lines *lines)
{
    return lines->next < lines->end && (text_is_blank(*lines->next) || *lines->next == '#');
}

unsigned logical_line_next(struct logical_lines *lines, struct text *buffer)
{
    unsigned first = 0;

    buffer->length = 0;
    while (lines->next < lines->end) {
        size_t length;
        const char *line = next_physical(lines, &length);

        if (!is_dropped(line, length)) {
            if (first == 0)
                first = lines->line;
            text_add(buffer, line, length);
        }
        if (first != 0 && !may_continue(lines))
            break;
    }
    return first;
}

void logical_line_error(struct diag *diag, const char *file_name, unsigned line, const char *what,
                        const char *text)
{
    if (text != NULL)
        diag_error(diag, "%s, line %u: %s: \"%.60s%s\"", file_name, line, what, text,
                   strlen(text) > 60 ? "..." : "");
    else
        diag_error(diag, "%s, line %u: %s", file_name, line, what);
}
