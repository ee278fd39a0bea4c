/*
 * policy_line.c: a line is taken apart into words, words into names and values.
 */
#include "policy/policy_line.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/nearest.h"

#define QUOTED_MAX 60 /* bytes of the line in a message */
#define YEAR_MIN 2000

/* The attributes in the order of attribute_names. */
enum attribute {
    ATTR_PROTOCOLS,
    ATTR_CIPHERS,
    ATTR_EXCLUDE,
    ATTR_CURVES,
    ATTR_CIPHERLIST,
    ATTR_CCERT,
    ATTR_MATCH,
    ATTR_TICKETS,
    ATTR_UNTIL,
    ATTR_NOTE,
    ATTR_COUNT
};

static const char *const attribute_names[ATTR_COUNT] = {
    "protocols", "ciphers", "exclude", "curves", "cipherlist",
    "ccert",     "match",   "tickets", "until",  "note"};

/* Indexed by enum policy_level. */
static const char *const level_names[] = {"none", "may", "encrypt", "reject"};
#define LEVEL_COUNT 4

#define ALLOWED                                                                                    \
    "protocols=, ciphers=, exclude=, curves=, cipherlist=, ccert=, match=, tickets=, until= and "  \
    "note="

/* A piece of the line. */
struct span {
    const char *text;
    size_t length;
};

/* Where the parser is. */
struct parser {
    const char *next;
    const char *end;
    struct policy_line *line;
    unsigned seen; /* bits of enum attribute */
    char *error;
    size_t error_size;
};

/* Write the message. Always -1. */
static int __attribute__((format(printf, 2, 3)))
refuse(struct parser *parser, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(parser->error, parser->error_size, format, ap);
    va_end(ap);
    return -1;
}

/* How much of a piece goes into a message. */
static int shown(struct span span)
{
    return span.length > QUOTED_MAX ? QUOTED_MAX : (int)span.length;
}

/* text_is_blank() for every byte of a large table. */
static inline bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What separates words. */
static inline bool is_separator(char c)
{
    return is_blank(c) || c == ',';
}

/* Whether a piece is this word, in any case. */
static bool is_word(struct span span, const char *word)
{
    return strlen(word) == span.length && strncasecmp(span.text, word, span.length) == 0;
}

/* Go to the next word. False at the end. */
static bool skip_separators(struct parser *parser)
{
    while (parser->next < parser->end) {
        if (is_separator(*parser->next)) {
            parser->next++;
        } else if (*parser->next == '#') {
            const char *newline = memchr(parser->next, '\n', (size_t)(parser->end - parser->next));

            parser->next = newline != NULL ? newline : parser->end;
        } else {
            return true;
        }
    }
    return false;
}

/* Without the blanks at both ends. */
static struct span trim(struct span span)
{
    while (span.length > 0 && is_blank(*span.text)) {
        span.text++;
        span.length--;
    }
    while (span.length > 0 && is_blank(span.text[span.length - 1]))
        span.length--;
    return span;
}

/* Take a word up to the next separator. */
static struct span take_word(struct parser *parser)
{
    const char *start = parser->next;

    while (parser->next < parser->end && !is_separator(*parser->next))
        parser->next++;
    return (struct span){start, (size_t)(parser->next - start)};
}

/* Take { name = value }; the parser is at the brace. */
static int take_braces(struct parser *parser, struct span *word)
{
    const char *start = ++parser->next;
    unsigned depth = 1;

    for (; parser->next < parser->end; parser->next++) {
        depth += *parser->next == '{';
        depth -= *parser->next == '}';
        if (depth == 0)
            break;
    }
    if (parser->next == parser->end)
        return refuse(parser, "missing '}' after \"{%.*s\"",
                      QUOTED_MAX < parser->end - start ? QUOTED_MAX : (int)(parser->end - start),
                      start);
    *word = trim((struct span){start, (size_t)(parser->next - start)});
    parser->next++;
    if (parser->next < parser->end && !is_separator(*parser->next))
        return refuse(parser, "text right behind \"{%.*s}\": a blank must follow", shown(*word),
                      word->text);
    return 0;
}

/* Take the rest of name="value"; the parser is at the first quote. */
static int take_quotes(struct parser *parser, struct span *value)
{
    const char *start = ++parser->next;
    const char *quote = memchr(start, '"', (size_t)(parser->end - start));

    *value = (struct span){start, (size_t)((quote != NULL ? quote : parser->end) - start)};
    if (quote == NULL)
        return refuse(parser, "missing '\"' after \"%.*s\"", shown(*value), start);
    parser->next = quote + 1;
    if (parser->next < parser->end && !is_separator(*parser->next))
        return refuse(parser, "text right behind \"%.*s\" in quotes: a blank must follow",
                      shown(*value), start);
    *value = trim(*value);
    return 0;
}

/* Divide a word at its '='. */
static int divide(struct parser *parser, struct span word, struct span *name, struct span *value)
{
    const char *equals = memchr(word.text, '=', word.length);

    if (equals == NULL)
        return refuse(parser, "\"%.*s\" is not NAME=VALUE: allowed are " ALLOWED, shown(word),
                      word.text);
    *name = trim((struct span){word.text, (size_t)(equals - word.text)});
    *value = trim((struct span){equals + 1, (size_t)(word.text + word.length - equals - 1)});
    return 0;
}

/* Take an attribute; the parser is at its first byte. */
static int take_attribute(struct parser *parser, struct span *name, struct span *value)
{
    const char *start = parser->next;
    struct span word;

    if (*start == '{') {
        if (take_braces(parser, &word) != 0)
            return -1;
        return divide(parser, word, name, value);
    }
    while (parser->next < parser->end && !is_separator(*parser->next) && *parser->next != '=')
        parser->next++;
    *name = (struct span){start, (size_t)(parser->next - start)};
    if (parser->next + 1 < parser->end && *parser->next == '=' && parser->next[1] == '"') {
        parser->next++;
        return take_quotes(parser, value);
    }
    parser->next = start;
    word = take_word(parser);
    if (divide(parser, word, name, value) != 0)
        return -1;
    for (size_t i = 0; i < value->length; i++) {
        if (strchr("{}\"", value->text[i]) != NULL)
            return refuse(parser,
                          "'%c' inside \"%.*s\": braces go around all of { NAME = VALUE }, quotes "
                          "around all of the value",
                          value->text[i], shown(word), word.text);
    }
    return 0;
}

/* Which attribute a name is, or ATTR_COUNT. */
static enum attribute find_attribute(struct span name)
{
    enum attribute attribute = 0;

    while (attribute < ATTR_COUNT && !is_word(name, attribute_names[attribute]))
        attribute++;
    return attribute;
}

/* Report an unknown name, with what may have been meant. */
static int refuse_name(struct parser *parser, struct span name)
{
    char text[NEAREST_MAX_LENGTH + 1];
    unsigned nearest = 0;
    unsigned limit;
    unsigned best;
    size_t first = ATTR_COUNT;

    snprintf(text, sizeof(text), "%.*s", name.length < sizeof(text) ? (int)name.length : 0,
             name.text);
    limit = nearest_limit(text);
    best = limit + 1;
    for (size_t i = 0; i < ATTR_COUNT; i++) {
        nearest = nearest_distance(text, attribute_names[i], limit);
        if (nearest < best) {
            best = nearest;
            first = i;
        }
    }
    if (first < ATTR_COUNT)
        return refuse(parser, "unknown attribute \"%s\", did you mean %s=? Allowed are " ALLOWED,
                      text, attribute_names[first]);
    if (name.length == 0 || strchr("<>!", *name.text) != NULL)
        return refuse(
            parser,
            "\"%.*s=\" is no attribute: within a value, ':' separates; allowed are " ALLOWED,
            shown(name), name.text);
    return refuse(parser, "unknown attribute \"%.*s\": allowed are " ALLOWED, shown(name),
                  name.text);
}

/* Copy a value into the line's buffer, with one blank for each run of them. NULL after reporting a
 * byte that cannot be in a value. */
static const char *keep(struct parser *parser, enum attribute attribute, struct span value)
{
    struct policy_line *line = parser->line;
    char *copy = line->buffer + line->used;
    char *out = copy;

    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.text[i];

        if (is_blank((char)c)) {
            if (out[-1] != ' ') /* a trimmed value does not begin with one */
                *out++ = ' ';
            continue;
        }
        if (c < ' ' || c == 0x7f || (c > 0x7f && attribute != ATTR_NOTE)) {
            refuse(parser, "%s=: a byte 0x%02x in the value", attribute_names[attribute], c);
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
static int add_fingerprint(struct parser *parser, struct span text)
{
    static const char digits[] = "0123456789ABCDEF";
    struct policy_line *line = parser->line;
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
        return refuse(parser,
                      "match=: \"%.*s\" is not a fingerprint: specify pairs of hexadecimal digits "
                      "separated by ':', and '|' between fingerprints",
                      shown(text), text.text);
    line->match_used = (size_t)(out - line->match);
    return 0;
}

/* match=, which may be given more than once. */
static int set_match(struct parser *parser, struct span value)
{
    const char *end = value.text + value.length;

    for (const char *start = value.text;;) {
        const char *bar = memchr(start, '|', (size_t)(end - start));

        if (add_fingerprint(parser, trim((struct span){
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
static int set_until(struct parser *parser, struct span value)
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
        return refuse(parser,
                      "until=%.*s is not a date: specify YYYY-MM-DD, the last day on which the "
                      "line holds, from %d-01-01 on",
                      shown(value), text, YEAR_MIN);
    parser->line->until = (struct policy_date){(unsigned)year, (unsigned)month, (unsigned)day};
    return 0;
}

/* ccert= */
static int set_ccert(struct parser *parser, struct span value)
{
    struct policy_settings *settings = &parser->line->settings;

    if (is_word(value, "no"))
        settings->ccert = POLICY_CCERT_NO;
    else if (is_word(value, "ask"))
        settings->ccert = POLICY_CCERT_ASK;
    else if (is_word(value, "require"))
        settings->ccert = POLICY_CCERT_REQUIRE;
    else
        return refuse(parser, "ccert=%.*s: specify no, ask or require", shown(value), value.text);
    return 0;
}

/* tickets= */
static int set_tickets(struct parser *parser, struct span value)
{
    if (!is_word(value, "yes") && !is_word(value, "no"))
        return refuse(parser, "tickets=%.*s: specify yes or no", shown(value), value.text);
    parser->line->settings.tickets = is_word(value, "yes") ? POLICY_YES : POLICY_NO;
    return 0;
}

/* ciphers= */
static int set_grade(struct parser *parser, struct span value)
{
    static const char *const grades[] = {"high", "medium", "low", "export"};

    for (size_t i = 0; i < sizeof(grades) / sizeof(grades[0]); i++) {
        if (is_word(value, grades[i])) {
            parser->line->settings.ciphers = grades[i];
            return 0;
        }
    }
    return refuse(parser, "ciphers=%.*s: %s", shown(value), value.text,
                  is_word(value, "null")
                      ? "BoringSSL has no ciphers without encryption: specify high or medium"
                      : "specify high or medium (or cipherlist= for a list of ciphers)");
}

/* The attributes whose value is kept as it is. */
static int set_text(struct parser *parser, enum attribute attribute, struct span value)
{
    struct policy_settings *settings = &parser->line->settings;
    const char **places[ATTR_COUNT] = {
        [ATTR_PROTOCOLS] = &settings->protocols, [ATTR_EXCLUDE] = &settings->exclude,
        [ATTR_CURVES] = &settings->curves,       [ATTR_CIPHERLIST] = &settings->cipherlist,
        [ATTR_NOTE] = &parser->line->note,
    };

    *places[attribute] = keep(parser, attribute, value);
    return *places[attribute] != NULL ? 0 : -1;
}

/* Give an attribute its value. */
static int set_attribute(struct parser *parser, enum attribute attribute, struct span value)
{
    switch (attribute) {
    case ATTR_CIPHERS:
        return set_grade(parser, value);
    case ATTR_CCERT:
        return set_ccert(parser, value);
    case ATTR_MATCH:
        return set_match(parser, value);
    case ATTR_TICKETS:
        return set_tickets(parser, value);
    case ATTR_UNTIL:
        return set_until(parser, value);
    default:
        return set_text(parser, attribute, value);
    }
}

/* Parse one attribute; the parser is at its first byte. */
static int parse_attribute(struct parser *parser)
{
    struct span name;
    struct span value;

    if (take_attribute(parser, &name, &value) != 0)
        return -1;
    enum attribute attribute = find_attribute(name);
    if (attribute == ATTR_COUNT)
        return refuse_name(parser, name);
    if (value.length == 0)
        return refuse(parser, "%s= has no value", attribute_names[attribute]);
    if ((parser->seen & (1u << attribute)) != 0 && attribute != ATTR_MATCH)
        return refuse(parser, "%s= is given more than once", attribute_names[attribute]);
    parser->seen |= 1u << attribute;
    return set_attribute(parser, attribute, value);
}

/* Parse the pattern. */
static int parse_pattern(struct parser *parser)
{
    while (parser->next < parser->end && is_blank(*parser->next))
        parser->next++;
    struct span word = take_word(parser);
    if (word.length == 0 || *word.text == '#')
        return refuse(parser, "no address pattern");
    if (is_word(word, "if") || is_word(word, "endif"))
        return refuse(parser,
                      "%.*s is of cidr_table(5) and has no meaning here, where the longest "
                      "prefix wins and not the first: write each prefix on a line of its own",
                      shown(word), word.text);
    if (*word.text == '!')
        return refuse(parser,
                      "\"%.*s\": '!' is of cidr_table(5) and has no meaning here, where the "
                      "longest prefix wins: write the prefix itself, and 0.0.0.0/0 or ::/0 for all "
                      "others",
                      shown(word), word.text);
    return prefix_parse(word.text, word.length, &parser->line->prefix, parser->error,
                        parser->error_size);
}

/* Parse the level. */
static int parse_level(struct parser *parser)
{
    static const char allowed[] = "specify none, may, encrypt or reject";

    if (!skip_separators(parser))
        return refuse(parser, "no level behind the address: %s", allowed);
    struct span word = take_word(parser);
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        if (is_word(word, level_names[i])) {
            parser->line->settings.level = (enum policy_level)i;
            return 0;
        }
    }
    return refuse(parser, "unknown level \"%.*s\": %s", shown(word), word.text, allowed);
}

/* Whether what was said goes together. */
static int check_together(struct parser *parser)
{
    struct policy_settings *settings = &parser->line->settings;
    const char *level = level_names[settings->level];
    unsigned harmless = 1u << ATTR_UNTIL | 1u << ATTR_NOTE;
    bool match = (parser->seen & (1u << ATTR_MATCH)) != 0;

    if (settings->level == POLICY_LEVEL_NONE || settings->level == POLICY_LEVEL_REJECT) {
        if ((parser->seen & ~harmless) != 0)
            return refuse(parser,
                          "%s= with the level %s, which has no TLS: only until= and note= are "
                          "allowed",
                          attribute_names[__builtin_ctz(parser->seen & ~harmless)], level);
        return 0;
    }
    if (settings->ciphers != NULL && settings->cipherlist != NULL)
        return refuse(parser, "ciphers= and cipherlist= exclude each other: specify one of them");
    if (match && settings->ccert != POLICY_CCERT_INHERIT && settings->ccert != POLICY_CCERT_REQUIRE)
        return refuse(parser, "match= needs a certificate: specify ccert=require or leave it out");
    if ((match || settings->ccert == POLICY_CCERT_REQUIRE) &&
        settings->level != POLICY_LEVEL_ENCRYPT)
        return refuse(parser, "%s needs the level encrypt: with %s a client could do without TLS",
                      match ? "match=" : "ccert=require", level);
    if (match) {
        parser->line->match[parser->line->match_used] = '\0';
        settings->match = parser->line->match;
        settings->ccert = POLICY_CCERT_REQUIRE;
    }
    return 0;
}

int policy_line_parse(const char *text, size_t length, struct policy_line *line, char *error,
                      size_t error_size)
{
    struct parser parser = {
        .next = text, .end = text + length, .line = line, .error = error, .error_size = error_size};

    line->settings = (struct policy_settings){0};
    line->note = NULL;
    line->until = (struct policy_date){0};
    line->used = 0;
    line->match_used = 0;
    if (length > POLICY_LINE_MAX)
        return refuse(&parser, "line too long: at most %zu bytes", POLICY_LINE_MAX);
    if (parse_pattern(&parser) != 0 || parse_level(&parser) != 0)
        return -1;
    while (skip_separators(&parser)) {
        if (parse_attribute(&parser) != 0)
            return -1;
    }
    return check_together(&parser);
}
