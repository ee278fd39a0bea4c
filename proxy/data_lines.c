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
    while (stream->pending_crs > 0 && header_output_room(output) >= HEADER_FILTER_ROOM) {
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
    header_output_put(output, ".\r\n", 3);
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
        if (header_output_room(output) < HEADER_FILTER_ROOM) {
            return STEP_FULL;
        }
        result = step(stream, output, c);
    }
    return result;
}

/* Many bytes at a time; where the processor has wider registers, these. */
typedef unsigned char block __attribute__((vector_size(32)));

#define BLOCKS 4 /* are looked at before it is asked whether all was well */

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

/* Mark in FOUND where TEXT (its second byte or a later one) is not ordinary. */
static inline __attribute__((always_inline)) void mark_unusual(const char *text, block *found)
{
    block now;
    block before;
    memcpy(&now, text, sizeof now);
    memcpy(&before, text - 1, sizeof before);
    *found |= (block)((now == '\n') ^ (before == '\r'));
    *found |= (block)((before == '\n') & ((now == '.') | (now == 0)));
}

static inline __attribute__((always_inline)) bool is_zero(const block *bits)
{
    uint64_t parts[sizeof *bits / sizeof(uint64_t)];
    memcpy(parts, bits, sizeof parts);
    return (parts[0] | parts[1] | parts[2] | parts[3]) == 0;
}

/* How much of TEXT, a multiple of the block size from the second byte on, is surely ordinary. */
FOR_EACH_PROCESSOR static size_t ordinary_blocks(const char *text, size_t length)
{
    size_t at = 1;
    while (length - at >= BLOCKS * sizeof(block)) {
        block found = {0};
        for (size_t i = 0; i < BLOCKS; i++) {
            mark_unusual(text + at + i * sizeof(block), &found);
        }
        if (!is_zero(&found)) {
            break;
        }
        at += BLOCKS * sizeof(block);
    }
    return at;
}

/* Whether TEXT[AT], behind the byte BEFORE, has no place in ordinary lines: where the line end is
 * not CR LF, or a line begins in a way that may need the state machine. */
static bool is_unusual(char before, const char *text, size_t at, size_t length)
{
    char c = text[at];
    if (c == '\r') {
        return at + 1 == length || text[at + 1] != '\n';
    }
    if (c == '\n') {
        return before != '\r';
    }
    return before == '\n' && (c == '.' || c == '\0');
}

/* How much of TEXT can be passed as it stands. AT_START: it begins with a line, else inside one. */
static size_t ordinary_run(const char *text, size_t length, bool at_start)
{
    if (length == 0 || is_unusual(at_start ? '\n' : ' ', text, 0, length)) {
        return 0;
    }
    size_t at = ordinary_blocks(text, length);
    while (at < length && (text[at - 1] != '\r' || text[at] == '\n') &&
           !is_unusual(text[at - 1], text, at, length)) {
        at++;
    }
    return text[at - 1] == '\r' ? at - 1 : at; /* the last of the blocks may have ended there */
}

/* Take ordinary lines of a body at the start of TEXT: returns how many bytes of it are to be passed
 * as they are. */
static size_t pass_run(struct data_stream *stream, const char *text, size_t length)
{
    if (stream->filter.in_header || stream->pending_crs > 0 || stream->last_cr ||
        (stream->line != LINE_START && stream->line != LINE_INSIDE)) {
        return 0;
    }
    size_t run = ordinary_run(text, length, stream->line == LINE_START);
    if (run > 0) {
        stream->line = text[run - 1] == '\n' ? LINE_START : LINE_INSIDE;
        stream->after_bare_lf = stream->after_bare_lf && memchr(text, '\n', run) == NULL;
    }
    return run;
}

/* Take at once what is ordinary. Returns how many bytes of TEXT were taken, perhaps none. */
static size_t take_run(struct data_stream *stream, const char *text, size_t length,
                       struct header_output *output)
{
    size_t run;
    if (!stream->filter.in_header) {
        run = pass_run(stream, text, header_output_fit(output, length));
        header_output_put(output, text, run);
        return run;
    }
    if (stream->pending_crs > 0 || (stream->line != LINE_START && stream->line != LINE_INSIDE) ||
        (stream->line == LINE_START && length > 0 && *text == '.')) {
        return 0;
    }
    run = header_filter_run(&stream->filter, text, length, output);
    if (run > 0) {
        stream->last_cr = false;
    }
    if (run > 0 && text[run - 1] == '\n') {
        stream->line = LINE_START;
        stream->after_bare_lf = false;
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

size_t data_lines_pass(struct data_stream *stream, const char *in, size_t length)
{
    size_t run = pass_run(stream, in, length);
    stream->bytes_in += run;
    return run;
}
