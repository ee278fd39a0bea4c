/*
 * header_filter.c: the state machine. One function a state; each is given one byte, and says
 * whether it took it (true) or moved to another state that is to look at the same byte (false).
 */
#include "proxy/header_filter.h"

#include <string.h>
#include <strings.h>

#include "proxy/forged_field.h"

enum state {
    STATE_LINE,        /* at the start of a line, or behind NULs at the start */
    STATE_FIRST_CR,    /* a CR begins the first line */
    STATE_FROM,        /* the first line may be ">*From " */
    STATE_NAME,        /* the name may become ours (held) */
    STATE_COLON,       /* the name is ours, the colon is still to come (held) */
    STATE_HELD,        /* in our field (held) */
    STATE_HELD_LINE,   /* behind a line end in our field (held) */
    STATE_REMOVE,      /* in a field that is being taken out */
    STATE_REMOVE_LINE, /* behind a line end in such a field */
    STATE_OTHER_NAME,  /* in the name of another field */
    STATE_OTHER_COLON, /* behind such a name and a blank */
    STATE_VALUE        /* in the value of another field */
};

static const char our_name[] = "received-tls";
static const char from_word[] = "From ";
static const char mailbox_line[] = "X-Mailbox-Line: ";

static bool is_space_tab(char c)
{
    return c == ' ' || c == '\t';
}

/* What goes on with the field of the line before; NUL since some readers drop it. */
static bool is_continuation(char c)
{
    return is_space_tab(c) || c == '\0';
}

/* Characters of field names (RFC 5322 section 3.6.8). */
static bool is_name_char(char c)
{
    return c > ' ' && c <= '~' && c != ':';
}

static void put(struct header_filter *filter, struct header_output *output, const char *text,
                size_t length)
{
    header_output_put(output, text, length);
    filter->written = true;
}

static bool pass(struct header_filter *filter, struct header_output *output, char c,
                 enum state state)
{
    put(filter, output, &c, 1);
    filter->state = (int)state;
    return true;
}

/* Pass C, with which the header section is over. */
static bool pass_last(struct header_filter *filter, struct header_output *output, char c)
{
    filter->in_header = false;
    return pass(filter, output, c, STATE_LINE);
}

/* Go on in another state with the same byte. */
static bool again(struct header_filter *filter, enum state state)
{
    filter->state = (int)state;
    return false;
}

static void flush(struct header_filter *filter, struct header_output *output)
{
    put(filter, output, filter->hold, filter->hold_length);
    filter->hold_length = 0;
}

/* The held field is a forgery, or too long: what follows of it goes too. */
static bool begin_removal(struct header_filter *filter, enum state state)
{
    filter->hold_length = 0;
    filter->removed++;
    filter->state = (int)state;
    return true;
}

/* The field was taken out. If the beginning of its line was written, that line needs an end. */
static void end_removal(struct header_filter *filter, struct header_output *output)
{
    if (filter->stub) {
        put(filter, output, "\r\n", 2);
    }
    filter->stub = false;
}

/* Hold C back. */
static bool hold(struct header_filter *filter, char c, enum state state)
{
    if (filter->hold_length == sizeof filter->hold) {
        return begin_removal(filter, c == '\n' ? STATE_REMOVE_LINE : STATE_REMOVE);
    }
    filter->hold[filter->hold_length++] = c;
    filter->state = (int)state;
    return true;
}

/* The field of our name is complete. */
static void judge(struct header_filter *filter, struct header_output *output)
{
    if (forged_field_claims(filter->hold + filter->value_at, filter->hold_length - filter->value_at,
                            filter->hostname)) {
        begin_removal(filter, STATE_LINE);
        end_removal(filter, output);
    } else {
        flush(filter, output);
    }
    filter->stub = false;
}

/* The first line may need something before it. */
static bool guard_first_line(struct header_filter *filter, struct header_output *output, char c)
{
    filter->matched = 0;
    if (is_continuation(c)) {
        put(filter, output, "\r\n", 2);
        return pass_last(filter, output, c);
    }
    return again(filter, c == '\r' ? STATE_FIRST_CR : STATE_FROM);
}

static bool at_line(struct header_filter *filter, struct header_output *output, char c)
{
    if (filter->guard_first && !filter->written && strchr(" \t\r>F", c) != NULL) {
        return guard_first_line(filter, output, c);
    }
    filter->hidden = false;
    filter->matched = 0;
    if (c == '\0') {
        filter->stub = true;
        return pass(filter, output, c, STATE_LINE);
    }
    if (is_space_tab(c)) {
        return pass(filter, output, c, STATE_VALUE);
    }
    if (!is_name_char(c)) {
        return pass_last(filter, output, c);
    }
    return again(filter, STATE_NAME);
}

/* "\r" in the first place: a line end if LF follows, else something that could be dropped. */
static bool at_first_cr(struct header_filter *filter, struct header_output *output, char c)
{
    if (filter->hold_length == 0) {
        return hold(filter, c, STATE_FIRST_CR);
    }
    if (c != '\n') {
        put(filter, output, "\r\n", 2);
    }
    flush(filter, output);
    return pass_last(filter, output, c);
}

static bool at_from(struct header_filter *filter, struct header_output *output, char c)
{
    if (filter->hold_length < sizeof filter->hold) {
        if (c == '>' && filter->matched == 0) {
            return hold(filter, c, STATE_FROM);
        }
        if (c == from_word[filter->matched]) {
            filter->matched++;
            hold(filter, c, STATE_FROM);
            if (from_word[filter->matched] == '\0') {
                put(filter, output, mailbox_line, sizeof mailbox_line - 1);
                flush(filter, output);
                filter->state = STATE_VALUE;
            }
            return true;
        }
    }
    flush(filter, output);
    return again(filter, STATE_OTHER_NAME);
}

/* Not our name after all. */
static bool other_name(struct header_filter *filter, struct header_output *output)
{
    enum state state = STATE_OTHER_NAME;
    for (size_t i = 0; i < filter->hold_length; i++) {
        if (is_space_tab(filter->hold[i])) {
            state = STATE_OTHER_COLON;
        }
    }
    flush(filter, output);
    return again(filter, filter->hidden ? STATE_VALUE : state);
}

static bool at_name(struct header_filter *filter, struct header_output *output, char c)
{
    char folded = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (c == '\0') {
        return hold(filter, c, STATE_NAME);
    }
    if (folded != our_name[filter->matched]) {
        return other_name(filter, output);
    }
    filter->matched++;
    return hold(filter, c, our_name[filter->matched] == '\0' ? STATE_COLON : STATE_NAME);
}

static bool at_colon(struct header_filter *filter, struct header_output *output, char c)
{
    if (is_continuation(c)) {
        return hold(filter, c, STATE_COLON);
    }
    if (c != ':') {
        return other_name(filter, output);
    }
    hold(filter, c, STATE_HELD);
    filter->value_at = filter->hold_length;
    return true;
}

static bool at_held_line(struct header_filter *filter, struct header_output *output, char c)
{
    if (is_continuation(c)) {
        return hold(filter, c, STATE_HELD);
    }
    judge(filter, output);
    return again(filter, STATE_LINE);
}

static bool at_remove(struct header_filter *filter, char c)
{
    filter->state = c == '\n' ? STATE_REMOVE_LINE : STATE_REMOVE;
    return true;
}

static bool at_remove_line(struct header_filter *filter, struct header_output *output, char c)
{
    if (is_continuation(c)) {
        return at_remove(filter, c);
    }
    end_removal(filter, output);
    return again(filter, STATE_LINE);
}

/* The name of another field, or something that is no field: then the section is over. */
static bool at_other_name(struct header_filter *filter, struct header_output *output, char c)
{
    bool blank_seen = filter->state == STATE_OTHER_COLON;
    if (c == ':') {
        return pass(filter, output, c, STATE_VALUE);
    }
    if (is_space_tab(c) || (c == '\0' && blank_seen)) {
        return pass(filter, output, c, STATE_OTHER_COLON);
    }
    if (!blank_seen && (is_name_char(c) || c == '\0')) {
        return pass(filter, output, c, STATE_OTHER_NAME);
    }
    return pass_last(filter, output, c);
}

static bool at_value(struct header_filter *filter, struct header_output *output, char c)
{
    if (c == '\r') {
        filter->hidden = filter->stub = true;
        filter->matched = 0;
        return hold(filter, c, STATE_NAME);
    }
    if (c == '\n') {
        filter->stub = false;
        return pass(filter, output, c, STATE_LINE);
    }
    return pass(filter, output, c, STATE_VALUE);
}

static bool step(struct header_filter *filter, struct header_output *output, char c)
{
    switch ((enum state)filter->state) {
    case STATE_LINE:
        return at_line(filter, output, c);
    case STATE_FIRST_CR:
        return at_first_cr(filter, output, c);
    case STATE_FROM:
        return at_from(filter, output, c);
    case STATE_NAME:
        return at_name(filter, output, c);
    case STATE_COLON:
        return at_colon(filter, output, c);
    case STATE_HELD:
        return hold(filter, c, c == '\n' ? STATE_HELD_LINE : STATE_HELD);
    case STATE_HELD_LINE:
        return at_held_line(filter, output, c);
    case STATE_REMOVE:
        return at_remove(filter, c);
    case STATE_REMOVE_LINE:
        return at_remove_line(filter, output, c);
    case STATE_OTHER_NAME:
    case STATE_OTHER_COLON:
        return at_other_name(filter, output, c);
    case STATE_VALUE:
        return at_value(filter, output, c);
    }
    return true;
}

void header_filter_begin(struct header_filter *filter, const char *hostname, bool guard_first)
{
    filter->in_header = true;
    filter->removed = 0;
    filter->guard_first = guard_first;
    filter->written = false;
    filter->hidden = false;
    filter->stub = false;
    filter->state = STATE_LINE;
    filter->matched = 0;
    filter->value_at = 0;
    filter->hostname = hostname;
    filter->hold_length = 0;
}

void header_filter_byte(struct header_filter *filter, char c, struct header_output *output)
{
    while (!step(filter, output, c)) {
    }
}

/* Whether TEXT begins with the name and the colon of a field that is not ours. */
static bool begins_other_field(const char *text, size_t length)
{
    size_t name = 0;
    while (name < length && is_name_char(text[name])) {
        name++;
    }
    return name > 0 && name < length && text[name] == ':' &&
           (name != sizeof our_name - 1 || strncasecmp(text, our_name, name) != 0);
}

/* The line at the start of TEXT with its end, if it is an ordinary one of some other field; else 0.
 * A CR within it might hide something. */
static size_t other_line(const struct header_filter *filter, const char *text, size_t length)
{
    const char *lf = memchr(text, '\n', length);
    if (lf == NULL || lf == text || filter->stub || (filter->guard_first && !filter->written) ||
        memchr(text, '\r', (size_t)(lf - text)) != lf - 1) {
        return 0;
    }
    size_t line = (size_t)(lf - text) + 1;
    return is_space_tab(*text) || begins_other_field(text, line) ? line : 0;
}

/* What is left of the value of some other field, or of one that is taken out, in the line at the
 * start of TEXT. */
static size_t other_value(const char *text, size_t length)
{
    const char *end = memchr(text, '\n', length);
    if (end != NULL) {
        length = (size_t)(end - text);
    }
    end = memchr(text, '\r', length);
    return end != NULL ? (size_t)(end - text) : length;
}

size_t header_filter_run(struct header_filter *filter, const char *text, size_t length,
                         struct header_output *output)
{
    if (filter->state == STATE_REMOVE) {
        return other_value(text, length);
    }
    size_t run = 0;
    length = header_output_fit(output, length);
    if (filter->state == STATE_VALUE) {
        run = other_value(text, length);
    } else if (filter->state == STATE_OTHER_NAME) {
        while (run < length && is_name_char(text[run])) {
            run++;
        }
    } else if (filter->state == STATE_LINE) {
        run = other_line(filter, text, length);
    }
    if (run > 0) {
        put(filter, output, text, run);
    }
    return run;
}

void header_filter_end(struct header_filter *filter, struct header_output *output)
{
    if (filter->state == STATE_HELD || filter->state == STATE_HELD_LINE) {
        judge(filter, output);
    } else if (filter->state == STATE_REMOVE || filter->state == STATE_REMOVE_LINE) {
        end_removal(filter, output);
    } else {
        flush(filter, output);
    }
    filter->state = STATE_LINE;
}
