/*
 * stream_bench.c: how fast message content goes through data_stream, and how fast its header
 * section through header_filter, in GB/s, beside memchr and memcpy over the same bytes in the same
 * run; and how long a main.cf takes to load.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "proxy/data_stream.h"

#define CONTENT_SIZE ((size_t)10 << 20)
#define PIECE ((size_t)16384) /* a TLS record */
#define ROUNDS 7              /* the fastest counts: the machine has other things to do */
#define LOADS 50

static const char header_field[] =
    "X-Header: some value of a header field that has a usual length\r\n"
    "Received: from a.example.net (a.example.net [192.0.2.1])\r\n"
    "\tby b.example.net (Postfix) with ESMTPS id 4Xw7Qk2b8Kz3Tx\r\n"
    "\tfor <inbox@gatepost.test>; Sun, 22 Nov 2026 01:30:54 +0000\r\n";
static const char text_line[] =
    "The quick brown fox jumps over the lazy dog, and after that over the fence.\r\n";
static const char short_line[] = "ten bytes\r\n";
static const char dotted_line[] = "..\r\n";

/* What goes through. */
struct content {
    const char *name;
    const char *head; /* before the body; repeated up to HEAD_SIZE */
    size_t head_size;
    const char *line;
    bool dot_mode;
};

static const struct content contents[] = {
    {"DATA, lines of 77 bytes", "Subject: x\r\n", 1, text_line, true},
    {"DATA, lines of 11 bytes", "Subject: x\r\n", 1, short_line, true},
    {"DATA, lines of a stuffed dot", "Subject: x\r\n", 1, dotted_line, true},
    {"DATA, all header", header_field, CONTENT_SIZE, text_line, true},
    {"BDAT, lines of 77 bytes", "Subject: x\r\n", 1, text_line, false},
    {"BDAT, all header", header_field, CONTENT_SIZE, text_line, false},
};

static char *text;
static size_t text_length;
static char output[PIECE + DATA_STREAM_ROOM_MIN];
static volatile size_t seen; /* so that nothing is optimised away */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void append(const char *part, size_t length)
{
    memcpy(text + text_length, part, length);
    text_length += length;
}

static void make_text(const struct content *content)
{
    text_length = 0;
    while (text_length < content->head_size)
        append(content->head, strlen(content->head));
    append("\r\n", 2);
    while (text_length < CONTENT_SIZE)
        append(content->line, strlen(content->line));
    if (content->dot_mode)
        append(".\r\n", 3);
}

/* All of the text, as the relay does it. */
static void run_stream(const struct content *content)
{
    static const char ours[] = "Received-TLS: from x by mx.example;\r\n\t(no TLS)\r\n";
    static struct data_stream stream;
    size_t at = 0;

    data_stream_begin(&stream, content->dot_mode, BARE_NEWLINE_NORMALIZE, "mx.example", ours,
                      sizeof ours - 1);
    while (at < text_length) {
        size_t length = text_length - at < PIECE ? text_length - at : PIECE;
        size_t consumed, produced;

        data_stream_feed(&stream, text + at, length, &consumed, output, sizeof output, &produced);
        at += consumed;
        seen += produced;
    }
}

static void run_memchr(const struct content *content)
{
    const char *at = text;
    const char *end = text + text_length;

    (void)content;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        seen++;
    }
}

static void run_memcpy(const struct content *content)
{
    (void)content;
    for (size_t at = 0; at < text_length; at += PIECE) {
        memcpy(output, text + at, text_length - at < PIECE ? text_length - at : PIECE);
        seen += (size_t)output[at % PIECE];
    }
}

/* GB/s, at best. */
static double measure(void (*run)(const struct content *), const struct content *content)
{
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        double start = now();

        run(content);
        best = now() - start < best ? now() - start : best;
    }
    return (double)text_length / best / 1e9;
}

static void print_finding(void *ctx, enum diag_severity severity, const char *finding)
{
    (void)ctx;
    if (severity == DIAG_ERROR)
        fprintf(stderr, "%s\n", finding);
}

/* A long configuration: 100 times the same five lines. */
static void measure_config(void)
{
    struct diag diag = {.sink = print_finding};
    double best = 1e9;

    text_length = 0;
    for (int i = 0; i < 100; i++) {
        static const char lines[] = "# a comment\nsmtpd_tls_ciphers = medium\n"
                                    "smtpd_banner = $myhostname ESMTP ${mail_name?$mail_name}\n"
                                    "smtpd_client_event_limit_exceptions = 192.0.2.0/24,\n"
                                    "    198.51.100.0/24\n";
        append(lines, sizeof lines - 1);
    }
    for (int i = 0; i < LOADS; i++) {
        double start = now();
        struct config *config = config_parse("main.cf", text, text_length, NULL, 0, &diag);

        if (config == NULL)
            exit(1);
        best = now() - start < best ? now() - start : best;
        config_free(config);
    }
    printf("main.cf of %zu bytes: %.0f us\n", text_length, best * 1e6);
}

int main(void)
{
    text = malloc(CONTENT_SIZE + 4096);
    if (text == NULL) {
        perror("stream_bench");
        return 1;
    }
    printf("%-30s %10s %10s %10s   GB/s\n", "", "gatepost", "memchr", "memcpy");
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        make_text(&contents[i]);
        printf("%-30s %10.2f %10.2f %10.2f\n", contents[i].name, measure(run_stream, &contents[i]),
               measure(run_memchr, &contents[i]), measure(run_memcpy, &contents[i]));
    }
    measure_config();
    free(text);
    return 0;
}
