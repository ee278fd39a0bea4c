/*
 * policy_rules.c: settings and rules are found by their content.
 */
#include "policy/policy_rules.h"

#include <stdlib.h>
#include <string.h>

#define HASH_SIZE_MIN 256
#define STRING_COUNT 6

/* FNV-1a, continued from HASH over bytes. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

/* The same over a number. */
static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return (hash ^ number ^ (number >> 32)) * 0x9e3779b97f4a7c15u;
}

/* The same over a string, and over NULL, which is not an empty one. */
static uint64_t hash_string(uint64_t hash, const char *string)
{
    return string != NULL ? hash_bytes(hash_number(hash, 1), string, strlen(string))
                          : hash_number(hash, 2);
}

/* 32 bits that depend on all of HASH. */
static uint32_t finish_hash(uint64_t hash)
{
    return (uint32_t)((hash ^ hash >> 32) * 0x9e3779b97f4a7c15u >> 32);
}

/* Put a number into a free slot. */
static void put(struct policy_hash *table, uint32_t hash, uint32_t number)
{
    size_t slot = hash & (table->size - 1);

    while (table->slots[slot] != 0)
        slot = (slot + 1) & (table->size - 1);
    table->slots[slot] = (uint64_t)hash << 32 | (number + 1);
}

/* Double a table once it is half full. What the numbers stand for is not looked at. */
static void make_room(struct policy_hash *table)
{
    struct policy_hash old = *table;

    if (table->used * 2 < table->size)
        return;
    table->size = old.size == 0 ? HASH_SIZE_MIN : old.size * 2;
    table->slots = text_alloc(table->size, sizeof(*table->slots));
    for (size_t i = 0; i < old.size; i++) {
        if (old.slots[i] != 0)
            put(table, (uint32_t)(old.slots[i] >> 32), (uint32_t)old.slots[i] - 1);
    }
    free(old.slots);
}

/* Numbers with this hash, one after the other: begin with *SLOT = HASH. UINT32_MAX: no more. */
static uint32_t next_number(const struct policy_hash *table, uint32_t hash, size_t *slot)
{
    for (;;) {
        uint64_t entry = table->slots[*slot & (table->size - 1)];

        ++*slot;
        if (entry == 0)
            return UINT32_MAX;
        if (entry >> 32 == hash)
            return (uint32_t)entry - 1;
    }
}

/* The strings of settings, in one order. */
static void list_strings(const struct policy_settings *settings, const char *strings[STRING_COUNT])
{
    strings[0] = settings->protocols;
    strings[1] = settings->ciphers;
    strings[2] = settings->exclude;
    strings[3] = settings->curves;
    strings[4] = settings->cipherlist;
    strings[5] = settings->match;
}

/* The hash of settings. */
static uint64_t hash_settings(const struct policy_settings *settings)
{
    const char *strings[STRING_COUNT];
    uint64_t hash = hash_number(settings->level, settings->ccert);

    hash = hash_number(hash, settings->tickets);
    list_strings(settings, strings);
    for (size_t i = 0; i < STRING_COUNT; i++)
        hash = hash_string(hash, strings[i]);
    return hash;
}

/* Whether settings are the same. */
static bool same_settings(const struct policy_settings *a, const struct policy_settings *b)
{
    const char *left[STRING_COUNT];
    const char *right[STRING_COUNT];

    if (a->level != b->level || a->ccert != b->ccert || a->tickets != b->tickets)
        return false;
    list_strings(a, left);
    list_strings(b, right);
    for (size_t i = 0; i < STRING_COUNT; i++) {
        if ((left[i] == NULL) != (right[i] == NULL) ||
            (left[i] != NULL && strcmp(left[i], right[i]) != 0))
            return false;
    }
    return true;
}

/* The hash of a rule. */
static uint64_t hash_rule(uint32_t settings, time_t until, const char *note)
{
    return hash_string(hash_number(hash_number(settings, 3), (uint64_t)until), note);
}

/* Append new settings with copies of the strings. */
static void append_settings(struct policy_rules *rules, const struct policy_settings *settings)
{
    struct policy_settings *copy;
    const char **places[STRING_COUNT];
    const char *strings[STRING_COUNT];
    struct text all = {0};

    if (rules->settings_count == rules->settings_capacity) {
        rules->settings_capacity =
            rules->settings_capacity == 0 ? 16 : rules->settings_capacity * 2;
        rules->settings =
            text_resize(rules->settings, rules->settings_capacity, sizeof(*rules->settings));
        rules->strings =
            text_resize(rules->strings, rules->settings_capacity, sizeof(*rules->strings));
    }
    copy = &rules->settings[rules->settings_count];
    *copy = *settings;
    list_strings(settings, strings);
    for (size_t i = 0; i < STRING_COUNT; i++) {
        if (strings[i] != NULL)
            text_add(&all, strings[i], strlen(strings[i]) + 1);
    }
    char *next = text_take(&all);
    rules->strings[rules->settings_count++] = next;
    places[0] = &copy->protocols;
    places[1] = &copy->ciphers;
    places[2] = &copy->exclude;
    places[3] = &copy->curves;
    places[4] = &copy->cipherlist;
    places[5] = &copy->match;
    for (size_t i = 0; i < STRING_COUNT; i++) {
        if (strings[i] != NULL) {
            *places[i] = next;
            next += strlen(next) + 1;
        }
    }
}

uint32_t policy_rules_settings(struct policy_rules *rules, const struct policy_settings *settings,
                               bool *is_new)
{
    struct policy_hash *table = &rules->settings_hash;
    uint32_t hash = finish_hash(hash_settings(settings));
    size_t slot = hash;
    uint32_t number;

    make_room(table);
    *is_new = false;
    while ((number = next_number(table, hash, &slot)) != UINT32_MAX) {
        if (same_settings(&rules->settings[number], settings))
            return number;
    }
    *is_new = true;
    append_settings(rules, settings);
    number = (uint32_t)(rules->settings_count - 1);
    put(table, hash, number);
    table->used++;
    return number;
}

/* Append a note. 0 if there is no room. */
static uint32_t append_note(struct policy_rules *rules, const char *note)
{
    size_t length = strlen(note) + 1;

    if (rules->notes.length == 0)
        text_add_char(&rules->notes, '\0'); /* so that no note begins at 0 */
    if (length > POLICY_NOTES_MAX - rules->notes.length)
        return 0;
    text_add(&rules->notes, note, length);
    return (uint32_t)(rules->notes.length - length);
}

/* Whether a rule says this. */
static bool same_rule(const struct policy_rules *rules, const struct policy_rule *rule,
                      uint32_t settings, time_t until, const char *note)
{
    const char *own = policy_rules_note(rules, rule);

    if (rule->settings != settings || rule->until != until || (own == NULL) != (note == NULL))
        return false;
    return note == NULL || strcmp(own, note) == 0;
}

uint32_t policy_rules_add(struct policy_rules *rules, uint32_t settings, time_t until,
                          const char *note)
{
    struct policy_hash *table = &rules->rule_hash;
    uint32_t hash = finish_hash(hash_rule(settings, until, note));
    struct policy_rule rule = {.until = until, .settings = settings};
    size_t slot = hash;
    uint32_t number;

    make_room(table);
    while ((number = next_number(table, hash, &slot)) != UINT32_MAX) {
        if (same_rule(rules, &rules->rules[number], settings, until, note))
            return number;
    }
    if (note != NULL && (rule.note = append_note(rules, note)) == 0)
        return UINT32_MAX;
    if (rules->rule_count == rules->rule_capacity) {
        rules->rule_capacity = rules->rule_capacity == 0 ? 16 : rules->rule_capacity * 2;
        rules->rules = text_resize(rules->rules, rules->rule_capacity, sizeof(*rules->rules));
    }
    rules->rules[rules->rule_count] = rule;
    put(table, hash, (uint32_t)rules->rule_count);
    table->used++;
    return (uint32_t)rules->rule_count++;
}

const char *policy_rules_note(const struct policy_rules *rules, const struct policy_rule *rule)
{
    return rule->note != 0 ? rules->notes.data + rule->note : NULL;
}

void policy_rules_finish(struct policy_rules *rules)
{
    free(rules->rule_hash.slots);
    free(rules->settings_hash.slots);
    rules->rule_hash = rules->settings_hash = (struct policy_hash){0};
    rules->rules = text_resize(rules->rules, rules->rule_count, sizeof(*rules->rules));
    rules->settings = text_resize(rules->settings, rules->settings_count, sizeof(*rules->settings));
    rules->strings = text_resize(rules->strings, rules->settings_count, sizeof(*rules->strings));
    rules->rule_capacity = rules->rule_count;
    rules->settings_capacity = rules->settings_count;
    if (rules->notes.data != NULL) {
        rules->notes.capacity = rules->notes.length + 1;
        rules->notes.data = text_resize(rules->notes.data, rules->notes.capacity, 1);
    }
}

void policy_rules_free(struct policy_rules *rules)
{
    for (size_t i = 0; i < rules->settings_count; i++)
        free(rules->strings[i]);
    free(rules->rules);
    free(rules->settings);
    free(rules->strings);
    text_free(&rules->notes);
    free(rules->rule_hash.slots);
    free(rules->settings_hash.slots);
    *rules = (struct policy_rules){0};
}
