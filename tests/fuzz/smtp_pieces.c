#include "tests/fuzz/smtp_pieces.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void model_require(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "smtp_model: %s\n", what);
    abort();
}

size_t model_bytes_length(const struct model_bytes *bytes)
{
    return bytes->end - bytes->start;
}

char *model_bytes_at(struct model_bytes *bytes)
{
    return bytes->data + bytes->start;
}

void model_bytes_add(struct model_bytes *bytes, const char *data, size_t length)
{
    if (length == 0)
        return;
    if (bytes->start == bytes->end)
        bytes->start = bytes->end = 0;
    if (bytes->end + length > bytes->capacity) {
        bytes->capacity = 2 * (bytes->end + length);
        bytes->data = realloc(bytes->data, bytes->capacity);
        model_require(bytes->data != NULL, "out of memory");
    }
    memcpy(bytes->data + bytes->end, data, length);
    bytes->end += length;
}

/* The length of the first line with its LF, or 0. */
size_t model_bytes_line(struct model_bytes *bytes)
{
    if (model_bytes_length(bytes) == 0)
        return 0;
    const char *lf = memchr(model_bytes_at(bytes), '\n', model_bytes_length(bytes));
    return lf != NULL ? (size_t)(lf - model_bytes_at(bytes)) + 1 : 0;
}

void model_queue_add(struct model_queue *queue, int value, const char *word)
{
    if (queue->end == queue->capacity) {
        queue->capacity = 2 * queue->capacity + 16;
        queue->items = realloc(queue->items, queue->capacity * sizeof(*queue->items));
        model_require(queue->items != NULL, "out of memory");
    }
    struct model_item *item = &queue->items[queue->end++];
    item->value = value;
    snprintf(item->word, sizeof(item->word), "%s", word);
}

bool model_queue_empty(const struct model_queue *queue)
{
    return queue->start == queue->end;
}

int model_queue_take(struct model_queue *queue)
{
    return queue->items[queue->start++].value;
}

void model_queue_clear(struct model_queue *queue)
{
    queue->start = queue->end = 0;
}

/* The first word of a line, as Postfix splits it. */
void smtp_first_word(const char *line, size_t length, char word[40])
{
    size_t used = 0;
    const char *nul = memchr(line, '\0', length);
    const char *end = nul != NULL ? nul : line + length;

    while (line < end && isspace((unsigned char)*line))
        line++;
    while (line < end && !isspace((unsigned char)*line) && used < 39)
        word[used++] = *line++;
    word[used] = '\0';
}

/* "n" or "n LAST" behind BDAT. False: it cannot be understood. */
bool smtp_chunk_size(const char *line, size_t length, uint64_t *size, bool *last)
{
    char text[64];
    char rest[64] = "";
    int used = 0;

    length = strnlen(line, length);
    while (length > 0 && isspace((unsigned char)line[length - 1]))
        length--;
    if (length > 60)
        return false;
    for (size_t i = 0; i < length; i++)
        text[i] = isspace((unsigned char)line[i]) ? ' ' : line[i];
    text[length] = '\0';
    if (sscanf(text, " %*s %n", &used) != 0 || used == 0 || !isdigit((unsigned char)text[used]))
        return false;
    size_t digits = strspn(text + used, "0123456789");
    snprintf(rest, sizeof(rest), "%s", text + used + digits);
    *last = rest[0] == ' ' && strcasecmp(rest + strspn(rest, " "), "LAST") == 0;
    *size = strtoull(text + used, NULL, 10);
    return (rest[0] == '\0' || *last) && digits < 19;
}

/* Whether the line at the start of a message's text ends it. POSTFIX: by smtpd_forbid_bare_newline;
 * else by what a strict or a lenient backend does. */
bool smtp_ends_message(struct model_content *content, const char *line, size_t length, bool any_cr,
                       bool drop_nul)
{
    bool bare = length < 2 || line[length - 2] != '\r';
    bool bare_before = content->bare_before;
    size_t seen = 0;
    bool dot = false;

    content->bare_before = bare;
    content->lines++;
    if (!any_cr)
        return length == 3 && memcmp(line, ".\r\n", 3) == 0 && !bare_before;
    for (size_t i = 0; i + 1 < length; i++) {
        if (drop_nul && (line[i] == '\0' || line[i] == '\r'))
            continue;
        if (!drop_nul && line[i] == '\r' && seen == 1)
            continue; /* trailing ones only */
        dot = line[i] == '.';
        seen += seen == 1 && dot ? 2 : 1;
    }
    return seen == 1 && dot;
}

/* The first complete reply: its code, 0 if it is not there yet, -1 if there can be none. */
int smtp_take_reply(struct model_bytes *bytes)
{
    size_t at = 0;
    int code = 0;

    for (;;) {
        const char *text = model_bytes_length(bytes) > 0 ? model_bytes_at(bytes) + at : "";
        size_t left = model_bytes_length(bytes) - at;
        const char *lf = memchr(text, '\n', left);
        size_t length = lf != NULL ? (size_t)(lf - text) + 1 : left;
        if (at + length > SMTP_REPLY_LIMIT || memchr(text, '\0', length) != NULL)
            return -1;
        if (lf == NULL)
            return 0;
        if (length < 4 || !isdigit((unsigned char)text[0]) || !isdigit((unsigned char)text[1]) ||
            !isdigit((unsigned char)text[2]))
            return -1;
        int line_code = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
        bool plain = text[3] == '\n' || (text[3] == '\r' && text[4] == '\n');
        if (line_code < 200 || line_code > 599 || (code != 0 && code != line_code) ||
            (!plain && text[3] != ' ' && text[3] != '-'))
            return -1;
        code = line_code;
        at += length;
        if (text[3] != '-') {
            bytes->start += at;
            return code;
        }
    }
}
