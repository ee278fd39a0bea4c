/*
 * names.c: what the names in a gatepost.cf are: gatepost's, Postfix's, the operator's own, or
 * typing errors. The rules are postconf(1)'s.
 */
#include "policy/settings.h"

#include <stdlib.h>
#include <string.h>

#include "policy/known.h"
#include "policy/nearest.h"
#include "policy/params.h"
#include "policy/text.h"

#define MAX_UNUSED_REPORTED 100 /* looking for the nearest name takes time */

/* A word in somebody's value. */
struct word {
    const char *start;
    size_t length;
};

/* Words of one kind found in all values, sorted. */
struct words {
    struct word *items;
    size_t count;
    size_t capacity;
};

/* Order words as strcmp does. */
static int compare_words(const void *left, const void *right)
{
    const struct word *a = left;
    const struct word *b = right;
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = shorter > 0 ? memcmp(a->start, b->start, shorter) : 0;

    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* Append a word. */
static void add_word(struct words *words, const char *start, size_t length)
{
    if (length == 0)
        return;
    if (words->count == words->capacity) {
        words->capacity = words->capacity == 0 ? 64 : words->capacity * 2;
        words->items = text_resize(words->items, words->capacity, sizeof(struct word));
    }
    words->items[words->count++] = (struct word){start, length};
}

/* Sort, so that has_word works. */
static void sort_words(struct words *words)
{
    if (words->count > 0)
        qsort(words->items, words->count, sizeof(struct word), compare_words);
}

/* Whether a word is there. */
static bool has_word(const struct words *words, const char *start, size_t length)
{
    struct word key = {start, length};

    return words->count > 0 &&
           bsearch(&key, words->items, words->count, sizeof(key), compare_words) != NULL;
}

/* How many name characters are at P. */
static size_t name_length(const char *p)
{
    size_t length = 0;

    while (text_is_name(p[length]))
        length++;
    return length;
}

/* Collect the names that VALUE refers to: $name, ${name, $(name, also inside others. */
static void collect_references(struct words *words, const char *value)
{
    for (const char *p = strchr(value, '$'); p != NULL; p = strchr(p, '$')) {
        p++;
        if (*p == '$') {
            p++;
            continue;
        }
        while (*p == '{' || *p == '(' || text_is_blank(*p))
            p++;
        size_t length = name_length(p);
        add_word(words, p, length);
        p += length;
    }
}

/* Collect the names of tables whose parameters stand in main.cf as TABLE_parameter: ldap:TABLE. */
static void collect_tables(struct words *words, const char *value)
{
    static const char *const types[] = {
        "ldap:", "mysql:", "pgsql:", "sqlite:", "mongodb:", "memcache:"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t type = strlen(types[i]);

        for (const char *p = strstr(value, types[i]); p != NULL; p = strstr(p, types[i])) {
            p += type;
            add_word(words, p, name_length(p));
        }
    }
}

/* Collect the restriction classes that the operator has defined. */
static void collect_classes(struct words *words, const char *value)
{
    const char *word;
    size_t length;

    while ((word = text_next(&value, TEXT_LIST_SEPARATORS, false, &length)) != NULL)
        add_word(words, word, length);
}

/* Whether NAME is TABLE_something for one of the tables. */
static bool is_table_parameter(const struct words *tables, const char *name)
{
    for (const char *p = strchr(name, '_'); p != NULL; p = strchr(p + 1, '_')) {
        if (has_word(tables, name, (size_t)(p - name)))
            return true;
    }
    return false;
}

/* What kind of name it is. */
static enum setting_role find_role(const struct setting *setting, const struct words *references,
                                   const struct words *tables)
{
    size_t length = strlen(setting->name);

    if (param_row_find(setting->name, length) != NULL)
        return SETTING_PARAM;
    if (known_note_find(setting->name) != NULL || known_is_foreign(setting->name, length))
        return SETTING_FOREIGN;
    if (has_word(references, setting->name, length) || is_table_parameter(tables, setting->name))
        return SETTING_USER;
    return SETTING_UNUSED;
}

/* Say what there is to say about a parameter of Postfix. */
static void report_foreign(const struct setting *setting, struct diag *diag)
{
    const struct known_note *note = known_note_find(setting->name);

    if (note == NULL)
        diag_info(diag, "%s: %s is a parameter of Postfix that gatepost does not need",
                  setting->origin, setting->name);
    else if (!known_note_harmless(note, setting->value))
        diag_add(diag, note->severity, "%s: %s = %.100s: %s", setting->origin, setting->name,
                 setting->value, note->text);
}

/* Warn of a name that means nothing, and say what may have been meant. */
static void report_unused(const struct setting *setting, struct diag *diag)
{
    const char *nearest = config_nearest_name(setting->name);

    if (nearest != NULL)
        diag_warning(diag, "%s: unused parameter: %.100s=%.200s; did you mean \"%s\"?",
                     setting->origin, setting->name, setting->value, nearest);
    else
        diag_warning(diag, "%s: unused parameter: %.100s=%.200s", setting->origin, setting->name,
                     setting->value);
}

/* Whether a setting is the one that counts for its name. */
static bool is_effective(const struct settings *settings, const struct setting *setting)
{
    return settings_find(settings, setting->name, strlen(setting->name)) == setting;
}

/* Report on all fresh settings in the order in which they were given. */
static void report_all(const struct settings *settings, struct diag *diag)
{
    size_t unused = 0;

    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *setting = &settings->all[i];

        if (!setting->fresh || !is_effective(settings, setting))
            continue;
        if (setting->role == SETTING_FOREIGN)
            report_foreign(setting, diag);
        else if (setting->role == SETTING_UNUSED && unused++ < MAX_UNUSED_REPORTED)
            report_unused(setting, diag);
    }
    if (unused > MAX_UNUSED_REPORTED)
        diag_warning(diag, "%zu more unused parameters", unused - MAX_UNUSED_REPORTED);
}

void names_classify(struct settings *settings, struct diag *diag)
{
    struct words references = {0};
    struct words tables = {0};

    for (size_t i = 0; i < settings->count; i++) {
        const char *value = settings->all[i].value;

        collect_references(&references, value);
        collect_tables(&tables, value);
        if (strcmp(settings->all[i].name, "smtpd_restriction_classes") == 0)
            collect_classes(&references, value);
    }
    sort_words(&references);
    sort_words(&tables);
    for (size_t i = 0; i < settings->count; i++)
        settings->all[i].role = find_role(&settings->all[i], &references, &tables);
    report_all(settings, diag);
    free(references.items);
    free(tables.items);
}

/* Remember NAME as *BEST if it is nearer to WANTED than what was found before. */
static void consider(const char *wanted, const char *name, const char **best, unsigned *limit)
{
    if (*limit == 0)
        return;
    unsigned distance = nearest_distance(wanted, name, *limit);
    if (distance <= *limit) {
        *best = name;
        *limit = distance - (distance > 0);
    }
}

const char *config_nearest_name(const char *name)
{
    const char *best = NULL;
    unsigned limit = nearest_limit(name);

    for (size_t i = 0; i < PARAM_COUNT; i++)
        consider(name, param_table[i].name, &best, &limit);
    for (size_t i = 0; i < known_note_count; i++)
        consider(name, known_notes[i].name, &best, &limit);
    for (size_t i = 0; i < known_foreign_count; i++)
        consider(name, known_foreign[i], &best, &limit);
    return best;
}
