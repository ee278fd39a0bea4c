/*
 * word_list.c: see word_list.h. Postfix's match_list(3) for strings: the word is folded to lower
 * case before it is compared, or looked up.
 */
#include "policy/word_list.h"

#include <stdlib.h>
#include <string.h>

#include "policy/line_source.h"
#include "policy/regexp_table.h"
#include "policy/text.h"

#define MAX_ELEMENTS 100000
#define MAX_DEPTH 16 /* of files that name files */
#define SHOWN 60     /* bytes of an element in messages */

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

/* What is known while a list is read. */
struct loader {
    struct word_list *list;
    struct diag *diag;
};

/* Where an element stands: "FILE, line N", or the parameter's origin and name. */
struct place {
    const char *where;
    unsigned depth;
};

static void read_list(struct loader *loader, const struct place *place, const char *text,
                      bool negated);

/* Report what is wrong with an element. */
static void refuse(struct loader *loader, const struct place *place, const char *element,
                   const char *what)
{
    size_t length = strlen(element);

    diag_error(loader->diag, "%s: \"%.*s%s\": %s", place->where,
               (int)(length < SHOWN ? length : SHOWN), element, length > SHOWN ? "..." : "", what);
}

/* Add an element; takes over what it owns. */
static void add(struct loader *loader, struct element element)
{
    struct word_list *list = loader->list;

    if (list->count == list->capacity) {
        list->capacity = list->capacity != 0 ? 2 * list->capacity : 8;
        list->elements = text_resize(list->elements, list->capacity, sizeof(*list->elements));
    }
    list->elements[list->count++] = element;
}

/* Read a file with a list. */
static void read_file(struct loader *loader, const struct place *place, const char *path,
                      bool negated)
{
    const char *line;
    size_t length;
    unsigned number;

    if (place->depth == MAX_DEPTH) {
        refuse(loader, place, path, "too many files that name files");
        return;
    }
    struct line_source *source = line_source_open(path, loader->diag);
    while (source != NULL && (line = line_source_next(source, &length, &number)) != NULL) {
        struct text where = {0};
        char *copy = text_copy_n(line, length);

        text_format(&where, "%s, line %u", path, number);
        read_list(loader, &(struct place){.where = where.data, .depth = place->depth + 1}, copy,
                  negated);
        free(copy);
        text_free(&where);
    }
    line_source_close(source);
}

/* The rules between the outer braces of "{{/pattern/ result}, {...}}". */
static bool read_rules(struct loader *loader, const struct place *place, const char *text,
                       size_t length, struct regexp_table *table)
{
    char *inside = text_copy_n(text + 1, length - 2);
    const char *cursor = inside;
    const char *rule;
    size_t count;
    bool good = true;

    while (good && (rule = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &count)) != NULL) {
        if (count < 2 || rule[0] != '{' || rule[count - 1] != '}') {
            refuse(loader, place, text, "each rule of a table must be in braces of its own");
            good = false;
            break;
        }
        for (rule++, count -= 2; count > 0 && text_is_blank(*rule); count--)
            rule++;
        good = regexp_table_add(table, place->where, rule, count, loader->diag);
    }
    free(inside);
    return good;
}

/* Read "type:table". */
static void read_table(struct loader *loader, const struct place *place, const char *element,
                       bool negated)
{
    static const char regexp[] = "regexp:";
    const char *table = element + sizeof(regexp) - 1;
    size_t length = strlen(element);

    if (strncmp(element, "static:", strlen("static:")) == 0) {
        add(loader, (struct element){.negated = negated});
        return;
    }
    bool is_regexp = strncmp(element, regexp, sizeof(regexp) - 1) == 0;
    bool braces = is_regexp && *table == '{' && element[length - 1] == '}' && table[1] != '\0';
    if (!is_regexp || (*table != '/' && !braces)) {
        refuse(loader, place, element,
               "this kind of table cannot be used here: specify words, /file/name, "
               "regexp:/file/name or regexp:{{/pattern/ result}}");
        return;
    }
    struct regexp_table *rules = regexp_table_new();
    if (braces ? read_rules(loader, place, table, strlen(table), rules)
               : regexp_table_read(rules, table, loader->diag))
        add(loader, (struct element){.table = rules, .negated = negated});
    else
        regexp_table_free(rules);
}

/* Read one element, without its '!'; ELEMENT is changed. */
static void read_element(struct loader *loader, const struct place *place, char *element,
                         bool negated)
{
    if (*element == '\0')
        refuse(loader, place, "!", "nothing follows");
    else if (*element == '#')
        refuse(loader, place, element, "a comment must be on a line of its own");
    else if (*element == '/')
        read_file(loader, place, element, negated);
    else if (*element != '[' && strchr(element, ':') != NULL)
        read_table(loader, place, element, negated);
    else {
        for (char *c = element; *c != '\0'; c++)
            *c = text_lower(*c);
        add(loader, (struct element){.word = text_copy(element), .negated = negated});
    }
}

/* Read a list; NEGATED: it stands behind a '!'. */
static void read_list(struct loader *loader, const struct place *place, const char *text,
                      bool negated)
{
    const char *cursor = text;
    const char *element;
    size_t length;

    while (loader->list->count < MAX_ELEMENTS &&
           (element = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        bool no = negated;

        for (; length > 0 && *element == '!'; length--, element++)
            no = !no;
        char *copy = text_copy_n(element, length);
        read_element(loader, place, copy, no);
        free(copy);
    }
    if (loader->list->count >= MAX_ELEMENTS)
        refuse(loader, place, text, "too many words");
}

struct word_list *word_list_load(const char *name, const char *value, const char *origin,
                                 struct diag *diag)
{
    struct loader loader = {.list = text_alloc(1, sizeof(struct word_list)), .diag = diag};
    struct text where = {0};
    unsigned errors = diag->errors;

    text_format(&where, "%s: %s", origin, name);
    read_list(&loader, &(struct place){.where = where.data}, value, false);
    text_free(&where);
    /* cppcheck-suppress knownConditionTrueFalse ; read_list reports to diag, by loader */
    if (diag->errors == errors)
        return loader.list;
    word_list_free(loader.list);
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
