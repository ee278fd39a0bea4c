/*
 * mail_line.c: pattern, demand and attributes of a line.
 */
#include "policy/mail_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "policy/policy_attribute.h"
#include "policy/policy_words.h"
#include "policy/refusal.h"
#include "policy/text.h"

#define SENDER "from:"
#define ALLOWED "protocols=, match= and prepend="
#define PATTERNS                                                                                   \
    "specify user@domain, domain, .domain, user@ or *, with from: before it for a sender, or "     \
    "from:<>"

/* Indexed by enum mail_demand. */
static const char *const demand_names[] = {"none", "encrypt", "ccert"};

/* Where the parser is. */
struct parser {
    struct policy_words words;
    struct mail_line *line;
    bool seen_protocols;
    bool seen_prepend;
    struct refusal why;
};

/* The next word; of no length at the end. */
static struct policy_span take_word(struct parser *parser)
{
    (void)policy_words_skip(&parser->words);
    return policy_words_take(&parser->words);
}

/* Whether TEXT can be a domain: a name, or an address in brackets. */
static bool is_domain(const char *text)
{
    size_t length = strlen(text);

    if (*text == '[')
        return length > 2 && text[length - 1] == ']' && strcspn(text + 1, "[]@") == length - 2;
    for (size_t i = 0; i < length; i++) {
        bool dot = text[i] == '.';
        if (!dot && !text_is_name(text[i]) && text[i] != '-' && (unsigned char)text[i] < 0x80)
            return false;
        if (dot && (i == 0 || text[i - 1] == '.' || i + 1 == length))
            return false;
    }
    return length > 0;
}

/* Whether TEXT, without "from:", is a pattern. */
static bool is_pattern(const char *text, bool sender)
{
    const char *at = strrchr(text, '@');

    if (strcmp(text, "*") == 0 || (sender && strcmp(text, "<>") == 0))
        return true;
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("<>", *p) != NULL)
            return false;
    if (at == NULL)
        return is_domain(text + (*text == '.'));
    return at > text && (at[1] == '\0' || is_domain(at + 1));
}

/* Parse the pattern. */
static int parse_pattern(struct parser *parser)
{
    struct policy_span word = take_word(parser);
    char *pattern = parser->line->pattern;

    if (word.length == 0)
        return refuse(&parser->why, "no address pattern: " PATTERNS);
    if (word.length > MAIL_PATTERN_MAX)
        return refuse(&parser->why, "pattern too long: at most %d bytes", MAIL_PATTERN_MAX);
    for (size_t i = 0; i < word.length; i++)
        pattern[i] = text_lower(word.text[i]);
    pattern[word.length] = '\0';
    bool sender = strncmp(pattern, SENDER, strlen(SENDER)) == 0;
    if (memchr(pattern, '\0', word.length) != NULL ||
        !is_pattern(pattern + (sender ? strlen(SENDER) : 0), sender))
        return refuse(&parser->why, "\"%.*s\" is no address pattern: " PATTERNS,
                      policy_span_shown(word), word.text);
    return 0;
}

/* Parse the demand. */
static int parse_demand(struct parser *parser)
{
    struct policy_span word = take_word(parser);

    for (size_t i = 0; i < sizeof(demand_names) / sizeof(demand_names[0]); i++) {
        if (policy_span_is(word, demand_names[i])) {
            parser->line->demand = (enum mail_demand)i;
            return 0;
        }
    }
    if (word.length == 0)
        return refuse(&parser->why, "no demand behind the pattern: specify none, encrypt or ccert");
    return refuse(&parser->why, "unknown demand \"%.*s\": specify none, encrypt or ccert",
                  policy_span_shown(word), word.text);
}

/* prepend=: a header's name (RFC 5322 section 2.2), with or without the colon. */
static int set_prepend(struct parser *parser, struct policy_span value)
{
    size_t length = value.length;

    if (parser->seen_prepend)
        return refuse(&parser->why, "prepend= is given more than once");
    parser->seen_prepend = true;
    if (length > 0 && value.text[length - 1] == ':')
        length--;
    bool good = length > 0 && length <= MAIL_HEADER_MAX;
    for (size_t i = 0; good && i < length; i++)
        good = value.text[i] > ' ' && value.text[i] < 0x7f && value.text[i] != ':';
    if (!good)
        return refuse(&parser->why, "prepend=%.*s: specify the name of a header, at most %d bytes",
                      policy_span_shown(value), value.text, MAIL_HEADER_MAX);
    memcpy(parser->line->prepend, value.text, length);
    parser->line->prepend[length] = '\0';
    return 0;
}

/* Take one attribute. */
static int parse_attribute(struct parser *parser, struct policy_span word)
{
    const char *equals = memchr(word.text, '=', word.length);

    if (equals == NULL)
        return refuse(&parser->why, "\"%.*s\" is no NAME=VALUE: allowed are " ALLOWED,
                      policy_span_shown(word), word.text);
    struct policy_span name = {word.text, (size_t)(equals - word.text)};
    struct policy_span value = {equals + 1, word.length - name.length - 1};
    enum policy_attribute attribute = policy_attribute_find(name);
    if (value.length == 0)
        return refuse(&parser->why, "%.*s= has no value", policy_span_shown(name), name.text);
    if (policy_span_is(name, "prepend"))
        return set_prepend(parser, value);
    if (attribute == POLICY_ATTR_PROTOCOLS && parser->seen_protocols)
        return refuse(&parser->why, "protocols= is given more than once");
    if (attribute != POLICY_ATTR_PROTOCOLS && attribute != POLICY_ATTR_MATCH)
        return refuse(&parser->why, "unknown attribute \"%.*s\": allowed are " ALLOWED,
                      policy_span_shown(name), name.text);
    parser->seen_protocols = parser->seen_protocols || attribute == POLICY_ATTR_PROTOCOLS;
    return policy_attribute_set(&parser->line->attributes, attribute, value, parser->why.text,
                                parser->why.size);
}

/* Whether what was said goes together. */
static int check_together(struct parser *parser)
{
    struct policy_line *attributes = &parser->line->attributes;
    struct policy_settings *settings = &attributes->settings;

    if (attributes->match_used > 0) {
        attributes->match[attributes->match_used] = '\0';
        settings->match = attributes->match;
    }
    if (settings->protocols != NULL && parser->line->demand == MAIL_DEMAND_NONE)
        return refuse(&parser->why, "protocols= with the demand none: specify encrypt or ccert");
    if (settings->match != NULL && parser->line->demand != MAIL_DEMAND_CCERT)
        return refuse(&parser->why, "match= needs the demand ccert");
    return 0;
}

int mail_line_parse(const char *text, size_t length, struct mail_line *line, char *error,
                    size_t error_size)
{
    struct parser parser = {
        .words = {text, text + length}, .line = line, .why = {error, error_size}};
    struct policy_span word;

    line->prepend[0] = '\0';
    line->attributes.settings = (struct policy_settings){.level = POLICY_LEVEL_ENCRYPT};
    line->attributes.used = 0;
    line->attributes.match_used = 0;
    if (length > POLICY_LINE_MAX)
        return refuse(&parser.why, "line too long: at most %zu bytes", POLICY_LINE_MAX);
    if (parse_pattern(&parser) != 0 || parse_demand(&parser) != 0)
        return -1;
    while ((word = take_word(&parser)).length > 0)
        if (parse_attribute(&parser, word) != 0)
            return -1;
    return check_together(&parser);
}
