/*
 * data_stream_fuzz.c: message content through data_stream, compared with slow references.
 *
 * The first two bytes of the input choose the mode and how the rest is cut into pieces. For DATA, a
 * proper end is appended, so that one is always found. What must hold:
 * - however the input is split and however little room there is, the output is the same;
 * - the end of data is where Postfix would find it, with the same content;
 * - a strict backend and several lenient ones find one end of data in the output, its last bytes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/data_stream.h"

#define HOSTNAME "mx.example"

static const char our_header[] = "Received-TLS: from x by mx.example;\r\n\t(no TLS)\r\n";

/* A growing text. */
struct text {
    char *bytes;
    size_t length;
    size_t capacity;
};

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "data_stream: %s\n", what);
        abort();
    }
}

static void add(struct text *text, const char *bytes, size_t length)
{
    if (text->bytes == NULL || text->length + length > text->capacity) {
        text->capacity = 2 * (text->length + length) + 64;
        text->bytes = realloc(text->bytes, text->capacity);
        check(text->bytes != NULL, "out of memory");
    }
    if (length > 0) {
        memcpy(text->bytes + text->length, bytes, length);
        text->length += length;
    }
}

/* A line as Postfix reads it; false if there is none. */
struct reader {
    const char *bytes;
    size_t length;
    size_t at;
    int strip_all; /* smtpd_forbid_bare_newline=no */
};

static int read_line(struct reader *reader, const char **line, size_t *length, int *bare)
{
    size_t end = reader->at;
    while (end < reader->length && reader->bytes[end] != '\n') {
        end++;
    }
    if (end == reader->length) {
        return 0;
    }
    *line = reader->bytes + reader->at;
    *length = end - reader->at;
    *bare = *length == 0 || (*line)[*length - 1] != '\r';
    if (reader->strip_all) {
        while (*length > 0 && (*line)[*length - 1] == '\r') {
            --*length;
        }
    } else if (!*bare) {
        --*length;
    }
    reader->at = end + 1;
    return 1;
}

/* Content as Postfix takes it (lines joined with CRLF) up to the end of data; returns how many
 * bytes that took, 0 if there is no end. */
static size_t postfix_decode(const char *bytes, size_t length, int no, struct text *content,
                             int *any_bare)
{
    struct reader reader = {.bytes = bytes, .length = length, .strip_all = no};
    const char *line;
    size_t line_length;
    int bare;
    int bare_before = 0;
    *any_bare = 0;
    while (read_line(&reader, &line, &line_length, &bare)) {
        *any_bare |= bare && !no;
        int lone = line_length == 1 && line[0] == '.';
        int dropped = lone && !no && (bare || bare_before);
        bare_before = bare;
        if (dropped) {
            continue;
        }
        if (lone) {
            return reader.at;
        }
        if (line_length > 0 && line[0] == '.') {
            line++;
            line_length--;
        }
        add(content, line, line_length);
        add(content, "\r\n", 2);
    }
    return 0;
}

/* Leave out the dots behind CRs and NULs, of which one is a CR or the first byte of a line, that a
 * CR, a NUL or the line end follows. */
static void drop_hidden_dots(const struct text *in, struct text *out)
{
    size_t start = 0;
    char *dropped = calloc(in->length + 1, 1);
    check(dropped != NULL, "out of memory");
    for (size_t i = 0; i < in->length; i++) {
        char next = i + 1 < in->length ? in->bytes[i + 1] : '\n';
        size_t before = i;
        int cr = 0;
        while (before > start && (in->bytes[before - 1] == '\r' || in->bytes[before - 1] == '\0' ||
                                  dropped[before - 1])) {
            before--;
            cr |= in->bytes[before] == '\r';
        }
        dropped[i] = in->bytes[i] == '.' && before < i && (before == start || cr) &&
                     (next == '\r' || next == '\0' || next == '\n');
        if (!dropped[i]) {
            add(out, in->bytes + i, 1);
        }
        if (in->bytes[i] == '\n') {
            start = i + 1;
        }
    }
    free(dropped);
}

/* What the header filter makes of CONTENT. */
static void filtered(const struct text *content, int with_header, struct text *out)
{
    struct header_filter *filter = malloc(sizeof *filter);
    char room[HEADER_FILTER_ROOM];
    check(filter != NULL, "out of memory");
    header_filter_begin(filter, HOSTNAME, with_header);
    if (with_header) {
        add(out, our_header, sizeof our_header - 1);
    }
    size_t i = 0;
    for (; i < content->length && filter->in_header; i++) {
        struct header_output output = {.out = room, .capacity = sizeof room};
        header_filter_byte(filter, content->bytes[i], &output);
        add(out, room, output.length);
    }
    if (filter->in_header) {
        struct header_output output = {.out = room, .capacity = sizeof room};
        header_filter_end(filter, &output);
        add(out, room, output.length);
    }
    if (i < content->length) {
        add(out, content->bytes + i, content->length - i);
    }
    free(filter);
}

/* Run the stream, with input pieces and output room chosen by SEED (0: all at once). Returns how
 * many bytes were taken; adds to OUT. */
static size_t run(struct data_stream *stream, const char *in, size_t length, unsigned seed,
                  struct text *out)
{
    size_t at = 0;
    unsigned state = seed;
    enum data_stream_status status = DATA_STREAM_MORE;
    size_t produced = 1;
    while (status == DATA_STREAM_MORE && (at < length || produced > 0)) {
        state = state * 1103515245u + 12345u;
        unsigned random = state >> 16;
        size_t capacity =
            seed == 0 ? 65536 : DATA_STREAM_ROOM_MIN + (random & 1 ? 0 : random % 300);
        size_t piece = seed == 0 ? length - at : 1 + random % (seed % 3 == 0 ? 3 : 97);
        piece = piece < length - at ? piece : length - at;
        char *copy = malloc(piece + 1);
        char *room = malloc(capacity);
        check(copy != NULL && room != NULL, "out of memory");
        memcpy(copy, in + at, piece);
        size_t consumed = 0;
        status = data_stream_feed(stream, copy, piece, &consumed, room, capacity, &produced);
        check(consumed <= piece && produced <= capacity, "took or wrote too much");
        check(piece == 0 || consumed > 0 || produced > 0, "no progress");
        check(status == DATA_STREAM_END || consumed == piece ||
                  capacity - produced < HEADER_FILTER_ROOM,
              "stopped without need");
        at += consumed;
        add(out, room, produced);
        free(copy);
        free(room);
    }
    if (!stream->dot_mode) {
        char room[DATA_STREAM_ROOM_MIN];
        add(out, room, data_stream_finish(stream, room, sizeof room));
    }
    return at;
}

/* Remove from OUT's copy what a lenient backend might; then there must be one end of data only. */
static void check_lenient(const struct text *out, int drop_nul, int drop_cr)
{
    struct text seen = {0};
    for (size_t i = 0; i < out->length; i++) {
        char c = out->bytes[i];
        if (!(drop_nul && c == '\0') && !(drop_cr && c == '\r')) {
            add(&seen, &c, 1);
        }
    }
    struct text content = {0};
    int bare;
    check(postfix_decode(seen.bytes, seen.length, 1, &content, &bare) == seen.length,
          "a lenient backend finds another end of data");
    free(seen.bytes);
    free(content.bytes);
}

/* A backend for which CR ends a line as LF does, and NULs are nothing. */
static void check_harsh(const struct text *out)
{
    size_t line = 0;
    int dot = 0;
    for (size_t i = 0; i < out->length; i++) {
        char c = out->bytes[i];
        if (c == '\r' || c == '\n') {
            check(!(line == 1 && dot) || i + 2 >= out->length,
                  "a backend that ends lines at CR finds another end of data");
            line = 0;
        } else if (c != '\0') {
            dot = line++ == 0 && c == '.';
        }
    }
}

/* RFC 5321 to the letter. */
static void check_strict(const struct text *out)
{
    static const char end[] = "\r\n.\r\n";
    struct text seen = {0};
    add(&seen, "\r\n", 2); /* of the DATA command */
    add(&seen, out->bytes, out->length);
    const char *found = memmem(seen.bytes, seen.length, end, 5);
    check(found != NULL && found + 5 == seen.bytes + seen.length,
          "a strict backend finds another end of data");
    free(seen.bytes);
}

static void check_data(const struct text *in, const struct text *out, size_t taken,
                       const struct data_stream *stream, int with_header)
{
    struct text content = {0};
    struct text visible = {0};
    struct text expected = {0};
    struct text decoded = {0};
    int bare;
    int bare_out;
    int no = stream->bare_newline == BARE_NEWLINE_NO;
    check(postfix_decode(in->bytes, in->length, no, &content, &bare) == taken,
          "the end of data is not where Postfix finds it");
    check(bare == stream->bare_lf, "bare LF");
    drop_hidden_dots(&content, &visible);
    filtered(&visible, with_header, &expected);
    check(postfix_decode(out->bytes, out->length, 0, &decoded, &bare_out) == out->length,
          "Postfix finds another end of data");
    check(!bare_out, "a bare LF was written");
    check(decoded.length == expected.length &&
              (decoded.length == 0 || memcmp(decoded.bytes, expected.bytes, decoded.length) == 0),
          "content differs");
    check_strict(out);
    check_lenient(out, 0, 0);
    check_lenient(out, 1, 0);
    check_lenient(out, 0, 1);
    check_lenient(out, 1, 1);
    check_harsh(out);
    free(content.bytes);
    free(visible.bytes);
    free(expected.bytes);
    free(decoded.bytes);
}

static void check_counted(const struct text *in, const struct text *out, size_t taken,
                          const struct data_stream *stream, int with_header)
{
    struct text expected = {0};
    filtered(in, with_header, &expected);
    check(taken == in->length, "not all of BDAT was taken");
    check(out->length == expected.length &&
              (out->length == 0 || memcmp(out->bytes, expected.bytes, out->length) == 0),
          "content differs");
    int bare = 0;
    for (size_t i = 0; i < in->length && stream->bare_newline != BARE_NEWLINE_NO; i++) {
        bare |= in->bytes[i] == '\n' && (i == 0 || in->bytes[i - 1] != '\r');
    }
    check(bare == stream->bare_lf, "bare LF");
    free(expected.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    int dot_mode = data[0] & 1;
    enum bare_newline mode = (enum bare_newline)((data[0] >> 1) & 3);
    int with_header = (data[0] & 8) == 0;
    struct text in = {0};
    add(&in, (const char *)data + 2, size - 2);
    if (dot_mode) {
        add(&in, "\r\n.\r\nQUIT\r\n", 11);
    }
    struct text whole = {0};
    struct data_stream *stream = malloc(sizeof *stream);
    check(stream != NULL, "out of memory");
    for (unsigned seed = 0; seed < 2; seed++) {
        struct text out = {0};
        data_stream_begin(stream, dot_mode, mode, HOSTNAME, our_header,
                          with_header ? sizeof our_header - 1 : 0);
        size_t taken = run(stream, in.bytes, in.length, seed * (data[1] + 1u), &out);
        if (seed == 0) {
            if (dot_mode) {
                check_data(&in, &out, taken, stream, with_header);
            } else {
                check_counted(&in, &out, taken, stream, with_header);
            }
            whole = out;
        } else {
            check(out.length == whole.length && memcmp(out.bytes, whole.bytes, out.length) == 0,
                  "output depends on how the input is split");
            free(out.bytes);
        }
    }
    free(whole.bytes);
    free(in.bytes);
    free(stream);
    return 0;
}
