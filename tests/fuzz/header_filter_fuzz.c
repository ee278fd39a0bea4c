/*
 * header_filter_fuzz.c: the header filter against a reference that has the whole message before it,
 * forged_field_claims against regular expressions, and what it is all for: no reader, whether it
 * drops NULs or takes a lone CR for a line end, finds a forged field in the output.
 */
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/forged_field.h"
#include "proxy/header_filter.h"

#define HOSTNAME "mx.example"

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "header_filter: %s\n", what);
        abort();
    }
}

/* Whether PATTERN (extended, any case) is in TEXT. */
static int matches(regex_t *compiled, const char *pattern, const char *text)
{
    if (compiled->re_nsub == 0 && regcomp(compiled, pattern, REG_EXTENDED | REG_ICASE) != 0) {
        abort();
    }
    return regexec(compiled, text, 0, NULL, 0) == 0;
}

/* Skip a comment that begins at AT; the offset behind it. */
static size_t skip_comment(const char *text, size_t length, size_t at)
{
    at++;
    while (at < length && text[at] != ')') {
        if (text[at] == '\\') {
            at += 2;
        } else if (text[at] == '(') {
            at = skip_comment(text, length, at);
        } else {
            at++;
        }
    }
    return at + 1;
}

static int reference_claims(const char *value, size_t length)
{
    static regex_t claim;
    static const char pattern[] = "(^|[^-a-z0-9._])by +mx *[.] *example[.]*([^-a-z0-9._]|$)";
    char *text = calloc(1, length + 2);
    check(text != NULL, "out of memory");
    size_t used = 0;
    for (size_t i = 0; i < length;) {
        if (value[i] == '(') {
            size_t end = skip_comment(value, length, i);
            if (end > length) {
                break; /* never closed */
            }
            text[used++] = ' ';
            i = end;
        } else {
            if (value[i] != '\0') {
                text[used++] = strchr("\t\n\v\f\r", value[i]) != NULL ? ' ' : value[i];
            }
            i++;
        }
    }
    int found = matches(&claim, pattern, text);
    used = 0;
    memset(text, 0, length + 2);
    for (size_t i = 0; i < length; i++) {
        static const char names[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-._";
        if (value[i] != '\0') {
            text[used++] = strchr(names, value[i]) != NULL ? value[i] : ' ';
        }
    }
    found |= matches(&claim, pattern, text);
    free(text);
    return found;
}

struct text {
    char *bytes;
    size_t length;
};

static void add(struct text *text, const char *bytes, size_t length)
{
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

/* Whether a name that is ours, blanks and a colon stand at AT. *VALUE: behind the colon. *LOST: it
 * may be ours, but is too long to be held (START: where holding began). */
static int is_ours(const struct text *in, size_t start, size_t at, size_t *value, int *lost)
{
    static const char name[] = "received-tls";
    size_t matched = 0;
    *lost = 0;
    for (; at < in->length; at++) {
        char c = in->bytes[at];
        int fits = at - start < HEADER_FILTER_HOLD_MAX;
        int plausible = c == '\0' || (matched < 12 && (c | 32) == name[matched] && c != '\r') ||
                        (matched == 12 && strchr(" \t:", c) != NULL);
        if (!plausible) {
            return 0;
        }
        if (!fits) {
            *lost = 1;
            return 1;
        }
        if (c == ':') {
            *value = at + 1;
            return 1;
        }
        matched += matched < 12 && c != '\0';
    }
    return 0;
}

/* Where the field that includes AT ends: behind its last continuation line. */
static size_t field_end(const struct text *in, size_t at)
{
    while (at < in->length) {
        if (in->bytes[at] == '\n' &&
            (at + 1 == in->length || strchr(" \t", in->bytes[at + 1]) == NULL)) {
            return at + 1;
        }
        at++;
    }
    return at;
}

/* A field of ours that begins at START: drop it or copy it; its end. */
static size_t take_ours(const struct text *in, size_t start, size_t value, int lost, int stub,
                        struct text *out, unsigned *removed)
{
    size_t end = field_end(in, start);
    if (lost || end - start > HEADER_FILTER_HOLD_MAX ||
        reference_claims(in->bytes + value, end - value)) {
        ++*removed;
        if (stub) {
            add(out, "\r\n", 2);
        }
    } else {
        add(out, in->bytes + start, end - start);
    }
    return end;
}

/* Copy the rest of a line that is part of a field, from AT on, unless our name is hidden there. */
static size_t take_value(const struct text *in, size_t at, struct text *out, unsigned *removed)
{
    while (at < in->length) {
        size_t value = 0;
        int lost = 0;
        if (in->bytes[at] == '\r' && is_ours(in, at, at + 1, &value, &lost)) {
            return take_ours(in, at, value, lost, 1, out, removed);
        }
        add(out, in->bytes + at, 1);
        if (in->bytes[at++] == '\n') {
            break;
        }
    }
    return at;
}

/* How many bytes ">*From " has at AT, if that is held; else 0. */
static size_t from_length(const struct text *in, size_t at)
{
    size_t end = at;
    while (end < in->length && in->bytes[end] == '>') {
        end++;
    }
    if (in->length - end < 5 || memcmp(in->bytes + end, "From ", 5) != 0) {
        return 0;
    }
    end += 5;
    return end - at <= HEADER_FILTER_HOLD_MAX ? end - at : 0;
}

/* Where the value of the field at AT begins, or 0 if it is no field. */
static size_t value_start(const struct text *in, size_t at)
{
    int blank = 0;
    for (size_t i = at; i < in->length; i++) {
        char c = in->bytes[i];
        if (c == ':' && i > at) {
            return i + 1;
        }
        if (c == ' ' || c == '\t') {
            blank = 1;
        } else if (c != '\0' && (blank || c <= ' ' || c > '~' || c == ':')) {
            return 0;
        }
    }
    return in->length;
}

static int guarded_start(const struct text *in, size_t at)
{
    char c = in->bytes[at];
    return c == ' ' || c == '\t' || c == '\0' ||
           (c == '\r' && at + 1 < in->length && in->bytes[at + 1] != '\n');
}

/* The whole filter. */
static void reference(const struct text *in, int guard, struct text *out, unsigned *removed)
{
    size_t at = 0;
    while (at < in->length) {
        size_t value = 0;
        int lost = 0;
        size_t start = at;
        if (guard && out->length == 0) {
            if (guarded_start(in, at)) {
                add(out, "\r\n", 2);
                break;
            }
            size_t from = from_length(in, at);
            if (from > 0) {
                add(out, "X-Mailbox-Line: ", 16);
                add(out, in->bytes + at, from);
                at = take_value(in, at + from, out, removed);
                continue;
            }
        }
        while (at < in->length && in->bytes[at] == '\0') {
            add(out, in->bytes + at++, 1);
        }
        if (at == in->length) {
            return;
        }
        if (in->bytes[at] == ' ' || in->bytes[at] == '\t') {
            at = take_value(in, at, out, removed);
        } else if (is_ours(in, at, at, &value, &lost)) {
            at = take_ours(in, at, value, lost, at > start, out, removed);
        } else {
            value = value_start(in, at);
            if (value == 0) {
                break;
            }
            add(out, in->bytes + at, value - at);
            at = take_value(in, value, out, removed);
        }
    }
    if (at < in->length) {
        add(out, in->bytes + at, in->length - at);
    }
}

/* As another reader sees it: without NULs. In the header section, no field may be forged, whether
 * it begins with a line or behind a lone CR. */
static void check_no_forgery(const struct text *out)
{
    struct text seen = {.bytes = malloc(out->length + 1)};
    check(seen.bytes != NULL, "out of memory");
    for (size_t i = 0; i < out->length; i++) {
        if (out->bytes[i] != '\0') {
            add(&seen, out->bytes + i, 1);
        }
    }
    for (size_t at = 0; at < seen.length;) {
        size_t end = field_end(&seen, at);
        int folded = at == 0 && strchr(" \t", seen.bytes[0]) != NULL;
        if (!folded && value_start(&seen, at) == 0) {
            break;
        }
        for (size_t i = at; i < end; i++) {
            size_t value = 0;
            int lost = 0;
            if ((i == at || seen.bytes[i - 1] == '\r') && is_ours(&seen, i, i, &value, &lost)) {
                check(!lost && value <= end && !reference_claims(seen.bytes + value, end - value),
                      "a forged field survived");
            }
        }
        at = end;
    }
    free(seen.bytes);
}

/* The filter itself. */
static unsigned filter_all(const struct text *in, int guard, struct text *out)
{
    struct header_filter *filter = malloc(sizeof *filter);
    check(filter != NULL, "out of memory");
    header_filter_begin(filter, HOSTNAME, guard);
    size_t i = 0;
    for (; i < in->length && filter->in_header; i++) {
        struct header_output output = {.out = malloc(HEADER_FILTER_ROOM),
                                       .capacity = HEADER_FILTER_ROOM};
        header_filter_byte(filter, in->bytes[i], &output);
        check(output.length <= HEADER_FILTER_ROOM, "wrote too much");
        add(out, output.out, output.length);
        free(output.out);
    }
    if (filter->in_header) {
        struct header_output output = {.out = malloc(HEADER_FILTER_ROOM),
                                       .capacity = HEADER_FILTER_ROOM};
        header_filter_end(filter, &output);
        add(out, output.out, output.length);
        free(output.out);
    }
    add(out, in->bytes + i, in->length - i);
    unsigned removed = filter->removed;
    free(filter);
    return removed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    /* a run of one byte makes long fields out of short inputs */
    size_t repeat = data[0] & 2 ? 2040 + (data[0] >> 4) : 0;
    struct text in = {.bytes = malloc(size + repeat)};
    size_t room = 2 * (size + repeat) + 64;
    struct text out = {.bytes = malloc(room)};
    struct text expected = {.bytes = malloc(room)};
    check(in.bytes != NULL && out.bytes != NULL && expected.bytes != NULL, "out of memory");
    int guard = data[0] & 1;
    for (size_t i = 1; i < size; i++) {
        add(&in, (const char *)data + i, 1);
        if (i == size / 2) {
            memset(in.bytes + in.length, in.bytes[in.length - 1], repeat);
            in.length += repeat;
        }
    }
    unsigned removed = filter_all(&in, guard, &out);
    unsigned expected_removed = 0;
    reference(&in, guard, &expected, &expected_removed);
    check(out.length == expected.length && memcmp(out.bytes, expected.bytes, out.length) == 0,
          "output differs from the reference");
    check(removed == expected_removed, "number of removed fields differs");
    check_no_forgery(&out);
    size_t judged = in.length < FORGED_FIELD_MAX ? in.length : FORGED_FIELD_MAX;
    check(forged_field_claims(in.bytes, judged, HOSTNAME) == reference_claims(in.bytes, judged),
          "claims differ");
    free(in.bytes);
    free(out.bytes);
    free(expected.bytes);
    return 0;
}
