/*
 * policy_line.c: a line is taken apart into words, words into names and values.
 */
#include "policy/policy_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/policy_attribute.h"
#include "policy/policy_words.h"
#include "policy/refusal.h"

/* Indexed by enum policy_level. */
static const char *const level_names[] = {"none", "may", "encrypt", "reject"};
#define LEVEL_COUNT 4

const char *policy_level_name(enum policy_level level)
{
    return level_names[level];
}

/* Where the parser is. */
struct parser {
    struct policy_words words;
    struct policy_line *line;
    unsigned seen; /* bits of enum policy_attribute */
    struct refusal why;
};

/* Take { name = value }; the parser is at the brace. */
static int take_braces(struct parser *parser, struct policy_span *word)
{
    const char *start = ++parser->words.next;
    unsigned depth = 1;

    for (; parser->words.next < parser->words.end; parser->words.next++) {
        depth += *parser->words.next == '{';
        depth -= *parser->words.next == '}';
        if (depth == 0)
            break;
    }
    if (parser->words.next == parser->words.end)
        return refuse(&parser->why, "missing '}' after \"{%.*s\"",
                      POLICY_QUOTED_MAX < parser->words.end - start
                          ? POLICY_QUOTED_MAX
                          : (int)(parser->words.end - start),
                      start);
    *word = policy_span_trim((struct policy_span){start, (size_t)(parser->words.next - start)});
    parser->words.next++;
    if (parser->words.next < parser->words.end && !policy_is_separator(*parser->words.next))
        return refuse(&parser->why, "text right behind \"{%.*s}\": a blank must follow",
                      policy_span_shown(*word), word->text);
    return 0;
}

/* Take the rest of name="value"; the parser is at the first quote. */
static int take_quotes(struct parser *parser, struct policy_span *value)
{
    const char *start = ++parser->words.next;
    const char *quote = memchr(start, '"', (size_t)(parser->words.end - start));

    *value =
        (struct policy_span){start, (size_t)((quote != NULL ? quote : parser->words.end) - start)};
    if (quote == NULL)
        return refuse(&parser->why, "missing '\"' after \"%.*s\"", policy_span_shown(*value),
                      start);
    parser->words.next = quote + 1;
    if (parser->words.next < parser->words.end && !policy_is_separator(*parser->words.next))
        return refuse(&parser->why, "text right behind \"%.*s\" in quotes: a blank must follow",
                      policy_span_shown(*value), start);
    *value = policy_span_trim(*value);
    return 0;
}

/* Divide a word at its '='. */
static int divide(struct parser *parser, struct policy_span word, struct policy_span *name,
                  struct policy_span *value)
{
    const char *equals = memchr(word.text, '=', word.length);

    if (equals == NULL)
        return refuse(&parser->why,
                      "\"%.*s\" is not NAME=VALUE: allowed are " POLICY_ATTRIBUTES_ALLOWED,
                      policy_span_shown(word), word.text);
    *name = policy_span_trim((struct policy_span){word.text, (size_t)(equals - word.text)});
    *value = policy_span_trim(
        (struct policy_span){equals + 1, (size_t)(word.text + word.length - equals - 1)});
    return 0;
}

/* Take an attribute; the parser is at its first byte. */
static int take_attribute(struct parser *parser, struct policy_span *name,
                          struct policy_span *value)
{
    const char *start = parser->words.next;
    struct policy_span word = {.text = ""};

    if (*start == '{') {
        if (take_braces(parser, &word) != 0)
            return -1;
        return divide(parser, word, name, value);
    }
    while (parser->words.next < parser->words.end && !policy_is_separator(*parser->words.next) &&
           *parser->words.next != '=')
        parser->words.next++;
    *name = (struct policy_span){start, (size_t)(parser->words.next - start)};
    if (parser->words.next + 1 < parser->words.end && *parser->words.next == '=' &&
        parser->words.next[1] == '"') {
        parser->words.next++;
        return take_quotes(parser, value);
    }
    parser->words.next = start;
    word = policy_words_take(&parser->words);
    if (divide(parser, word, name, value) != 0)
        return -1;
    for (size_t i = 0; i < value->length; i++) {
        if (strchr("{}\"", value->text[i]) != NULL)
            return refuse(&parser->why,
                          "'%c' inside \"%.*s\": braces go around all of { NAME = VALUE }, quotes "
                          "around all of the value",
                          value->text[i], policy_span_shown(word), word.text);
    }
    return 0;
}

/* Parse one attribute; the parser is at its first byte. */
static int parse_attribute(struct parser *parser)
{
    struct policy_span name = {0};
    struct policy_span value = {0};

    if (take_attribute(parser, &name, &value) != 0)
        return -1;
    enum policy_attribute attribute = policy_attribute_find(name);
    if (attribute == POLICY_ATTR_COUNT)
        return policy_attribute_unknown(name, parser->why.text, parser->why.size);
    if (value.length == 0)
        return refuse(&parser->why, "%s= has no value", policy_attribute_names[attribute]);
    if ((parser->seen & (1u << attribute)) != 0 && attribute != POLICY_ATTR_MATCH)
        return refuse(&parser->why, "%s= is given more than once",
                      policy_attribute_names[attribute]);
    parser->seen |= 1u << attribute;
    return policy_attribute_set(parser->line, attribute, value, parser->why.text, parser->why.size);
}

/* Parse the pattern. */
static int parse_pattern(struct parser *parser)
{
    while (parser->words.next < parser->words.end && policy_is_blank(*parser->words.next))
        parser->words.next++;
    struct policy_span word = policy_words_take(&parser->words);
    if (word.length == 0 || *word.text == '#')
        return refuse(&parser->why, "no address pattern");
    if (policy_span_is(word, "if") || policy_span_is(word, "endif"))
        return refuse(&parser->why,
                      "%.*s is of cidr_table(5) and has no meaning here, where the longest "
                      "prefix wins and not the first: write each prefix on a line of its own",
                      policy_span_shown(word), word.text);
    if (*word.text == '!')
        return refuse(&parser->why,
                      "\"%.*s\": '!' is of cidr_table(5) and has no meaning here, where the "
                      "longest prefix wins: write the prefix itself, and 0.0.0.0/0 or ::/0 for all "
                      "others",
                      policy_span_shown(word), word.text);
    return prefix_parse(word.text, word.length, &parser->line->prefix, parser->why.text,
                        parser->why.size);
}

/* Parse the level. */
static int parse_level(struct parser *parser)
{
    static const char allowed[] = "specify none, may, encrypt or reject";

    if (!policy_words_skip(&parser->words))
        return refuse(&parser->why, "no level behind the address: %s", allowed);
    struct policy_span word = policy_words_take(&parser->words);
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        if (policy_span_is(word, level_names[i])) {
            parser->line->settings.level = (enum policy_level)i;
            return 0;
        }
    }
    return refuse(&parser->why, "unknown level \"%.*s\": %s", policy_span_shown(word), word.text,
                  allowed);
}

/* Whether what was said goes together. */
static int check_together(struct parser *parser)
{
    struct policy_settings *settings = &parser->line->settings;
    const char *level = policy_level_name(settings->level);
    unsigned harmless = 1u << POLICY_ATTR_UNTIL | 1u << POLICY_ATTR_NOTE;
    bool match = (parser->seen & (1u << POLICY_ATTR_MATCH)) != 0;

    if (settings->level == POLICY_LEVEL_NONE || settings->level == POLICY_LEVEL_REJECT) {
        if ((parser->seen & ~harmless) != 0)
            return refuse(&parser->why,
                          "%s= with the level %s, which has no TLS: only until= and note= are "
                          "allowed",
                          policy_attribute_names[__builtin_ctz(parser->seen & ~harmless)], level);
        return 0;
    }
    if (settings->ciphers != NULL && settings->cipherlist != NULL)
        return refuse(&parser->why,
                      "ciphers= and cipherlist= exclude each other: specify one of them");
    if (match && settings->ccert != POLICY_CCERT_INHERIT && settings->ccert != POLICY_CCERT_REQUIRE)
        return refuse(&parser->why,
                      "match= needs a certificate: specify ccert=require or leave it out");
    if ((match || settings->ccert == POLICY_CCERT_REQUIRE) &&
        settings->level != POLICY_LEVEL_ENCRYPT)
        return refuse(&parser->why,
                      "%s needs the level encrypt: with %s a client could do without TLS",
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
        .words = {text, text + length}, .line = line, .why = {error, error_size}};

    line->settings = (struct policy_settings){0};
    line->note = NULL;
    line->until = (struct policy_date){0};
    line->used = 0;
    line->match_used = 0;
    if (length > POLICY_LINE_MAX)
        return refuse(&parser.why, "line too long: at most %zu bytes", POLICY_LINE_MAX);
    if (parse_pattern(&parser) != 0 || parse_level(&parser) != 0)
        return -1;
    while (policy_words_skip(&parser.words)) {
        if (parse_attribute(&parser) != 0)
            return -1;
    }
    return check_together(&parser);
}
