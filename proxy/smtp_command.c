/*
 * smtp_command.c: taking command lines apart.
 */
#include "proxy/smtp_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct verb_info {
    const char *name;
    bool pre_tls;
    bool last;
    bool junk;
};

static const struct verb_info verbs[SMTP_VERB_COUNT] = {
#define X(id, name, pre_tls, last, junk) {name, pre_tls, last, junk},
    SMTP_COMMANDS(X)
#undef X
};

/* What separates words: Postfix uses isspace() of the C locale. */
static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The verb that WORD spells, in any case. */
static enum smtp_verb find_verb(const char *word, size_t length)
{
    for (int verb = 0; verb < SMTP_UNKNOWN; verb++) {
        const char *name = verbs[verb].name;
        if (strlen(name) == length && strncasecmp(name, word, length) == 0) {
            return (enum smtp_verb)verb;
        }
    }
    return SMTP_UNKNOWN;
}

/* Cut LINE at its first NUL, turn stray line end bytes into blanks; returns the new length. */
static size_t make_safe(char *line, size_t length)
{
    const char *nul = memchr(line, '\0', length);
    if (nul != NULL) {
        length = (size_t)(nul - line);
    }
    for (size_t i = 0; i < length; i++) {
        if (line[i] == '\r' || line[i] == '\n') {
            line[i] = ' ';
        }
    }
    while (length > 0 && is_blank(line[length - 1])) {
        length--;
    }
    return length;
}

void smtp_command_parse(char *line, size_t length, struct smtp_command *command)
{
    length = make_safe(line, length);
    size_t start = 0;
    while (start < length && is_blank(line[start])) {
        start++;
    }
    size_t end = start;
    while (end < length && !is_blank(line[end])) {
        end++;
    }
    size_t args = end;
    while (args < length && is_blank(line[args])) {
        args++;
    }
    *command = (struct smtp_command){
        .verb = find_verb(line + start, end - start),
        .word = line + start,
        .word_length = end - start,
        .args = line + args,
        .args_length = length - args,
        .length = length,
        .empty = start == end,
    };
}

bool smtp_command_is_header(const struct smtp_command *command)
{
    size_t at = 0;
    while (at < command->word_length && command->word[at] != ':' && command->word[at] > ' ' &&
           command->word[at] <= '~') {
        at++;
    }
    return at > 0 && at < command->word_length && command->word[at] == ':';
}

const char *smtp_verb_name(enum smtp_verb verb)
{
    return verbs[verb].name;
}

bool smtp_verb_pre_tls(enum smtp_verb verb)
{
    return verbs[verb].pre_tls;
}

bool smtp_verb_last(enum smtp_verb verb)
{
    return verbs[verb].last;
}

bool smtp_verb_junk(enum smtp_verb verb)
{
    return verbs[verb].junk;
}

/* All LENGTH bytes of TEXT as a decimal number of at most INT64_MAX. */
static bool parse_number(const char *text, size_t length, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (sum > ((uint64_t)INT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return length > 0;
}

int smtp_bdat_parse(const struct smtp_command *command, uint64_t *size, bool *last)
{
    const char *text = command->args;
    size_t length = command->args_length;
    size_t end = 0;
    while (end < length && !is_blank(text[end])) {
        end++;
    }
    if (!parse_number(text, end, size)) {
        return -1;
    }
    while (end < length && is_blank(text[end])) {
        end++;
    }
    *last = end < length;
    if (*last && (length - end != 4 || strncasecmp(text + end, "LAST", 4) != 0)) {
        return -1;
    }
    return 0;
}

/* Offset behind the quoted part that begins at AT with '"' or '<': quotes hide brackets, brackets
 * nest, a backslash hides the next byte. LENGTH if it is never closed. */
static size_t skip_quoted(const char *line, size_t length, size_t at)
{
    size_t depth = 0;
    bool quoted = false;
    while (at < length) {
        char c = line[at++];
        if (c == '\\') {
            at += at < length;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && c == '<') {
            depth++;
        } else if (!quoted && c == '>' && depth > 0) {
            depth--;
        }
        if (depth == 0 && !quoted) {
            return at;
        }
    }
    return length;
}

/* Offset behind the word that begins at AT. */
static size_t skip_word(const char *line, size_t length, size_t at)
{
    while (at < length && !is_blank(line[at])) {
        if (line[at] == '<' || line[at] == '"') {
            at = skip_quoted(line, length, at);
        } else {
            at += line[at] == '\\' && at + 1 < length ? 2 : 1;
        }
    }
    return at;
}

static size_t skip_blanks(const char *line, size_t length, size_t at)
{
    while (at < length && is_blank(line[at])) {
        at++;
    }
    return at;
}

size_t smtp_path_end(const struct smtp_command *command)
{
    const char *colon = memchr(command->args, ':', command->args_length);
    size_t length = command->args_length;

    if (colon == NULL) {
        return length;
    }
    size_t at = skip_blanks(command->args, length, (size_t)(colon - command->args) + 1);
    return skip_word(command->args, length, at);
}

size_t smtp_next_word(const char *text, size_t length, size_t at, size_t *begin)
{
    *begin = skip_blanks(text, length, at);
    return skip_word(text, length, *begin) - *begin;
}

size_t smtp_command_without(const struct smtp_command *command, const char *line, const char *word,
                            char *out)
{
    const char *args = command->args;
    size_t length = command->args_length, begin, word_length;
    size_t at = smtp_path_end(command);
    size_t produced = (size_t)(args - line) + at;

    memcpy(out, line, produced);
    for (; (word_length = smtp_next_word(args, length, at, &begin)) > 0; at = begin + word_length) {
        if (word_length != strlen(word) || strncasecmp(args + begin, word, word_length) != 0) {
            memcpy(out + produced, args + at, begin + word_length - at);
            produced += begin + word_length - at;
        }
    }
    return produced;
}

/* Offset behind "MAIL FROM:" and the path; LENGTH if it is not such a command. */
static size_t skip_mail_path(const char *line, size_t length)
{
    size_t at = skip_blanks(line, length, 0);
    at = skip_blanks(line, length, skip_word(line, length, at));
    if (length - at < 5 || strncasecmp(line + at, "FROM:", 5) != 0) {
        return length;
    }
    at = skip_blanks(line, length, at + 5);
    return skip_word(line, length, at);
}

/* Where and how long the digits of a well-formed SIZE= behind offset AT are. */
static bool find_size(const char *line, size_t length, size_t at, size_t *digits, size_t *count,
                      uint64_t *value)
{
    while ((at = skip_blanks(line, length, at)) < length) {
        size_t end = skip_word(line, length, at);
        if (end - at > 5 && strncasecmp(line + at, "SIZE=", 5) == 0 &&
            parse_number(line + at + 5, end - at - 5, value)) {
            *digits = at + 5;
            *count = end - at - 5;
            return true;
        }
        at = end;
    }
    return false;
}

size_t smtp_mail_add_size(const char *line, size_t length, uint64_t added, char *out,
                          size_t capacity)
{
    size_t digits = length;
    size_t count = 0;
    uint64_t value = 0;
    char number[24] = "";
    size_t number_length = 0;
    if (find_size(line, length, skip_mail_path(line, length), &digits, &count, &value)) {
        value = added > (uint64_t)INT64_MAX - value ? (uint64_t)INT64_MAX : value + added;
        number_length = (size_t)snprintf(number, sizeof number, "%" PRIu64, value);
    }
    size_t total = length - count + number_length;
    if (total > capacity) {
        return 0;
    }
    memcpy(out, line, digits);
    memcpy(out + digits, number, number_length);
    memcpy(out + digits + number_length, line + digits + count, length - digits - count);
    return total;
}
