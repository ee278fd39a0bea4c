/*
 * data_lines.c: around line starts, and in the header section, a state machine looks at each byte;
 * in the body, whole runs of ordinary lines are copied at once.
 */
#include "proxy/data_lines.h"

#include <string.h>

/* What is known of the current line. */
enum line {
    LINE_START = DATA_LINES_START, /* nothing was seen of it */
    LINE_PREFIX,                   /* only CRs and NULs, since it began or since a lone CR */
    LINE_PREFIX_DOT,               /* these and a dot, which is not yet written */
    LINE_DOT,                      /* a dot, which is not yet written */
    LINE_DOT_CR,                   /* a dot and CRs (pending_crs), none yet written */
    LINE_INSIDE,                   /* something that can no longer be an end of data */
    LINE_OVER                      /* the message is over */
};

/* What became of one byte. */
enum step {
    STEP_TAKEN,
    STEP_AGAIN, /* look at the same byte in the new state */
    STEP_FULL,  /* no room in the output */
    STEP_END    /* it was the end of data */
};

static size_t room(const struct header_output *output)
{
    return output->capacity - output->length;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void copy(struct header_output *output, const char *text, size_t length)
{
    memcpy(output->out + output->length, text, length);
    output->length += length;
}

/* Write one byte of content. */
static void emit(struct data_stream *stream, struct header_output *output, char c)
{
    if (stream->filter.in_header) {
        header_filter_byte(&stream->filter, c, output);
    } else {
        output->out[output->length++] = c;
    }
    stream->last_cr = c == '\r';
}

static enum step again(struct data_stream *stream, enum line line)
{
    stream->line = (int)line;
    return STEP_AGAIN;
}

static enum step taken(struct data_stream *stream, enum line line)
{
    stream->line = (int)line;
    return STEP_TAKEN;
}

/* CRs that turned out not to belong to a line end. False if there is no room for all of them. */
static bool write_pending_crs(struct data_stream *stream, struct header_output *output)
{
    while (stream->pending_crs > 0 && room(output) >= HEADER_FILTER_ROOM) {
        emit(stream, output, '\r');
        stream->pending_crs--;
    }
    return stream->pending_crs == 0;
}

/* A CR: of the line end perhaps. */
static enum step take_cr(struct data_stream *stream, struct header_output *output, enum line line)
{
    if (stream->bare_newline == BARE_NEWLINE_NO) {
        stream->pending_crs++;
    } else {
        emit(stream, output, '\r');
    }
    return taken(stream, line);
}

/* An LF that ends a line of content: it is written with one CR. */
static enum step take_lf(struct data_stream *stream, struct header_output *output)
{
    bool no = stream->bare_newline == BARE_NEWLINE_NO;
    bool bare = !no && !stream->last_cr;
    stream->pending_crs = 0;
    if (bare || no) {
        emit(stream, output, '\r');
    }
    emit(stream, output, '\n');
    stream->after_bare_lf = bare;
    stream->bare_lf |= bare;
    return taken(stream, LINE_START);
}

/* A line that is nothing but a dot: the end of data, or one that Postfix leaves out. */
static enum step take_lone_dot(struct data_stream *stream, struct header_output *output, bool bare)
{
    if (stream->bare_newline != BARE_NEWLINE_NO && (bare || stream->after_bare_lf)) {
        stream->after_bare_lf = bare;
        stream->bare_lf |= bare;
        stream->pending_crs = 0;
        return taken(stream, LINE_START);
    }
    if (stream->filter.in_header) {
        header_filter_end(&stream->filter, output);
    }
    copy(output, ".\r\n", 3);
    stream->line = LINE_OVER;
    return STEP_END;
}

/* Nothing but CRs and NULs yet, or since a CR that some reader might take for a line end. */
static enum step at_prefix(struct data_stream *stream, struct header_output *output, char c)
{
    if (c == '\r') {
        return take_cr(stream, output, LINE_PREFIX);
    }
    if (c == '\n') {
        return take_lf(stream, output);
    }
    if (!write_pending_crs(stream, output)) {
        return STEP_FULL;
    }
    if (c == '\0') {
        emit(stream, output, c);
        return taken(stream, LINE_PREFIX);
    }
    if (c == '.') {
        stream->last_cr = false;
        return taken(stream, LINE_PREFIX_DOT);
    }
    return again(stream, LINE_INSIDE);
}

/* CRs or NULs, and a dot: without the dot if more of them, or the line end, follow. */
static enum step at_prefix_dot(struct data_stream *stream, struct header_output *output, char c)
{
    if (c == '\r' || c == '\n' || c == '\0') {
        return again(stream, LINE_PREFIX);
    }
    emit(stream, output, '.');
    return again(stream, LINE_INSIDE);
}

/* A dot in the first place. To leave it out is what any reader does who knows that it stuffs. */
static enum step at_dot(struct data_stream *stream, struct header_output *output, char c)
{
    if (c == '\n') {
        return take_lone_dot(stream, output, true);
    }
    if (c == '\r') {
        stream->pending_crs = 1;
        return taken(stream, LINE_DOT_CR);
    }
    if (c == '\0') {
        return again(stream, LINE_PREFIX);
    }
    if (!stream->filter.in_header || c == '.') {
        emit(stream, output, '.');
    }
    return again(stream, LINE_INSIDE);
}

/* A dot and CRs. */
static enum step at_dot_cr(struct data_stream *stream, struct header_output *output, char c)
{
    if (c == '\n') {
        return take_lone_dot(stream, output, false);
    }
    if (stream->bare_newline == BARE_NEWLINE_NO) {
        if (c == '\r') {
            stream->pending_crs++;
            return STEP_TAKEN;
        }
    } else {
        write_pending_crs(stream, output);
    }
    return again(stream, LINE_PREFIX);
}

static enum step at_inside(struct data_stream *stream, struct header_output *output, char c)
{
    if (c == '\r') {
        return take_cr(stream, output, LINE_PREFIX);
    }
    if (c == '\n') {
        return take_lf(stream, output);
    }
    if (!write_pending_crs(stream, output)) {
        return STEP_FULL;
    }
    emit(stream, output, c);
    return STEP_TAKEN;
}

static enum step step(struct data_stream *stream, struct header_output *output, char c)
{
    switch ((enum line)stream->line) {
    case LINE_START:
        return c == '.' ? taken(stream, LINE_DOT) : again(stream, LINE_PREFIX);
    case LINE_PREFIX:
        return at_prefix(stream, output, c);
    case LINE_PREFIX_DOT:
        return at_prefix_dot(stream, output, c);
    case LINE_DOT:
        return at_dot(stream, output, c);
    case LINE_DOT_CR:
        return at_dot_cr(stream, output, c);
    case LINE_INSIDE:
        return at_inside(stream, output, c);
    case LINE_OVER:
        break;
    }
    return STEP_END;
}

/* One byte of DATA through the state machine. */
static enum step step_data(struct data_stream *stream, struct header_output *output, char c)
{
    enum step result = STEP_AGAIN;
    while (result == STEP_AGAIN) {
        if (room(output) < HEADER_FILTER_ROOM) {
            return STEP_FULL;
        }
        result = step(stream, output, c);
    }
    return result;
}

/* Whether a line that begins like this may need the state machine. "\r\n" does not. */
static bool is_unusual_start(const char *text, size_t length)
{
    return *text == '.' || *text == '\0' || (*text == '\r' && !(length > 1 && text[1] == '\n'));
}

/* How much of TEXT can be copied as it stands: up to the first line that begins or ends in a way
 * that is not plainly that of ordinary text, and up to any CR that ends no line. *AT_START: what is
 * copied ends with a line. */
static size_t ordinary_run(const struct data_stream *stream, const char *text, size_t length,
                           bool *at_start)
{
    size_t at = 0;
    *at_start = stream->line == LINE_START;
    while (at < length) {
        if (*at_start && is_unusual_start(text + at, length - at)) {
            return at;
        }
        const char *lf = memchr(text + at, '\n', length - at);
        size_t end = lf != NULL ? (size_t)(lf - text) : length;
        const char *cr = memchr(text + at, '\r', end - at);
        size_t stop = cr != NULL ? (size_t)(cr - text) : end;
        if (lf == NULL || stop + 1 != end) {
            *at_start = *at_start && stop == at;
            return stop;
        }
        at = end + 1;
        *at_start = true;
    }
    return at;
}

/* Copy ordinary lines of a body. Returns how many bytes of TEXT were taken. */
static size_t copy_run(struct data_stream *stream, const char *text, size_t length,
                       struct header_output *output)
{
    bool at_start = false;
    size_t run = ordinary_run(stream, text, smaller(length, room(output)), &at_start);
    if (run > 0) {
        copy(output, text, run);
        stream->last_cr = false;
        stream->line = at_start ? LINE_START : LINE_INSIDE;
        if (memchr(text, '\n', run) != NULL) {
            stream->after_bare_lf = false;
        }
    }
    return run;
}

/* Take at once what is ordinary. Returns how many bytes of TEXT were taken, perhaps none. */
static size_t take_run(struct data_stream *stream, const char *text, size_t length,
                       struct header_output *output)
{
    if (stream->pending_crs > 0 || (stream->line != LINE_START && stream->line != LINE_INSIDE)) {
        return 0;
    }
    if (!stream->filter.in_header) {
        return copy_run(stream, text, length, output);
    }
    if (stream->line == LINE_START) {
        return 0;
    }
    size_t run = header_filter_run(&stream->filter, text, length, output);
    if (run > 0) {
        stream->last_cr = false;
    }
    return run;
}

enum data_stream_status data_lines_feed(struct data_stream *stream, const char *in, size_t length,
                                        size_t *consumed, struct header_output *output)
{
    size_t at = 0;
    enum step result = stream->line == LINE_OVER ? STEP_END : STEP_TAKEN;
    while (at < length && result == STEP_TAKEN) {
        at += take_run(stream, in + at, length - at, output);
        if (at < length) {
            result = step_data(stream, output, in[at]);
            at += result == STEP_TAKEN || result == STEP_END;
        }
    }
    stream->bytes_in += at;
    *consumed = at;
    if (result == STEP_END && at > 0) {
        stream->bytes_in -= strlen(".\n") + stream->pending_crs;
    }
    return result == STEP_END ? DATA_STREAM_END : DATA_STREAM_MORE;
}
