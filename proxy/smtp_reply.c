/*
 * smtp_reply.c: finding whole replies.
 */
#include "proxy/smtp_reply.h"

#include <stdbool.h>
#include <string.h>

/* One line of a reply: its code, whether more lines follow, and its length with the line end. */
struct reply_line {
    int code;
    bool more;
    size_t length;
};

static enum smtp_reply_status bad(struct smtp_reply *reply, const char *error)
{
    reply->error = error;
    return SMTP_REPLY_BAD;
}

/* Check the code and what follows it; as many of the first four bytes as are there. */
static const char *check_head(const char *text, size_t length)
{
    for (size_t i = 0; i < length && i < 3; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return "reply code is not three digits";
        }
    }
    if (length > 0 && (text[0] < '2' || text[0] > '5')) {
        return "reply code is not between 200 and 599";
    }
    if (length > 3 && strchr(" -\r\n", text[3]) == NULL) {
        return "reply code is not followed by a blank or a hyphen";
    }
    if (length > 4 && text[3] == '\r' && text[4] != '\n') {
        return "reply code is not followed by a blank or a hyphen";
    }
    return NULL;
}

/* The line at the start of TEXT. */
static enum smtp_reply_status parse_line(const char *text, size_t length, struct reply_line *line,
                                         struct smtp_reply *reply)
{
    const char *newline = memchr(text, '\n', length);
    line->length = newline != NULL ? (size_t)(newline - text) + 1 : length;
    if (memchr(text, '\0', line->length) != NULL) {
        return bad(reply, "reply contains a NUL byte");
    }
    if (newline != NULL && line->length < 4) {
        return bad(reply, "reply code is not three digits");
    }
    const char *error = check_head(text, line->length);
    if (error != NULL) {
        return bad(reply, error);
    }
    if (newline == NULL) {
        return SMTP_REPLY_MORE;
    }
    line->code = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    line->more = text[3] == '-';
    return SMTP_REPLY_DONE;
}

enum smtp_reply_status smtp_reply_parse(const char *text, size_t length, struct smtp_reply *reply)
{
    *reply = (struct smtp_reply){0};
    size_t at = 0;
    struct reply_line line = {.more = true};
    while (line.more) {
        enum smtp_reply_status status = parse_line(text + at, length - at, &line, reply);
        if (status == SMTP_REPLY_BAD) {
            return status;
        }
        at += line.length;
        if (at > SMTP_REPLY_MAX || (status == SMTP_REPLY_MORE && at == SMTP_REPLY_MAX)) {
            return bad(reply, "reply is too long");
        }
        if (status == SMTP_REPLY_MORE) {
            return status;
        }
        if (reply->code != 0 && reply->code != line.code) {
            return bad(reply, "reply codes of a multi-line reply differ");
        }
        reply->code = line.code;
    }
    reply->length = at;
    return SMTP_REPLY_DONE;
}

size_t smtp_reply_normalize(const char *text, const struct smtp_reply *reply, char *out)
{
    size_t produced = 0;
    for (size_t i = 0; i < reply->length; i++) {
        if (text[i] == '\n') {
            out[produced++] = '\r';
            out[produced++] = '\n';
        } else if (text[i] != '\r') {
            out[produced++] = text[i];
        } else if (i + 1 == reply->length || text[i + 1] != '\n') {
            out[produced++] = ' ';
        }
    }
    return produced;
}
