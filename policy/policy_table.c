/*
 * policy_table.c: tables are read, asked and freed.
 */
#include "policy/policy_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "policy/policy_line.h"
#include "policy/policy_maps.h"
#include "policy/policy_rules.h"
#include "policy/policy_values.h"
#include "policy/prefix_index.h"
#include "policy/text.h"

#define MAX_PREFIXES ((size_t)1 << 24) /* of a family */
#define MAX_ERRORS 100                 /* reported before the reader gives up */
#define MAX_EXPIRED 100                /* expired lines reported one by one */
#define DATE_CACHE 256
#define ERROR_SIZE 1024

enum family { FAMILY_IPV4, FAMILY_IPV6, FAMILY_COUNT };

struct policy_table {
    struct prefix_index *index[FAMILY_COUNT];
    struct policy_rules rules;
    char **files;
    size_t file_count;
    size_t expired; /* lines that had expired when the table was made */
};

/* Prefixes of a family in the order in which they were read. */
struct entries {
    struct prefix_entry *all;
    size_t count;
    size_t capacity;
};

/* What is known while a table is made. */
struct loader {
    struct policy_table *table;
    const char *digest;
    time_t now;
    struct diag *diag;
    unsigned errors_before; /* in DIAG */
    const char *origin;     /* of the present map, see struct policy_map_name; owned */
    struct entries entries[FAMILY_COUNT];
    struct policy_line *line;
    struct {
        uint32_t date;
        time_t until;
    } dates[DATE_CACHE]; /* mktime(3) looks for a new time zone whenever it is asked */
};

/* Begin a map. */
static void begin_map(void *ctx, const struct policy_map_name *name)
{
    struct loader *loader = ctx;
    struct policy_table *table = loader->table;

    table->files = text_resize(table->files, table->file_count + 1, sizeof(*table->files));
    table->files[table->file_count++] = text_copy(name->file);
    loader->origin = name->origin;
}

/* "FILE, line N" of a line, for the caller to free. */
static char *describe_place(const struct loader *loader, unsigned line)
{
    struct text text = {0};

    text_format(&text, "%s%s, line %u", loader->origin,
                loader->table->files[loader->table->file_count - 1], line);
    return text_take(&text);
}

/* Report an error in a line. */
static void refuse_line(struct loader *loader, unsigned line, const char *what)
{
    char *place = describe_place(loader, line);

    diag_error(loader->diag, "%s: %s", place, what);
    free(place);
}

/* Whether enough was said about what is wrong. */
static bool too_many_errors(const struct loader *loader)
{
    return loader->diag->errors - loader->errors_before >= MAX_ERRORS;
}

/* The first second after a date in local time, 0 for no date. */
static time_t end_of_day(struct loader *loader, const struct policy_date *date)
{
    uint32_t key = date->year * 10000 + date->month * 100 + date->day;
    size_t slot = (date->year * 372 + date->month * 31 + date->day) % DATE_CACHE;
    struct tm tm = {.tm_year = (int)date->year - 1900,
                    .tm_mon = (int)date->month - 1,
                    .tm_mday = (int)date->day + 1,
                    .tm_isdst = -1};

    if (date->year == 0)
        return 0;
    if (loader->dates[slot].date != key) {
        loader->dates[slot].date = key;
        loader->dates[slot].until = mktime(&tm);
    }
    return loader->dates[slot].until;
}

/* Report an expired line, but not a million of them. */
static void report_expired(struct loader *loader, unsigned line)
{
    const struct policy_date *until = &loader->line->until;
    char prefix[PREFIX_TEXT_SIZE];

    if (++loader->table->expired > MAX_EXPIRED)
        return;
    char *place = describe_place(loader, line);
    prefix_format(&loader->line->prefix, prefix);
    diag_warning(loader->diag, "%s: %s: not used any more, since until=%04u-%02u-%02u is over",
                 place, prefix, until->year, until->month, until->day);
    free(place);
}

/* The number of the rule that the parsed line has; UINT32_MAX if it was reported as wrong. */
static uint32_t find_rule(struct loader *loader, unsigned number, time_t until)
{
    struct policy_rules *rules = &loader->table->rules;
    const struct policy_line *line = loader->line;
    bool is_new;
    uint32_t settings = policy_rules_settings(rules, &line->settings, &is_new);

    /* What is wrong or worth a warning is so for all lines that say the same: said once. */
    if (is_new) {
        char *place = describe_place(loader, number);
        int status = policy_values_check(&line->settings, loader->digest, place, loader->diag);

        free(place);
        if (status != 0)
            return UINT32_MAX;
    }
    uint32_t rule = policy_rules_add(rules, settings, until, line->note);
    if (rule == UINT32_MAX)
        refuse_line(loader, number, "too much text in notes: at most 2 GB in all");
    return rule;
}

/* Append a prefix. */
static void add_entry(struct loader *loader, const struct prefix *prefix,
                      const struct prefix_record *record)
{
    struct entries *entries = &loader->entries[prefix->ipv6 ? FAMILY_IPV6 : FAMILY_IPV4];

    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity == 0 ? 64 : entries->capacity * 2;
        entries->all = text_resize(entries->all, entries->capacity, sizeof(*entries->all));
    }
    entries->all[entries->count++] = (struct prefix_entry){prefix->address, *record};
}

/* Take one line. */
static bool add_line(void *ctx, const char *text, size_t length, unsigned number)
{
    struct loader *loader = ctx;
    struct policy_line *line = loader->line;
    char error[ERROR_SIZE];

    if (policy_line_parse(text, length, line, error, sizeof(error)) != 0) {
        refuse_line(loader, number, error);
    } else if (loader->entries[line->prefix.ipv6].count == MAX_PREFIXES) {
        refuse_line(loader, number, "too many prefixes: at most 16777216 of a family are read");
        return false;
    } else {
        time_t until = end_of_day(loader, &line->until);
        uint32_t rule = find_rule(loader, number, until);
        bool expired = until != 0 && until <= loader->now;

        if (expired)
            report_expired(loader, number);
        add_entry(loader, &line->prefix,
                  &(struct prefix_record){.rule = rule,
                                          .line = number,
                                          .source = (uint16_t)(loader->table->file_count - 1),
                                          .length = line->prefix.length,
                                          .expired = expired});
    }
    if (!too_many_errors(loader))
        return true;
    refuse_line(loader, number, "too many errors: what follows was not read");
    return false;
}

/* Report a prefix that stands in two places. */
static void report_duplicate(struct loader *loader, const struct prefix_entry *first,
                             const struct prefix_entry *second, bool ipv6)
{
    struct prefix prefix = {first->address, ipv6, first->record.length};
    char text[PREFIX_TEXT_SIZE];

    prefix_format(&prefix, text);
    diag_error(loader->diag,
               "%s, line %u: %s is already in %s, line %u: each prefix can have one line only",
               loader->table->files[second->record.source], second->record.line, text,
               loader->table->files[first->record.source], first->record.line);
}

/* Sort a family and look for prefixes that come twice. */
static void sort_entries(struct loader *loader, struct entries *entries, bool ipv6)
{
    prefix_index_sort(entries->all, entries->count);
    for (size_t i = 1; i < entries->count; i++) {
        const struct prefix_entry *a = &entries->all[i - 1];
        const struct prefix_entry *b = &entries->all[i];

        if (a->address.high != b->address.high || a->address.low != b->address.low ||
            a->record.length != b->record.length)
            continue;
        if (too_many_errors(loader)) {
            diag_error(loader->diag, "too many errors: not all duplicates are shown");
            return;
        }
        report_duplicate(loader, a, b, ipv6);
    }
}

/* Read all lines, and make the indexes if nothing was wrong. */
static void load(struct loader *loader, const char *maps, const char *origin)
{
    struct policy_table *table = loader->table;
    static const struct policy_maps_form form = {"smtpd_tls_policy_maps", "cidr",
                                                 "{ address level ... }"};
    struct policy_maps_reader reader = {&form, begin_map, add_line, loader};

    policy_maps_read(maps, origin, &reader, loader->diag);
    if (table->expired > MAX_EXPIRED)
        diag_warning(loader->diag, "%s: smtpd_tls_policy_maps: %zu more lines have expired", origin,
                     table->expired - MAX_EXPIRED);
    policy_rules_finish(&table->rules);
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        struct entries *entries = &loader->entries[i];

        sort_entries(loader, entries, i == FAMILY_IPV6);
        if (loader->diag->errors == loader->errors_before)
            table->index[i] = prefix_index_build(entries->all, entries->count, i == FAMILY_IPV6);
        free(entries->all);
    }
}

struct policy_table *policy_table_load(const struct config *config, time_t now, struct diag *diag)
{
    struct policy_table *table = text_alloc(1, sizeof(*table));
    struct loader *loader = text_alloc(1, sizeof(*loader));

    loader->table = table;
    loader->digest = config_str(config, PARAM_smtpd_tls_fingerprint_digest);
    loader->now = now;
    loader->diag = diag;
    loader->errors_before = diag->errors;
    loader->line = text_alloc(1, sizeof(*loader->line));
    load(loader, config_str(config, PARAM_smtpd_tls_policy_maps),
         config_origin(config, PARAM_smtpd_tls_policy_maps));
    if (diag->errors != loader->errors_before) {
        policy_table_free(table);
        table = NULL;
    }
    free(loader->line);
    free(loader);
    return table;
}

void policy_table_free(struct policy_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        prefix_index_free(table->index[i]);
    policy_rules_free(&table->rules);
    for (size_t i = 0; i < table->file_count; i++)
        free(table->files[i]);
    free(table->files);
    free(table);
}

/* Say everything about one line. */
static void describe(const struct policy_table *table, const struct prefix_record *record,
                     const struct prefix *prefix, struct policy_match *match)
{
    const struct policy_rule *rule = &table->rules.rules[record->rule];

    match->settings = rule->settings;
    match->file = table->files[record->source];
    match->line = record->line;
    match->note = policy_rules_note(&table->rules, rule);
    match->until = rule->until;
    prefix_format(prefix, match->prefix);
}

bool policy_table_lookup(const struct policy_table *table, int family, const uint8_t *address,
                         time_t now, struct policy_match *match)
{
    bool ipv6 = family == AF_INET6;

    if (!ipv6 && family != AF_INET)
        return false;
    struct prefix_address key = prefix_address_read(address, ipv6);
    if (ipv6 && prefix_address_mapped(key, &key))
        ipv6 = false;

    const struct prefix_index *index = table->index[ipv6 ? FAMILY_IPV6 : FAMILY_IPV4];
    uint32_t number = prefix_index_find(index, key);
    while (number != PREFIX_INDEX_NONE) {
        const struct prefix_record *record = prefix_index_record(index, number);
        time_t until = table->rules.rules[record->rule].until;

        if (!record->expired && (until == 0 || now < until)) {
            /* Not read from the index, since the key has it: memory is what takes time. */
            struct prefix prefix = {prefix_address_cut(key, record->length), ipv6, record->length};

            describe(table, record, &prefix, match);
            return true;
        }
        number = record->parent;
    }
    return false;
}

size_t policy_table_settings_count(const struct policy_table *table)
{
    return table->rules.settings_count;
}

const struct policy_settings *policy_table_settings(const struct policy_table *table, size_t index)
{
    return &table->rules.settings[index];
}

size_t policy_table_size(const struct policy_table *table)
{
    return prefix_index_count(table->index[FAMILY_IPV4]) +
           prefix_index_count(table->index[FAMILY_IPV6]) - table->expired;
}

/* A line in the order of files and lines. */
struct place {
    uint32_t number;
    uint32_t line;
    uint16_t source;
    uint16_t family;
};

/* Order of two places. */
static int compare_places(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;

    if (a->source != b->source)
        return a->source < b->source ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

void policy_table_each(const struct policy_table *table,
                       void (*each)(void *ctx, const struct policy_match *line, bool expired),
                       void *ctx)
{
    size_t count = policy_table_size(table) + table->expired;
    struct place *places = text_alloc(count, sizeof(*places));
    size_t used = 0;

    for (unsigned family = 0; family < FAMILY_COUNT; family++) {
        for (uint32_t i = 0; i < prefix_index_count(table->index[family]); i++) {
            const struct prefix_record *record = prefix_index_record(table->index[family], i);

            places[used++] = (struct place){i, record->line, record->source, (uint16_t)family};
        }
    }
    qsort(places, count, sizeof(*places), compare_places);
    for (size_t i = 0; i < count; i++) {
        const struct prefix_index *index = table->index[places[i].family];
        const struct prefix_record *record = prefix_index_record(index, places[i].number);
        struct prefix prefix = prefix_index_prefix(index, places[i].number);
        struct policy_match match;

        describe(table, record, &prefix, &match);
        each(ctx, &match, record->expired);
    }
    free(places);
}
