/*
 * expand.c: macro expansion of main.cf values, by recursive descent over slices of the text.
 */
#include "policy/expand.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"
#include "policy/version.h"

/* What following a reference costs, in bytes looked at: about the time that a lookup takes. */
#define REFERENCE_WORK 64

/* A piece of somebody's text, not terminated. */
struct slice {
    const char *start;
    const char *end;
};

/* The names whose values are being expanded, innermost first. */
struct frame {
    struct slice name;
    const struct frame *outer;
};

struct expansion {
    expand_lookup *lookup;
    void *ctx;
    size_t work; /* bytes looked at so far */
    char *error;
    size_t error_size;
};

static int expand_text(struct expansion *ex, const struct frame *frame, unsigned depth,
                       struct slice text, struct text *out);

/* Bytes in a slice, as printf's %.*s wants them; long ones are cut. */
static int width(struct slice slice)
{
    return slice.end - slice.start > 60 ? 60 : (int)(slice.end - slice.start);
}

/* Keep the message of an error. Always -1. */
static int __attribute__((format(printf, 2, 3))) fail(struct expansion *ex, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(ex->error, ex->error_size, format, ap);
    va_end(ap);
    return -1;
}

/* Account for LENGTH bytes to be looked at. */
static int charge(struct expansion *ex, size_t length)
{
    if (length >= EXPAND_MAX_WORK - ex->work)
        return fail(ex, "the $name references in it multiply too far");
    ex->work += length + 1;
    return 0;
}

/* Append to the result, within its limit. */
static int emit(struct expansion *ex, struct text *out, struct slice text)
{
    size_t length = (size_t)(text.end - text.start);

    if (length > EXPAND_MAX_OUTPUT - out->length)
        return fail(ex, "longer than %zu bytes after $name expansion", EXPAND_MAX_OUTPUT);
    text_add(out, text.start, length);
    return 0;
}

/* Skip blanks at the beginning. */
static void skip_blanks(struct slice *text)
{
    while (text->start < text->end && text_is_blank(*text->start))
        text->start++;
}

/* If TEXT goes on with '{', perhaps after blanks, move to it. */
static bool find_brace(struct slice *text)
{
    struct slice ahead = *text;

    skip_blanks(&ahead);
    if (ahead.start == ahead.end || *ahead.start != '{')
        return false;
    *text = ahead;
    return true;
}

/* TEXT begins with '{': take what is inside the balanced braces, and skip blanks behind them. */
static int take_braced(struct expansion *ex, struct slice *text, struct slice *payload)
{
    unsigned level = 0;

    for (const char *p = text->start; p < text->end; p++) {
        if (*p == '{') {
            level++;
        } else if (*p == '}' && --level == 0) {
            *payload = (struct slice){text->start + 1, p};
            text->start = p + 1;
            skip_blanks(text);
            return 0;
        }
    }
    return fail(ex, "unbalanced {} in attribute expression: \"%.*s\"", width(*text), text->start);
}

enum comparison { EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER_EQUAL, GREATER };

/* Take the operator of a relational expression: "==", "<=level", ... */
static int take_operator(struct expansion *ex, struct slice *text, enum comparison *comparison,
                         bool *level)
{
    static const char *const operators[] = {"==", "!=", "<", "<=", ">=", ">"};
    const char *end = text->start;
    size_t i = 0;

    while (end < text->end && strchr("<>!=?+-*/~&|%", *end) != NULL)
        end++;
    size_t length = (size_t)(end - text->start);
    while (i < 6 &&
           (strlen(operators[i]) != length || memcmp(operators[i], text->start, length) != 0))
        i++;
    if (i == 6)
        return fail(ex, "one of == != < <= >= > expected at: \"%.*s\"", width(*text), text->start);
    *comparison = (enum comparison)i;

    struct slice suffix = {end, end};
    while (suffix.end < text->end && text_is_name(*suffix.end) && *suffix.end != '_')
        suffix.end++;
    *level = suffix.end > suffix.start;
    if (*level && (suffix.end - suffix.start != 5 || memcmp(suffix.start, "level", 5) != 0))
        return fail(ex, "bad operator suffix at: \"%.*s\": only \"level\" is known", width(suffix),
                    suffix.start);
    text->start = suffix.end;
    return 0;
}

/* Whether TEXT is a number: nothing but digits, and at least one. */
static bool is_number(const char *text)
{
    if (*text == '\0')
        return false;
    while (text_is_digit(*text))
        text++;
    return *text == '\0';
}

/* Compare numbers of any length, as strcmp does. */
static int compare_numbers(const char *left, const char *right)
{
    left += strspn(left, "0");
    right += strspn(right, "0");
    size_t left_length = strlen(left);
    size_t right_length = strlen(right);

    if (left_length != right_length)
        return left_length < right_length ? -1 : 1;
    return strcmp(left, right);
}

/* Whether ORDER (negative, 0, positive) is what COMPARISON asks for. */
static bool holds(enum comparison comparison, int order)
{
    switch (comparison) {
    case EQUAL:
        return order == 0;
    case NOT_EQUAL:
        return order != 0;
    case LESS:
        return order < 0;
    case LESS_EQUAL:
        return order <= 0;
    case GREATER_EQUAL:
        return order >= 0;
    case GREATER:
        return order > 0;
    }
    return false;
}

/* Compare two Postfix versions. */
static int compare_levels(struct expansion *ex, const char *left, const char *right, int *order)
{
    long levels[2];
    const char *texts[2] = {left, right};

    for (int i = 0; i < 2; i++) {
        if (version_parse(texts[i], &levels[i]) != 0)
            return fail(ex, "malformed compatibility level syntax: \"%.60s\"", texts[i]);
    }
    *order = (levels[0] > levels[1]) - (levels[0] < levels[1]);
    return 0;
}

/* Expand both operands and compare them. */
static int evaluate(struct expansion *ex, const struct frame *frame, unsigned depth,
                    struct slice operands[2], enum comparison comparison, bool level, bool *truth)
{
    struct text values[2] = {{0}, {0}};
    int status = 0;
    int order = 0;

    for (int i = 0; i < 2 && status == 0; i++) {
        text_add(&values[i], "", 0);
        status = expand_text(ex, frame, depth + 1, operands[i], &values[i]);
    }
    if (status == 0 && level)
        status = compare_levels(ex, values[0].data, values[1].data, &order);
    else if (status == 0 && is_number(values[0].data) && is_number(values[1].data))
        order = compare_numbers(values[0].data, values[1].data);
    else if (status == 0)
        order = strcmp(values[0].data, values[1].data);
    *truth = holds(comparison, order);
    text_free(&values[0]);
    text_free(&values[1]);
    return status;
}

/* BODY begins with '{': parse and evaluate "{left} op {right}", and leave BODY behind it. */
static int take_relation(struct expansion *ex, const struct frame *frame, unsigned depth,
                         struct slice *body, bool *truth)
{
    struct slice operands[2];
    enum comparison comparison = EQUAL;
    bool level = false;

    if (take_braced(ex, body, &operands[0]) != 0 ||
        take_operator(ex, body, &comparison, &level) != 0)
        return -1;
    if (!find_brace(body))
        return fail(ex, "\"{expression}\" expected at: \"%.*s\"", width(*body), body->start);
    if (take_braced(ex, body, &operands[1]) != 0)
        return -1;
    return evaluate(ex, frame, depth, operands, comparison, level, truth);
}

/* Take one operand of '?' or ':': the content of braces, or all that is left. */
static int take_operand(struct expansion *ex, struct slice *body, struct slice *operand)
{
    if (find_brace(body))
        return take_braced(ex, body, operand);
    *operand = *body;
    body->start = body->end;
    return 0;
}

/* BODY begins with '?' or ':': expand the operand that TRUTH selects. */
static int expand_choice(struct expansion *ex, const struct frame *frame, unsigned depth,
                         struct slice body, bool truth, struct text *out)
{
    struct slice operand;

    if (*body.start == '?') {
        body.start++;
        if (take_operand(ex, &body, &operand) != 0 ||
            (truth && expand_text(ex, frame, depth + 1, operand, out) != 0))
            return -1;
        if (body.start == body.end)
            return 0;
        if (*body.start != ':')
            return fail(ex, "\":\" expected at: \"%.*s\"", width(body), body.start);
    }
    body.start++;
    if (take_operand(ex, &body, &operand) != 0 ||
        (!truth && expand_text(ex, frame, depth + 1, operand, out) != 0))
        return -1;
    if (body.start != body.end)
        return fail(ex, "unexpected input at: \"%.*s\"", width(body), body.start);
    return 0;
}

/* Whether two slices are the same text. */
static bool same(struct slice left, struct slice right)
{
    size_t length = (size_t)(left.end - left.start);

    return length == (size_t)(right.end - right.start) &&
           memcmp(left.start, right.start, length) == 0;
}

/* Expand the value of NAME. */
static int expand_name(struct expansion *ex, const struct frame *frame, unsigned depth,
                       struct slice name, struct text *out)
{
    struct frame inner = {name, frame};

    for (const struct frame *f = frame; f != NULL; f = f->outer) {
        if (same(f->name, name))
            return fail(ex, "$%.*s is used in its own value", width(name), name.start);
    }
    const char *value = ex->lookup(ex->ctx, name.start, (size_t)(name.end - name.start), false);
    if (value == NULL)
        return 0;
    return expand_text(ex, &inner, depth + 1, (struct slice){value, value + strlen(value)}, out);
}

/* Take the name at the beginning of BODY, and leave BODY at its end or at the operator. */
static int take_name(struct expansion *ex, struct slice *body, struct slice *name)
{
    struct slice whole = *body;

    skip_blanks(body);
    name->start = body->start;
    while (body->start < body->end && text_is_name(*body->start))
        body->start++;
    name->end = body->start;
    skip_blanks(body);
    if (body->start < body->end && *body->start == '{')
        return fail(ex, "unknown function \"%.*s\"", width(*name), name->start);
    if (body->start < body->end && *body->start != '?' && *body->start != ':')
        return fail(ex, "attribute name syntax error at: \"%.*s\"", width(whole), whole.start);
    if (name->start == name->end)
        return fail(ex, "empty macro name: \"%.*s\"", width(whole), whole.start);
    return 0;
}

/* Expand what stands behind a dollar sign, without its parentheses. */
static int expand_reference(struct expansion *ex, const struct frame *frame, unsigned depth,
                            struct slice body, struct text *out)
{
    static const char true_text[] = "true";
    bool relation = find_brace(&body);
    bool truth = false;
    struct slice name = {NULL, NULL};

    if (depth >= EXPAND_MAX_DEPTH)
        return fail(ex, "unreasonable macro call nesting: more than %d levels", EXPAND_MAX_DEPTH);
    if (relation) {
        if (take_relation(ex, frame, depth, &body, &truth) != 0)
            return -1;
    } else if (take_name(ex, &body, &name) != 0) {
        return -1;
    }
    if (body.start == body.end) {
        if (!relation)
            return expand_name(ex, frame, depth, name, out);
        return truth ? emit(ex, out, (struct slice){true_text, true_text + 4}) : 0;
    }
    if (*body.start != '?' && *body.start != ':')
        return fail(ex, "\"?\" or \":\" expected at: \"%.*s\"", width(body), body.start);
    if (!relation) {
        const char *value = ex->lookup(ex->ctx, name.start, (size_t)(name.end - name.start), true);
        truth = value != NULL && *value != '\0';
    }
    return expand_choice(ex, frame, depth, body, truth, out);
}

/* TEXT begins behind a dollar sign: take the reference, without its parentheses. */
static int take_reference(struct expansion *ex, struct slice *text, struct slice whole,
                          struct slice *body)
{
    const char *p = text->start;

    if (p < text->end && (*p == '{' || *p == '(')) {
        char open = *p;
        char close = open == '{' ? '}' : ')';
        unsigned level = 0;

        for (; p < text->end; p++) {
            if (*p == open) {
                level++;
            } else if (*p == close && --level == 0) {
                *body = (struct slice){text->start + 1, p};
                text->start = p + 1;
                break;
            }
        }
        if (p == text->end)
            return fail(ex, "truncated macro reference: \"%.*s\"", width(whole), whole.start);
    } else {
        while (p < text->end && text_is_name(*p))
            p++;
        *body = (struct slice){text->start, p};
        text->start = p;
    }
    if (body->start == body->end)
        return fail(ex, "empty macro name: \"%.*s\" (a dollar sign is written $$)", width(whole),
                    whole.start);
    return charge(ex, (size_t)(body->end - body->start) + REFERENCE_WORK);
}

/* Expand every reference in TEXT and append the result to OUT. */
static int expand_text(struct expansion *ex, const struct frame *frame, unsigned depth,
                       struct slice text, struct text *out)
{
    const struct slice whole = text;

    if (charge(ex, (size_t)(text.end - text.start)) != 0)
        return -1;
    while (text.start < text.end) {
        const char *dollar = memchr(text.start, '$', (size_t)(text.end - text.start));
        struct slice body = {NULL, NULL};

        if (emit(ex, out, (struct slice){text.start, dollar != NULL ? dollar : text.end}) != 0)
            return -1;
        if (dollar == NULL)
            break;
        text.start = dollar + 1;
        if (text.start < text.end && *text.start == '$') {
            text.start++;
            if (emit(ex, out, (struct slice){dollar, dollar + 1}) != 0)
                return -1;
        } else if (take_reference(ex, &text, whole, &body) != 0 ||
                   expand_reference(ex, frame, depth, body, out) != 0) {
            return -1;
        }
    }
    return 0;
}

char *expand_value(const char *name, const char *value, expand_lookup *lookup, void *ctx,
                   char *error, size_t error_size)
{
    struct expansion ex = {.lookup = lookup, .ctx = ctx, .error = error, .error_size = error_size};
    struct frame frame = {{name, name != NULL ? name + strlen(name) : NULL}, NULL};
    struct text out = {0};

    if (expand_text(&ex, name != NULL ? &frame : NULL, 0,
                    (struct slice){value, value + strlen(value)}, &out) != 0) {
        text_free(&out);
        return NULL;
    }
    return text_take(&out);
}
