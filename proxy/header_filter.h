/*
 * header_filter.h: the header section of a message on its way, byte by byte: forged Received-TLS:
 * fields are taken out, the first line is kept from becoming a part of the header field that
 * gatepost puts before it, and the end of the section is found. Everything else passes unchanged.
 *
 * Lines are those of Postfix: they end at LF, a CR before it belongs to the line end. A field is
 * also recognised behind a lone CR, which other readers take for a line end; it then extends to the
 * end of the line it is hidden in (with continuation lines), and that line is ended before it. NUL
 * bytes do not count when a name is compared, and a line that begins with them and a blank is a
 * continuation: so a reader that drops NULs finds nothing that was not looked at.
 *
 * Only what can still become the name Received-TLS, the field of that name, and the beginning of a
 * first line like ">>>From " are held back; a field that does not fit is taken for a forgery.
 */
#ifndef GATEPOST_PROXY_HEADER_FILTER_H
#define GATEPOST_PROXY_HEADER_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define HEADER_FILTER_HOLD_MAX 2048

/* No call but header_filter_run writes more than this. */
#define HEADER_FILTER_ROOM (HEADER_FILTER_HOLD_MAX + 32)

/* Where output goes; the caller sees to it that there is room. */
struct header_output {
    char *out;
    size_t length;
    size_t capacity;
};

static inline size_t header_output_room(const struct header_output *output)
{
    return output->capacity - output->length;
}

/* How much of LENGTH bytes there is room for. */
static inline size_t header_output_fit(const struct header_output *output, size_t length)
{
    size_t room = header_output_room(output);

    return length < room ? length : room;
}

/* Write TEXT, for which there is room. */
static inline void header_output_put(struct header_output *output, const char *text, size_t length)
{
    memcpy(output->out + output->length, text, length);
    output->length += length;
}

struct header_filter {
    bool in_header;   /* result: false once the section is over */
    unsigned removed; /* result: fields taken out */
    /* everything below belongs to the implementation */
    bool guard_first;     /* the rules for a first line apply */
    bool written;         /* some content was written: no line is the first one any more */
    bool hidden;          /* the name that is being compared stands behind a lone CR */
    bool stub;            /* the line of the field has a beginning that was written */
    int state;            /* header_filter.c */
    size_t matched;       /* characters of the name, or of "From ", that were found */
    size_t value_at;      /* offset in hold behind the colon */
    const char *hostname; /* borrowed */
    size_t hold_length;
    char hold[HEADER_FILTER_HOLD_MAX];
};

/*
 * Begin a message. HOSTNAME (see forged_field.h) is borrowed. GUARD_FIRST: a header field of our
 * own stands before the content. Then a first line that begins with a blank, which would fold into
 * it, gets an empty line before it (also when it begins with a NUL or a lone CR, which some readers
 * drop), and one that begins with ">*From " gets "X-Mailbox-Line: ", as Postfix does.
 */
void header_filter_begin(struct header_filter *filter, const char *hostname, bool guard_first);

/* The next byte of the content. Only while filter->in_header. */
void header_filter_byte(struct header_filter *filter, char c, struct header_output *output);

/*
 * The bytes at the start of TEXT that need no decision, at once, and no more than OUTPUT has room
 * for: up to a line end in the value of some other field or in one that is taken out, or in the
 * midst of the name of another; at the start of a line, that whole line if it plainly belongs to
 * some other field and ends in CR LF. Returns how many were taken, often none.
 */
size_t header_filter_run(struct header_filter *filter, const char *text, size_t length,
                         struct header_output *output);

/* The message is over: decide about what is held back. */
void header_filter_end(struct header_filter *filter, struct header_output *output);

#endif
