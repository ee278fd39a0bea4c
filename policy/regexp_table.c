/*
 * regexp_table.c: rules, compiled with regcomp(3).
 */
#include "policy/regexp_table.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/line_source.h"
#include "policy/text.h"

#define MAX_RULES 10000
#define SHOWN 60 /* bytes of a rule in messages */

struct rule {
    regex_t pattern;
    bool negated;
};

struct regexp_table {
    struct rule *rules;
    size_t count;
    size_t capacity;
};

/* A rule taken apart. */
struct parts {
    char *pattern; /* owned */
    int options;
    bool negated;
};

struct regexp_table *regexp_table_new(void)
{
    return text_alloc(1, sizeof(struct regexp_table));
}

void regexp_table_free(struct regexp_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++)
        regfree(&table->rules[i].pattern);
    free(table->rules);
    free(table);
}

/* Report what is wrong with a rule. Always false. */
static bool refuse(struct diag *diag, const char *where, const char *line, size_t length,
                   const char *what)
{
    diag_error(diag, "%s: regexp table: \"%.*s%s\": %s", where,
               (int)(length < SHOWN ? length : SHOWN), line, length > SHOWN ? "..." : "", what);
    return false;
}

/* The end of the pattern that begins behind its delimiter at FROM: the offset of the delimiter
 * behind it, or LENGTH. */
static size_t find_delimiter(const char *line, size_t length, size_t from)
{
    size_t at = from;

    while (at < length && line[at] != line[from - 1])
        at += line[at] == '\\' ? 2 : 1;
    return at < length ? at : length;
}

/* Take a rule apart. NULL, or what is wrong. */
static const char *split(const char *line, size_t length, struct parts *parts)
{
    size_t at = 0;

    *parts = (struct parts){.options = REG_EXTENDED | REG_ICASE | REG_NOSUB};
    if (length >= 2 && strncasecmp(line, "if", 2) == 0)
        return "if ... endif is not supported here";
    for (; at < length && (line[at] == '!' || text_is_blank(line[at])); at++)
        parts->negated = parts->negated != (line[at] == '!');
    if (at == length)
        return "no pattern";
    size_t end = find_delimiter(line, length, at + 1);
    if (end == length)
        return "the pattern has no end";
    size_t start = at + 1;
    for (at = end + 1; at < length && !text_is_blank(line[at]); at++) {
        if (line[at] != 'i' && line[at] != 'm' && line[at] != 'x')
            return "unknown flag behind the pattern: there are i, m and x";
        parts->options ^= line[at] == 'i'   ? REG_ICASE
                          : line[at] == 'm' ? REG_NEWLINE
                                            : REG_EXTENDED;
    }
    while (at < length && text_is_blank(line[at]))
        at++;
    if (at == length)
        return "no result behind the pattern: a table wants one, such as OK";
    parts->pattern = text_copy_n(line + start, end - start);
    return NULL;
}

bool regexp_table_add(struct regexp_table *table, const char *where, const char *line,
                      size_t length, struct diag *diag)
{
    struct parts parts;
    char error[256];
    const char *wrong = table->count == MAX_RULES ? "too many rules" : NULL;

    if (wrong == NULL)
        wrong = memchr(line, '\0', length) != NULL ? "a NUL byte" : split(line, length, &parts);
    if (wrong != NULL)
        return refuse(diag, where, line, length, wrong);
    if (table->count == table->capacity) {
        table->capacity = table->capacity != 0 ? 2 * table->capacity : 4;
        table->rules = text_resize(table->rules, table->capacity, sizeof(*table->rules));
    }
    struct rule *rule = &table->rules[table->count];
    int status = regcomp(&rule->pattern, parts.pattern, parts.options);
    free(parts.pattern);
    if (status != 0) {
        regerror(status, &rule->pattern, error, sizeof(error));
        return refuse(diag, where, line, length, error);
    }
    rule->negated = parts.negated;
    table->count++;
    return true;
}

bool regexp_table_read(struct regexp_table *table, const char *path, struct diag *diag)
{
    const char *line;
    size_t length;
    unsigned number;
    struct line_source *source = line_source_open(path, diag);
    bool good = source != NULL;

    while (good && (line = line_source_next(source, &length, &number)) != NULL) {
        struct text where = {0};

        text_format(&where, "%s, line %u", path, number);
        good = regexp_table_add(table, where.data, line, length, diag);
        text_free(&where);
    }
    good = good && !line_source_failed(source);
    line_source_close(source);
    return good;
}

bool regexp_table_match(const struct regexp_table *table, const char *text)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct rule *rule = &table->rules[i];

        if ((regexec(&rule->pattern, text, 0, NULL, 0) == 0) != rule->negated)
            return true;
    }
    return false;
}
