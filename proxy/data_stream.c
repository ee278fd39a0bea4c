/*
 * data_stream.c: our header, then the content: as lines (data_lines.h) or as counted bytes.
 */
#include "proxy/data_stream.h"

#include <string.h>

#include "proxy/data_lines.h"

/* Write as much of our header as there is room for; false if some is left. */
static bool write_header(struct data_stream *stream, struct header_output *output)
{
    size_t length = header_output_fit(output, stream->header_length);
    if (length > 0) {
        header_output_put(output, stream->header, length);
        stream->header += length;
        stream->header_length -= length;
    }
    return stream->header_length == 0;
}

void data_stream_look(struct data_stream *stream, const char *text, size_t length)
{
    if (length == 0 || stream->bare_lf || stream->bare_newline == BARE_NEWLINE_NO) {
        return;
    }
    bool cr_before = stream->last_cr;
    const char *end = text + length;
    for (const char *at = text; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        if (at > text ? at[-1] != '\r' : !cr_before) {
            stream->bare_lf = true;
            return;
        }
    }
    stream->last_cr = end[-1] == '\r';
}

static void feed_counted(struct data_stream *stream, const char *in, size_t length,
                         size_t *consumed, struct header_output *output)
{
    size_t at = 0;
    while (at < length && stream->filter.in_header &&
           header_output_room(output) >= HEADER_FILTER_ROOM) {
        size_t run = header_filter_run(&stream->filter, in + at, length - at, output);
        at += run;
        if (run == 0) {
            header_filter_byte(&stream->filter, in[at++], output);
        }
    }
    size_t run = stream->filter.in_header ? 0 : header_output_fit(output, length - at);
    if (run > 0) {
        header_output_put(output, in + at, run);
        at += run;
    }
    data_stream_look(stream, in, at);
    stream->bytes_in += at;
    *consumed = at;
}

void data_stream_begin(struct data_stream *stream, bool dot_mode, enum bare_newline bare_newline,
                       const char *hostname, const char *header, size_t header_length)
{
    stream->bare_lf = false;
    stream->in_header = true;
    stream->bytes_in = 0;
    stream->removed = 0;
    stream->bare_newline = bare_newline;
    stream->dot_mode = dot_mode;
    stream->header = header;
    stream->header_length = header_length;
    stream->line = DATA_LINES_START;
    stream->last_cr = false;
    stream->after_bare_lf = false;
    stream->pending_crs = 0;
    header_filter_begin(&stream->filter, hostname, header_length > 0);
}

enum data_stream_status data_stream_feed(struct data_stream *stream, const char *in,
                                         size_t in_length, size_t *consumed, char *out,
                                         size_t out_capacity, size_t *produced)
{
    struct header_output output = {.out = out, .capacity = out_capacity};
    enum data_stream_status status = DATA_STREAM_MORE;
    *consumed = 0;
    if (write_header(stream, &output)) {
        if (stream->dot_mode) {
            status = data_lines_feed(stream, in, in_length, consumed, &output);
        } else {
            feed_counted(stream, in, in_length, consumed, &output);
        }
    }
    stream->in_header = stream->filter.in_header;
    stream->removed = stream->filter.removed;
    *produced = output.length;
    return status;
}

size_t data_stream_pass(struct data_stream *stream, const char *in, size_t in_length)
{
    if (!stream->dot_mode || stream->header_length > 0) {
        return 0;
    }
    return data_lines_pass(stream, in, in_length);
}

size_t data_stream_finish(struct data_stream *stream, char *out, size_t out_capacity)
{
    struct header_output output = {.out = out, .capacity = out_capacity};
    if (write_header(stream, &output) && stream->filter.in_header) {
        header_filter_end(&stream->filter, &output);
    }
    stream->in_header = stream->filter.in_header = false;
    stream->removed = stream->filter.removed;
    return output.length;
}
