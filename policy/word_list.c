/*
 * word_list.c: see word_list.h. Postfix's match_list(3) for strings: the word is folded to lower
 * case before it is compared, or looked up.
 */
#include "policy/word_list.h"

#include <stdlib.h>
#include <string.h>

#include "policy/match_list.h"
#include "policy/regexp_table.h"
#include "policy/text.h"

#define MAX_ELEMENTS 100000

/* One of WORD and TABLE; neither: every word. */
struct element {
    char *word;
    struct regexp_table *table;
    bool negated;
};

struct word_list {
    struct element *elements;
    size_t count;
    size_t capacity;
};

/* Add an element; takes over what it owns. */
static void add(struct word_list *list, struct element element)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity != 0 ? 2 * list->capacity : 8;
        list->elements = text_resize(list->elements, list->capacity, sizeof(*list->elements));
    }
    list->elements[list->count++] = element;
}

/* The rules between the outer braces of "{{/pattern/ result}, {...}}". */
static bool read_rules(struct match_list *match, const char *where, const char *text, size_t length,
                       struct regexp_table *table)
{
    char *inside = text_copy_n(text + 1, length - 2);
    const char *cursor = inside;
    const char *rule;
    size_t count;
    bool good = true;

    while (good && (rule = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &count)) != NULL) {
        if (count < 2 || rule[0] != '{' || rule[count - 1] != '}') {
            match_list_refuse(match, where, text, strlen(text),
                              "each rule of a table must be in braces of its own");
            good = false;
            break;
        }
        for (rule++, count -= 2; count > 0 && text_is_blank(*rule); count--)
            rule++;
        good = regexp_table_add(table, where, rule, count, match->diag);
    }
    free(inside);
    return good;
}

/* Read "type:table". */
static void read_table(struct match_list *match, const char *where, const char *element,
                       size_t length, bool negated)
{
    static const char regexp[] = "regexp:";
    const char *table = element + sizeof(regexp) - 1;

    if (strncmp(element, "static:", strlen("static:")) == 0) {
        add(match->ctx, (struct element){.negated = negated});
        return;
    }
    bool is_regexp = strncmp(element, regexp, sizeof(regexp) - 1) == 0;
    bool braces = is_regexp && *table == '{' && element[length - 1] == '}' && table[1] != '\0';
    if (!is_regexp || (*table != '/' && !braces)) {
        match_list_refuse(match, where, element, length,
                          "this kind of table cannot be used here: specify words, /file/name, "
                          "regexp:/file/name or regexp:{{/pattern/ result}}");
        return;
    }
    struct regexp_table *rules = regexp_table_new();
    if (braces ? read_rules(match, where, table, strlen(table), rules)
               : regexp_table_read(rules, table, match->diag))
        add(match->ctx, (struct element){.table = rules, .negated = negated});
    else
        regexp_table_free(rules);
}

/* Read one element. */
static void read_element(struct match_list *match, const char *where, char *element, size_t length,
                         bool negated)
{
    const struct word_list *list = match->ctx;

    if (*element == '#') {
        match_list_refuse(match, where, element, length, "a comment must be on a line of its own");
    } else if (*element != '[' && strchr(element, ':') != NULL) {
        read_table(match, where, element, length, negated);
    } else {
        for (char *c = element; *c != '\0'; c++)
            *c = text_lower(*c);
        add(match->ctx, (struct element){.word = text_copy(element), .negated = negated});
    }
    if (list->count == MAX_ELEMENTS) {
        match_list_refuse(match, where, element, length, "too many words");
        match->stopped = true;
    }
}

struct word_list *word_list_load(const char *name, const char *value, const char *origin,
                                 struct diag *diag)
{
    struct word_list *list = text_alloc(1, sizeof(*list));
    struct match_list match = {.element = read_element, .diag = diag, .ctx = list};
    struct text where = {0};
    unsigned errors = diag->errors;

    text_format(&where, "%s: %s", origin, name);
    match_list_read(&match, where.data, value);
    text_free(&where);
    /* cppcheck-suppress knownConditionTrueFalse ; match_list_read reports to diag */
    if (diag->errors == errors)
        return list;
    word_list_free(list);
    return NULL;
}

void word_list_free(struct word_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        free(list->elements[i].word);
        regexp_table_free(list->elements[i].table);
    }
    free(list->elements);
    free(list);
}

bool word_list_match(const struct word_list *list, const char *word, size_t length)
{
    char folded[WORD_LIST_WORD_MAX + 1];

    if (length > WORD_LIST_WORD_MAX)
        length = WORD_LIST_WORD_MAX;
    for (size_t i = 0; i < length; i++)
        folded[i] = text_lower(word[i]);
    folded[length] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        const struct element *element = &list->elements[i];
        bool matches = element->word != NULL    ? strcmp(element->word, folded) == 0
                       : element->table != NULL ? regexp_table_match(element->table, folded)
                                                : true;

        if (matches)
            return !element->negated;
    }
    return false;
}
