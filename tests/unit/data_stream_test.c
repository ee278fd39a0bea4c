/*
 * data_stream_test.c: message content in all modes. Each case is run whole, byte by byte, and cut
 * in two at every place. What comes out is also read the way lenient backends read it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/data_stream.h"

#define TEXT(literal) literal, sizeof(literal) - 1
#define HEADER "Received-TLS: from x by mx.example\r\n\t(no TLS)\r\n"
#define NORMAL BARE_NEWLINE_NORMALIZE
#define NO BARE_NEWLINE_NO

struct data_case {
    enum bare_newline mode;
    const char *in; /* with the end of data; "QUIT" behind it is put by the test */
    size_t in_length;
    const char *out; /* without our header */
    size_t out_length;
    bool bare_lf;
};

#define SAME(mode, literal) mode, TEXT(literal), TEXT(literal)
#define A "A: b\r\n\r\n"
#define END ".\r\n"

static const struct data_case data_cases[] = {
    /* plain */
    {SAME(NORMAL, END), false},
    {SAME(NORMAL, A "Hello\r\n..dot\r\n...\r\n.x\r\n" END), false},
    {SAME(NORMAL, A "\r\n\r\n \r\n" END), false},
    {SAME(NO, A "Hello\r\n..dot\r\n...\r\n.x\r\n\r\n" END), false},
    /* LF alone */
    {NORMAL, TEXT("A: b\n\nx\r\ny\n\n..z\n\r\n" END),
     TEXT("A: b\r\n\r\nx\r\ny\r\n\r\n..z\r\n\r\n" END), true},
    {BARE_NEWLINE_NOTE, TEXT(A "x\n\r\n" END), TEXT(A "x\r\n\r\n" END), true},
    {BARE_NEWLINE_REJECT, TEXT(A "x\n\r\n" END), TEXT(A "x\r\n\r\n" END), true},
    {NO, TEXT("A: b\n\nx\n" END), TEXT("A: b\r\n\r\nx\r\n" END), false},
    {NORMAL, TEXT(A "x\r\n\n\ny\r\r\n\n\r\n" END), TEXT(A "x\r\n\r\n\r\ny\r\r\n\r\n\r\n" END),
     true},
    /* what is no end of data */
    {NORMAL, TEXT(A "x\n.\ny\r\n" END), TEXT(A "x\r\ny\r\n" END), true},
    {NORMAL, TEXT(A "x\n.\r\ny\r\n" END), TEXT(A "x\r\ny\r\n" END), true},
    {NORMAL, TEXT(A "x\r\n.\ny\r\n" END), TEXT(A "x\r\ny\r\n" END), true},
    {NORMAL, TEXT(A "x\r\n.\n.\r\n.\r\n"), TEXT(A "x\r\n" END), true},
    {NORMAL, TEXT(A "x\n.\n.\n.\r\ny\r\n" END), TEXT(A "x\r\ny\r\n" END), true},
    {NORMAL, TEXT(".\n.\r\n" A END), TEXT(A END), true},
    {NORMAL, TEXT(A "x\r\n.\r\r\n" END), TEXT(A "x\r\n\r\r\n" END), false},
    {NORMAL, TEXT(A ".\r\r\r\n" END), TEXT(A "\r\r\r\n" END), false},
    {NORMAL, TEXT(A ".\r.\r\n" END), TEXT(A "\r\r\n" END), false},
    {NORMAL, TEXT(A ".\0\r\n" END), TEXT(A "\0\r\n" END), false},
    {NORMAL, TEXT(A ".\r\0\n\r\n" END), TEXT(A "\r\0\r\n\r\n" END), true},
    {NORMAL, TEXT(A "\0.\r\n" END), TEXT(A "\0\r\n" END), false},
    {NORMAL, TEXT(A "\r.\n\r\n" END), TEXT(A "\r\r\n\r\n" END), true},
    {NORMAL, TEXT(A "\r\0.\0.\r\n" END), TEXT(A "\r\0\0\r\n" END), false},
    {SAME(NORMAL, A "\0.x\r\n\r..\r\nx.\r\n" END), false},
    {NORMAL, TEXT(A ".\rx\r\n" END), TEXT(A "\rx\r\n" END), false},
    {NORMAL, TEXT(A "x\r.\r\n\r\n" END), TEXT(A "x\r\r\n\r\n" END), false},
    {NORMAL, TEXT(A "x\r.\ry\r\n" END), TEXT(A "x\r\ry\r\n" END), false},
    {NORMAL, TEXT(A "x\r\0.\0\r\n" END), TEXT(A "x\r\0\0\r\n" END), false},
    {NORMAL, TEXT(A "x\r.\n\r\n" END), TEXT(A "x\r\r\n\r\n" END), true},
    {NO, TEXT(A "x\r.\ry\r\n" END), TEXT(A "x\r\ry\r\n" END), false},
    {NO, TEXT(A "x\r.\n\n" END), TEXT(A "x\r\r\n\r\n" END), false},
    {NORMAL, TEXT("A: b\r.\rc\r\n" END), TEXT("A: b\r\rc\r\n" END), false},
    {SAME(NORMAL, A "x\r..\r\nx\r.y\rz.\r\n" END), false},
    {SAME(NORMAL, A "a\rb\r\r\n\0c\0\r\n" END), false},
    /* ends of data of mode no */
    {NO, TEXT(A "x\n.\n"), TEXT(A "x\r\n" END), false},
    {NO, TEXT(A "x\r\r\n.\r\r\r\n"), TEXT(A "x\r\n" END), false},
    {NO, TEXT(".\n"), TEXT(END), false},
    {NO, TEXT(A ".\r\r\0\r\n.\n"), TEXT(A "\r\r\0\r\n" END), false},
    {NO, TEXT(A ".\rx\r\n.\r\n"), TEXT(A "\rx\r\n" END), false},
    {NO, TEXT(A "x\r\ry\r\r\n\r\r\n" END), TEXT(A "x\r\ry\r\n\r\n" END), false},
    {NO, TEXT(A "\r\r.\r\n" END), TEXT(A "\r\r\r\n" END), false},
    /* header section and first line */
    {NORMAL, TEXT("Received-TLS: a by mx.example\r\n\tb\r\n" A END), TEXT(A END), false},
    {NORMAL, TEXT(".Received-TLS: by mx.example\r\n" A END), TEXT(A END), false},
    {NORMAL, TEXT("Received-TLS: by\r\n.\n mx.example\r\n" A END), TEXT(A END), true},
    {NORMAL, TEXT("Received-TLS: by\r\n. mx.example\r\n" A END), TEXT(A END), false},
    {NORMAL, TEXT("X: y\nReceived-TLS: by mx.example\n" A END), TEXT("X: y\r\n" A END), true},
    {NO, TEXT("X: y\r\r\nReceived-TLS: by mx.example\r\r\n" A END), TEXT("X: y\r\n" A END), false},
    {SAME(NORMAL, "..Received-TLS: by mx.example\r\n" A END), false},
    {SAME(NORMAL, A "Received-TLS: by mx.example\r\n.Received-TLS: by mx.example\r\n" END), false},
    {NORMAL, TEXT(" x\r\n" A END), TEXT("\r\n x\r\n" A END), false},
    {NORMAL, TEXT(". x\r\n" A END), TEXT("\r\n x\r\n" A END), false},
    {NORMAL, TEXT(".\n x\r\n" A END), TEXT("\r\n x\r\n" A END), true},
    {NORMAL, TEXT("From x\r\n" A END), TEXT("X-Mailbox-Line: From x\r\n" A END), false},
    {NORMAL, TEXT(".>From x\r\n" A END), TEXT("X-Mailbox-Line: >From x\r\n" A END), false},
    {NORMAL, TEXT(".X: y\r\n" A END), TEXT("X: y\r\n" A END), false},
    {NORMAL, TEXT("A: b\r\n.\r\rc\r\n" END), TEXT("A: b\r\n\r\rc\r\n" END), false},
};

/* Everything a run gives. */
struct result {
    char out[20000];
    size_t length;
    size_t taken;
    enum data_stream_status status;
};

static struct data_stream stream;

/* Feed LENGTH bytes in pieces: FIRST, then STEP at a time. */
static void feed(struct result *result, const char *in, size_t length, size_t first, size_t step)
{
    size_t piece = first;
    result->length = result->taken = 0;
    result->status = DATA_STREAM_MORE;
    while (result->status == DATA_STREAM_MORE && result->taken < length) {
        piece = piece < length - result->taken ? piece : length - result->taken;
        char *copy = malloc(piece);
        memcpy(copy, in + result->taken, piece);
        size_t consumed = 0;
        size_t produced = 0;
        result->status =
            data_stream_feed(&stream, copy, piece, &consumed, result->out + result->length,
                             sizeof result->out - result->length, &produced);
        free(copy);
        result->taken += consumed;
        result->length += produced;
        assert_true(consumed == piece || result->status == DATA_STREAM_END);
        piece = step;
    }
}

/* How many bytes a backend takes up to the end of data that ends lines at CR as well as at LF, and
 * drops NULs; behind an empty line for sure. */
static size_t harsh_end(const char *text, size_t length)
{
    size_t line = 0;
    bool dot = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\r' || text[i] == '\n') {
            if (line == 1 && dot) {
                return i + (text[i] == '\r' ? 2 : 1);
            }
            line = 0;
        } else if (text[i] != '\0') {
            dot = line++ == 0 && text[i] == '.';
        }
    }
    return 0;
}

/* How many bytes a backend takes up to the end of data that ends lines at LF, strips CRs before it,
 * and drops NULs, or all CRs, wherever they are. */
static size_t lenient_end(const char *text, size_t length, bool drop_nul, bool drop_cr)
{
    char *line = malloc(length);
    size_t used = 0;
    size_t end = 0;
    for (size_t i = 0; i < length && end == 0; i++) {
        if (text[i] == '\n') {
            while (used > 0 && line[used - 1] == '\r') {
                used--;
            }
            end = used == 1 && line[0] == '.' ? i + 1 : 0;
            used = 0;
        } else if (!(drop_nul && text[i] == '\0') && !(drop_cr && text[i] == '\r')) {
            line[used++] = text[i];
        }
    }
    free(line);
    return end;
}

static void check_data(const struct data_case *c, const struct result *result)
{
    size_t header = strlen(HEADER);
    if (result->length != header + c->out_length ||
        memcmp(result->out + header, c->out, c->out_length) != 0) {
        fail_msg("%s gives: %.*s", c->in, (int)result->length, result->out);
    }
    assert_memory_equal(result->out, HEADER, header);
    assert_int_equal(result->status, DATA_STREAM_END);
    assert_int_equal(result->taken, c->in_length);
    assert_int_equal(stream.bare_lf, c->bare_lf);
    for (int kind = 0; kind < 4; kind++) {
        assert_int_equal(lenient_end(result->out, result->length, (kind & 1) != 0, (kind & 2) != 0),
                         result->length);
    }
    assert_int_equal(harsh_end(result->out, result->length), result->length);
}

static void test_data(void **state)
{
    (void)state;
    struct result *result = malloc(sizeof *result);
    for (size_t i = 0; i < sizeof data_cases / sizeof *data_cases; i++) {
        const struct data_case *c = &data_cases[i];
        char in[1024];
        memcpy(in, c->in, c->in_length);
        memcpy(in + c->in_length, "QUIT\r\n", 6);
        size_t length = c->in_length + 6;
        for (size_t first = 0; first <= c->in_length; first++) {
            data_stream_begin(&stream, true, c->mode, "mx.example", HEADER, strlen(HEADER));
            feed(result, in, length, first == 0 ? length : first, first == 1 ? 1 : length);
            check_data(c, result);
            size_t end = 0;
            while (in[c->in_length - 2 - end] != '.') {
                end++;
            }
            assert_true(stream.bytes_in == c->in_length - 2 - end);
        }
    }
    free(result);
}

/* Once over, it stays over. */
static void test_after_end(void **state)
{
    (void)state;
    char out[DATA_STREAM_ROOM_MIN];
    size_t consumed = 0;
    size_t produced = 0;
    data_stream_begin(&stream, true, NORMAL, "mx.example", "", 0);
    assert_int_equal(
        data_stream_feed(&stream, ".\r\nQUIT\r\n", 9, &consumed, out, sizeof out, &produced),
        DATA_STREAM_END);
    assert_int_equal(consumed, 3);
    assert_int_equal(produced, 3);
    assert_int_equal(
        data_stream_feed(&stream, "QUIT\r\n", 6, &consumed, out, sizeof out, &produced),
        DATA_STREAM_END);
    assert_int_equal(consumed, 0);
    assert_int_equal(produced, 0);
    assert_true(stream.bytes_in == 0);
}

/* The header comes at once, before any content is there; and nothing is added if it is empty. */
static void test_header_first(void **state)
{
    (void)state;
    char out[DATA_STREAM_ROOM_MIN];
    size_t consumed = 7;
    size_t produced = 0;
    data_stream_begin(&stream, true, NORMAL, "mx.example", HEADER, strlen(HEADER));
    assert_int_equal(data_stream_feed(&stream, NULL, 0, &consumed, out, sizeof out, &produced),
                     DATA_STREAM_MORE);
    assert_int_equal(consumed, 0);
    assert_int_equal(produced, strlen(HEADER));
    data_stream_begin(&stream, true, NORMAL, "mx.example", "", 0);
    data_stream_feed(&stream, " x\r\nFrom\r\n.\r\n", 13, &consumed, out, sizeof out, &produced);
    assert_int_equal(produced, 13);
    assert_memory_equal(out, " x\r\nFrom\r\n.\r\n", 13);
}

struct counted_case {
    const char *in;
    size_t in_length;
    const char *out;
    size_t out_length;
    bool bare_lf;
};

static const struct counted_case counted_cases[] = {
    {TEXT(""), TEXT(""), false},
    {TEXT("A: b\r\n\r\n.\r\nx\0\r"), TEXT("A: b\r\n\r\n.\r\nx\0\r"), false},
    {TEXT("A: b\n\nx\n.\n"), TEXT("A: b\n\nx\n.\n"), true},
    {TEXT("A: b\r\n\r\nx\r\n\n"), TEXT("A: b\r\n\r\nx\r\n\n"), true},
    {TEXT("Received-TLS: by mx.example\n x\nA: b\r\n\r\n"), TEXT("A: b\r\n\r\n"), true},
    {TEXT("Received-TLS: by mx.example"), TEXT(""), false},
    {TEXT("Received-TLS: by mx.exampl"), TEXT("Received-TLS: by mx.exampl"), false},
    {TEXT("A: b\r\nReceived-T"), TEXT("A: b\r\nReceived-T"), false},
    {TEXT(" x\r\n"), TEXT("\r\n x\r\n"), false},
    {TEXT("From x\r\n"), TEXT("X-Mailbox-Line: From x\r\n"), false},
    {TEXT("Fro"), TEXT("Fro"), false},
};

static void test_counted(void **state)
{
    (void)state;
    struct result *result = malloc(sizeof *result);
    for (size_t i = 0; i < sizeof counted_cases / sizeof *counted_cases; i++) {
        const struct counted_case *c = &counted_cases[i];
        for (size_t first = 0; first <= c->in_length; first++) {
            data_stream_begin(&stream, false, NORMAL, "mx.example", HEADER, strlen(HEADER));
            feed(result, c->in, c->in_length, first == 0 ? c->in_length : first,
                 first == 1 ? 1 : c->in_length);
            result->length += data_stream_finish(&stream, result->out + result->length,
                                                 sizeof result->out - result->length);
            assert_int_equal(result->length, strlen(HEADER) + c->out_length);
            assert_memory_equal(result->out, HEADER, strlen(HEADER));
            assert_memory_equal(result->out + strlen(HEADER), c->out, c->out_length);
            assert_int_equal(stream.bare_lf, c->bare_lf);
            assert_true(stream.bytes_in == c->in_length);
            assert_false(stream.in_header);
        }
    }
    free(result);
}

/* Long lines and floods of what has to be counted, with as little room as is allowed. */
static void test_floods(void **state)
{
    (void)state;
    static const char floods[] = "x\r\0.>\n \tR:";
    size_t size = 100000;
    char *in = malloc(size);
    char *out = malloc(3 * size);
    char room[DATA_STREAM_ROOM_MIN];
    for (size_t i = 0; i < 4 * (sizeof floods - 1); i++) {
        memset(in, floods[i / 4], size);
        memcpy(in, "A: b\r\n\r\ny", i & 1 ? 4 : 9);
        memcpy(in + size - 9, "z\r\n\r\n.\r\n", 9);
        data_stream_begin(&stream, true, i & 2 ? NO : NORMAL, "mx.example", HEADER, strlen(HEADER));
        size_t taken = 0;
        size_t length = 0;
        enum data_stream_status status = DATA_STREAM_MORE;
        while (status == DATA_STREAM_MORE) {
            size_t consumed = 0;
            size_t produced = 0;
            status = data_stream_feed(&stream, in + taken, size - 1 - taken, &consumed, room,
                                      sizeof room, &produced);
            assert_true(consumed > 0 || produced > 0);
            memcpy(out + length, room, produced);
            taken += consumed;
            length += produced;
        }
        assert_int_equal(taken, size - 1);
        assert_memory_equal(out + length - 5, "\r\n.\r\n", 5);
        assert_int_equal(lenient_end(out, length, true, true), length);
        assert_int_equal(harsh_end(out, length), length);
    }
    free(in);
    free(out);
}

/* What has to be seen is seen wherever it stands in the blocks that are looked at at once. */
static void test_alignment(void **state)
{
    static const char *const inside[] = {"x\r.\ry", "x\r.\r\ny", "x\r\r\ny"};
    (void)state;
    struct result *result = malloc(sizeof *result);
    char many[400];
    char in[1024];
    memset(many, 'x', sizeof many);
    for (size_t i = 0; i < 2 * sizeof inside / sizeof *inside; i++) {
        for (int pad = 0; pad < 300; pad++) {
            bool no = (i & 1) != 0;
            size_t length = (size_t)snprintf(in, sizeof in, A "%.*s%s%.*s\r\n" END, pad, many,
                                             inside[i / 2], 300 - pad, many);
            data_stream_begin(&stream, true, no ? NO : NORMAL, "mx.example", "", 0);
            feed(result, in, length, length, length);
            assert_int_equal(result->status, DATA_STREAM_END);
            assert_int_equal(result->taken, length);
            assert_int_equal(harsh_end(result->out, result->length), result->length);
            if (no && i / 2 == 2) {
                assert_null(memmem(result->out, result->length, "\r\r\n", 3));
            }
        }
    }
    free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data),         cmocka_unit_test(test_after_end),
        cmocka_unit_test(test_header_first), cmocka_unit_test(test_counted),
        cmocka_unit_test(test_floods),       cmocka_unit_test(test_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
