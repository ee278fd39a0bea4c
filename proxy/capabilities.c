/*
 * capabilities.c: the backend's EHLO reply, taken apart and made anew for clients.
 */
#include "proxy/capabilities.h"

#include <string.h>
#include <strings.h>

#include "policy/decimal.h"

#include "proxy/extensions.h"

#define HOSTNAME_MAX 512

/* A keyword line without its code and line end. */
struct keyword_line {
    char text[512]; /* RFC 5321 allows 512 bytes with code and line end */
    size_t length;
    size_t keyword; /* length of the keyword */
};

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_keyword(const struct keyword_line *line, const char *name)
{
    return strlen(name) == line->keyword && strncasecmp(line->text, name, line->keyword) == 0;
}

/* AUTH, or the "AUTH=" that old clients want. */
static bool is_auth(const char *text)
{
    return strncasecmp(text, "AUTH", 4) == 0 && strchr(" =", text[4]) != NULL;
}

/* Take TEXT (LENGTH bytes behind the code) over; false if it is not a keyword line. */
static bool read_line(struct keyword_line *line, const char *text, size_t length)
{
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) {
        length--;
    }
    if (length == 0 || length >= sizeof line->text || !is_alnum(text[0])) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = (char)(text[i] == '\t' ? ' ' : text[i]);
        if (c < ' ' || c > '~') {
            return false;
        }
        line->text[i] = c;
    }
    line->text[length] = '\0';
    line->length = length;
    line->keyword = 0;
    while (is_alnum(line->text[line->keyword]) || line->text[line->keyword] == '-') {
        line->keyword++;
    }
    char next = line->text[line->keyword];
    return next == '\0' || next == ' ' || is_auth(line->text);
}

/* "SIZE" or "SIZE n"; a number too large for us is the largest there is. */
static void learn_size(struct capabilities *capabilities, const struct keyword_line *line)
{
    capabilities->size = true;
    capabilities->size_position = capabilities->text_length;
    capabilities->size_limit = 0;
    const char *at = line->text + line->keyword + strspn(line->text + line->keyword, " ");
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        bool fits = capabilities->size_limit <= (UINT64_MAX - digit) / 10;
        capabilities->size_limit = fits ? capabilities->size_limit * 10 + digit : UINT64_MAX;
        if (!fits) {
            return;
        }
    }
}

/* The attributes, as many as fit. */
static void learn_xclient(struct capabilities *capabilities, const struct keyword_line *line)
{
    size_t length = 0;
    capabilities->xclient = true;
    for (const char *at = line->text + line->keyword; *at != '\0';) {
        at += strspn(at, " ");
        size_t word = strcspn(at, " ");
        if (word == 0 || length + word + 2 > sizeof capabilities->xclient_attributes) {
            break;
        }
        capabilities->xclient_attributes[length++] = ' ';
        for (size_t i = 0; i < word; i++) {
            char c = at[i];
            capabilities->xclient_attributes[length++] =
                (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        }
        at += word;
    }
    capabilities->xclient_attributes[length] = '\0';
}

/* Keep the line for clients. */
static void keep_line(struct capabilities *capabilities, const struct keyword_line *line)
{
    if (line->length + 1 <= sizeof capabilities->text - capabilities->text_length) {
        memcpy(capabilities->text + capabilities->text_length, line->text, line->length + 1);
        capabilities->text_length += line->length + 1;
    }
}

/* One line's worth of knowledge. */
static void learn(struct capabilities *capabilities, const struct keyword_line *line,
                  bool *after_etrn)
{
    /* BURL (RFC 4468) would have the backend fetch content that never passes through gatepost, and
     * what REQUIRETLS is about is the client's connection, not the backend's. */
    if (is_keyword(line, "STARTTLS") || is_keyword(line, "XFORWARD") || is_keyword(line, "BURL") ||
        is_keyword(line, "REQUIRETLS")) {
        return;
    }
    if (is_keyword(line, "XCLIENT")) {
        learn_xclient(capabilities, line);
        return;
    }
    bool etrn = is_keyword(line, "ETRN");
    bool before = is_keyword(line, "PIPELINING") || is_keyword(line, "VRFY");
    if (is_keyword(line, "SIZE")) {
        learn_size(capabilities, line);
        before = true;
    } else {
        keep_line(capabilities, line);
    }
    if (etrn || (before && !*after_etrn)) {
        capabilities->starttls_position = capabilities->text_length;
    }
    *after_etrn |= etrn;
    capabilities->pipelining |= is_keyword(line, "PIPELINING");
    capabilities->extensions |= extension_announced(line->text, line->keyword);
}

void capabilities_parse(struct capabilities *capabilities, const char *reply, size_t length)
{
    *capabilities = (struct capabilities){.known = true};
    bool after_etrn = false;
    bool first = true;
    while (length > 0) {
        const char *newline = memchr(reply, '\n', length);
        size_t end = newline != NULL ? (size_t)(newline - reply) + 1 : length;
        struct keyword_line line;
        if (!first && end > 4 && read_line(&line, reply + 4, end - 4)) {
            learn(capabilities, &line, &after_etrn);
        }
        first = false;
        reply += end;
        length -= end;
    }
}

/* The reply as it grows; every line is written as "250-", and the last one mended at the end. */
struct reply_text {
    char *out;
    size_t length;
    size_t last; /* where the last line begins */
};

/* Append a line if it fits. */
static void put_line(struct reply_text *reply, const char *text, size_t length)
{
    if (length + 6 > CAPABILITIES_REPLY_MAX - reply->length) {
        return;
    }
    char *at = reply->out + reply->length;
    reply->last = reply->length;
    memcpy(at, "250-", 4);
    memcpy(at + 4, text, length);
    memcpy(at + 4 + length, "\r\n", 2);
    reply->length += length + 6;
}

/* SIZE with what gatepost adds taken off; never 0, which would mean "no limit". */
static void put_size(struct reply_text *reply, uint64_t limit, uint64_t reserve)
{
    char text[5 + DECIMAL_MAX] = "SIZE ";
    const char *end = text + 4;
    if (limit > 0) {
        end = decimal_put(text + 5, limit > reserve ? limit - reserve : 1);
    }
    put_line(reply, text, (size_t)(end - text));
}

/* What stands before the backend's line at OFFSET. */
static void put_inserted(struct reply_text *reply, const struct capabilities *capabilities,
                         const struct capabilities_view *view, size_t offset)
{
    if (capabilities->size && capabilities->size_position == offset) {
        put_size(reply, capabilities->size_limit, view->reserve);
    }
    if (view->starttls && capabilities->starttls_position == offset) {
        put_line(reply, "STARTTLS", strlen("STARTTLS"));
    }
}

size_t capabilities_reply(const struct capabilities *capabilities,
                          const struct capabilities_view *view, char *out)
{
    static const struct capabilities nothing;
    if (!capabilities->known) {
        capabilities = &nothing;
    }
    struct reply_text reply = {.out = out};
    put_line(&reply, view->hostname, strnlen(view->hostname, HOSTNAME_MAX));
    size_t at = 0;
    while (at < capabilities->text_length) {
        put_inserted(&reply, capabilities, view, at);
        const char *line = capabilities->text + at;
        size_t length = strlen(line);
        if (!(view->hide_auth && is_auth(line))) {
            put_line(&reply, line, length);
        }
        at += length + 1;
    }
    put_inserted(&reply, capabilities, view, at);
    if (view->requiretls) {
        put_line(&reply, "REQUIRETLS", strlen("REQUIRETLS"));
    }
    out[reply.last + 3] = ' ';
    return reply.length;
}
