/*
 * policy_attribute.c: names and values of attributes.
 */
#include "policy/policy_attribute.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/nearest.h"
#include "policy/refusal.h"

#define YEAR_MIN 2000

const char *const policy_attribute_names[POLICY_ATTR_COUNT] = {
    "protocols", "ciphers", "exclude", "curves", "cipherlist",
    "ccert",     "match",   "tickets", "until",  "note"};

/* A line that is being given something. */
struct setter {
    struct policy_line *line;
    struct refusal why;
};

bool policy_span_is(struct policy_span span, const char *word)
{
    return strlen(word) == span.length && strncasecmp(span.text, word, span.length) == 0;
}

struct policy_span policy_span_trim(struct policy_span span)
{
    while (span.length > 0 && policy_is_blank(*span.text)) {
        span.text++;
        span.length--;
    }
    while (span.length > 0 && policy_is_blank(span.text[span.length - 1]))
        span.length--;
    return span;
}

enum policy_attribute policy_attribute_find(struct policy_span name)
{
    enum policy_attribute attribute = 0;

    while (attribute < POLICY_ATTR_COUNT &&
           !policy_span_is(name, policy_attribute_names[attribute]))
        attribute++;
    return attribute;
}

int policy_attribute_unknown(struct policy_span name, char *error, size_t error_size)
{
    struct setter setter = {NULL, {error, error_size}};
    char text[NEAREST_MAX_LENGTH + 1];
    size_t first = POLICY_ATTR_COUNT;

    snprintf(text, sizeof(text), "%.*s", name.length < sizeof(text) ? (int)name.length : 0,
             name.text);
    unsigned limit = nearest_limit(text);
    unsigned best = limit + 1;
    for (size_t i = 0; i < POLICY_ATTR_COUNT; i++) {
        unsigned nearest = nearest_distance(text, policy_attribute_names[i], limit);

        if (nearest < best) {
            best = nearest;
            first = i;
        }
    }
    if (first < POLICY_ATTR_COUNT)
        return refuse(
            &setter.why,
            "unknown attribute \"%s\", did you mean %s=? Allowed are " POLICY_ATTRIBUTES_ALLOWED,
            text, policy_attribute_names[first]);
    if (name.length == 0 || strchr("<>!", *name.text) != NULL)
        return refuse(&setter.why,
                      "\"%.*s=\" is no attribute: within a value, ':' separates; allowed "
                      "are " POLICY_ATTRIBUTES_ALLOWED,
                      policy_span_shown(name), name.text);
    return refuse(&setter.why, "unknown attribute \"%.*s\": allowed are " POLICY_ATTRIBUTES_ALLOWED,
                  policy_span_shown(name), name.text);
}

/* Copy a value into the line's buffer, with one blank for each run of them. NULL after reporting a
 * byte that cannot be in a value. */
static const char *keep(struct setter *setter, enum policy_attribute attribute,
                        struct policy_span value)
{
    struct policy_line *line = setter->line;
    char *copy = line->buffer + line->used;
    char *out = copy;

    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.text[i];

        if (policy_is_blank((char)c)) {
            if (out[-1] != ' ') /* a trimmed value does not begin with one */
                *out++ = ' ';
            continue;
        }
        if (c < ' ' || c == 0x7f || (c > 0x7f && attribute != POLICY_ATTR_NOTE)) {
            refuse(&setter->why, "%s=: a byte 0x%02x in the value",
                   policy_attribute_names[attribute], c);
            return NULL;
        }
        *out++ = (char)c;
    }
    *out++ = '\0';
    line->used = (size_t)(out - line->buffer);
    return copy;
}

/* The value of a hexadecimal digit, -1 for other bytes. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Append a fingerprint: pairs of digits, with colons or without. */
static int add_fingerprint(struct setter *setter, struct policy_span text)
{
    static const char digits[] = "0123456789ABCDEF";
    struct policy_line *line = setter->line;
    char *out = line->match + line->match_used;
    bool colons = text.length > 2 && text.text[2] == ':';
    size_t step = colons ? 3 : 2;
    bool good = text.length > 0 && (text.length + colons) % step == 0;

    if (line->match_used > 0)
        *out++ = '|';
    for (size_t i = 0; good && i < text.length; i += step) {
        int high = hex_digit(text.text[i]);
        int low = hex_digit(text.text[i + 1]);

        good =
            high >= 0 && low >= 0 && (i + 2 == text.length || !colons || text.text[i + 2] == ':');
        if (good) {
            if (i > 0)
                *out++ = ':';
            *out++ = digits[high];
            *out++ = digits[low];
        }
    }
    if (!good)
        return refuse(&setter->why,
                      "match=: \"%.*s\" is not a fingerprint: specify pairs of hexadecimal digits "
                      "separated by ':', and '|' between fingerprints",
                      policy_span_shown(text), text.text);
    line->match_used = (size_t)(out - line->match);
    return 0;
}

/* match=, which may be given more than once. */
static int set_match(struct setter *setter, struct policy_span value)
{
    const char *end = value.text + value.length;

    for (const char *start = value.text;;) {
        const char *bar = memchr(start, '|', (size_t)(end - start));

        if (add_fingerprint(setter, policy_span_trim((struct policy_span){
                                        start, (size_t)((bar != NULL ? bar : end) - start)})) != 0)
            return -1;
        if (bar == NULL)
            return 0;
        start = bar + 1;
    }
}

/* A number of COUNT digits, or -1. */
static int read_digits(const char *text, int count)
{
    int number = 0;

    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

/* How many days a month has. */
static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* until= */
static int set_until(struct setter *setter, struct policy_span value)
{
    const char *text = value.text;
    int year = -1;
    int month = -1;
    int day = -1;

    if (value.length == 10 && text[4] == '-' && text[7] == '-') {
        year = read_digits(text, 4);
        month = read_digits(text + 5, 2);
        day = read_digits(text + 8, 2);
    }
    if (year < YEAR_MIN || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return refuse(&setter->why,
                      "until=%.*s is not a date: specify YYYY-MM-DD, the last day on which the "
                      "line holds, from %d-01-01 on",
                      policy_span_shown(value), text, YEAR_MIN);
    setter->line->until = (struct policy_date){(unsigned)year, (unsigned)month, (unsigned)day};
    return 0;
}

/* ccert= */
static int set_ccert(struct setter *setter, struct policy_span value)
{
    struct policy_settings *settings = &setter->line->settings;

    if (policy_span_is(value, "no"))
        settings->ccert = POLICY_CCERT_NO;
    else if (policy_span_is(value, "ask"))
        settings->ccert = POLICY_CCERT_ASK;
    else if (policy_span_is(value, "require"))
        settings->ccert = POLICY_CCERT_REQUIRE;
    else
        return refuse(&setter->why, "ccert=%.*s: specify no, ask or require",
                      policy_span_shown(value), value.text);
    return 0;
}

/* tickets= */
static int set_tickets(struct setter *setter, struct policy_span value)
{
    if (!policy_span_is(value, "yes") && !policy_span_is(value, "no"))
        return refuse(&setter->why, "tickets=%.*s: specify yes or no", policy_span_shown(value),
                      value.text);
    setter->line->settings.tickets = policy_span_is(value, "yes") ? POLICY_YES : POLICY_NO;
    return 0;
}

/* ciphers= */
static int set_grade(struct setter *setter, struct policy_span value)
{
    static const char *const grades[] = {"high", "medium", "low", "export"};

    for (size_t i = 0; i < sizeof(grades) / sizeof(grades[0]); i++) {
        if (policy_span_is(value, grades[i])) {
            setter->line->settings.ciphers = grades[i];
            return 0;
        }
    }
    return refuse(&setter->why, "ciphers=%.*s: %s", policy_span_shown(value), value.text,
                  policy_span_is(value, "null")
                      ? "BoringSSL has no ciphers without encryption: specify high or medium"
                      : "specify high or medium (or cipherlist= for a list of ciphers)");
}

/* The attributes whose value is kept as it is. */
static int set_text(struct setter *setter, enum policy_attribute attribute,
                    struct policy_span value)
{
    struct policy_settings *settings = &setter->line->settings;
    const char **places[POLICY_ATTR_COUNT] = {
        [POLICY_ATTR_PROTOCOLS] = &settings->protocols,
        [POLICY_ATTR_EXCLUDE] = &settings->exclude,
        [POLICY_ATTR_CURVES] = &settings->curves,
        [POLICY_ATTR_CIPHERLIST] = &settings->cipherlist,
        [POLICY_ATTR_NOTE] = &setter->line->note,
    };

    *places[attribute] = keep(setter, attribute, value);
    return *places[attribute] != NULL ? 0 : -1;
}

int policy_attribute_set(struct policy_line *line, enum policy_attribute attribute,
                         struct policy_span value, char *error, size_t error_size)
{
    struct setter to = {line, {error, error_size}};
    struct setter *setter = &to;

    switch (attribute) {
    case POLICY_ATTR_CIPHERS:
        return set_grade(setter, value);
    case POLICY_ATTR_CCERT:
        return set_ccert(setter, value);
    case POLICY_ATTR_MATCH:
        return set_match(setter, value);
    case POLICY_ATTR_TICKETS:
        return set_tickets(setter, value);
    case POLICY_ATTR_UNTIL:
        return set_until(setter, value);
    default:
        return set_text(setter, attribute, value);
    }
}
