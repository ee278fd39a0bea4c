/*
 * address_list.c: lists of addresses are read and asked.
 *
 * "First match" is found with an index for "longest match": all networks around an address are
 * ancestors of the longest one, and the one that was written first among them decides.
 */
#include "policy/address_list.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "policy/match_list.h"
#include "policy/prefix.h"
#include "policy/prefix_index.h"
#include "policy/text.h"

#define MAX_PREFIXES ((size_t)1 << 24) /* of a family */
#define MAX_WARNINGS 20
#define SHOWN 60 /* bytes of a name in warnings */
#define ERROR_SIZE 1024

enum family { FAMILY_IPV4, FAMILY_IPV6, FAMILY_COUNT };

struct address_list {
    struct prefix_index *index[FAMILY_COUNT]; /* a record's RULE is 1 if it says no; LINE is its
                                                 place in the list */
};

/* Networks of a family in the order in which they were written. */
struct entries {
    struct prefix_entry *all;
    size_t count;
    size_t capacity;
};

/* What is known while a list is read. */
struct loader {
    const char *name;
    enum address_list_names names;
    struct match_list match;
    unsigned host_names;
    uint32_t order;
    struct entries entries[FAMILY_COUNT];
};

/* Add a network. */
static void add_prefix(struct loader *loader, const struct prefix *prefix, bool negated)
{
    struct entries *entries = &loader->entries[prefix->ipv6 ? FAMILY_IPV6 : FAMILY_IPV4];

    if (entries->count == MAX_PREFIXES) {
        diag_error(loader->match.diag, "%s: too many addresses: at most %zu of a family are read",
                   loader->name, MAX_PREFIXES);
        loader->match.stopped = true;
        return;
    }
    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity != 0 ? 2 * entries->capacity : 16;
        entries->all = text_resize(entries->all, entries->capacity, sizeof(*entries->all));
    }
    entries->all[entries->count++] = (struct prefix_entry){
        .address = prefix->address,
        .record = {.length = prefix->length, .rule = negated, .line = loader->order++}};
}

/* Read an address or network. */
static void read_prefix(struct loader *loader, const char *where, const char *element,
                        size_t length, bool negated)
{
    char error[ERROR_SIZE];
    struct prefix prefix;

    if (prefix_parse(element, length, &prefix, error, sizeof(error)) != 0)
        diag_error(loader->match.diag, "%s: %s", where, error);
    else
        add_prefix(loader, &prefix, negated);
}

/* Whether LENGTH bytes at TEXT are WORD, in any case. */
static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

/* A line of a cidr table. */
static void read_rule(struct match_list *list, const char *where, char *line, size_t length,
                      bool negated)
{
    struct loader *loader = list->ctx;
    size_t pattern = 0;

    while (pattern < length && !text_is_blank(line[pattern]))
        pattern++;
    if (*line == '!' || is_word(line, pattern, "if") || is_word(line, pattern, "endif"))
        match_list_refuse(
            &loader->match, where, line, pattern,
            "negated patterns and if ... endif are not supported in a list of addresses");
    else if (pattern == length)
        match_list_refuse(&loader->match, where, line, pattern,
                          "no result: cidr_table(5) wants one, such as OK");
    else
        read_prefix(loader, where, line, pattern, negated);
}

/* All addresses of both families. */
static void add_all(struct loader *loader, bool negated)
{
    const struct prefix ipv4 = {.ipv6 = false};
    const struct prefix ipv6 = {.ipv6 = true};

    add_prefix(loader, &ipv4, negated);
    add_prefix(loader, &ipv6, negated);
}

/* Read "type:table". */
static void read_table(struct loader *loader, const char *where, const char *element, bool negated)
{
    size_t length = strlen(element);

    if (strncmp(element, "static:", strlen("static:")) == 0)
        add_all(loader, negated);
    else if (strncmp(element, "cidr:/", strlen("cidr:/")) == 0)
        match_list_read_file(&loader->match, where, element + strlen("cidr:"), negated, read_rule);
    else
        match_list_refuse(
            &loader->match, where, element, length,
            "this kind of table cannot be used here: specify addresses, /file/name or "
            "cidr:/file/name");
}

/* A host name. */
static void read_name(struct loader *loader, const char *where, const char *element, bool negated)
{
    size_t length = strlen(element);

    if (*element == '#')
        match_list_refuse(&loader->match, where, element, length,
                          "a comment must be on a line of its own");
    else if (negated)
        match_list_refuse(&loader->match, where, element, length,
                          "gatepost looks no host names up, and would not make this exception");
    else if (loader->names == ADDRESS_LIST_NAMES_REFUSE)
        match_list_refuse(&loader->match, where, element, length,
                          "not an address: gatepost looks no host names up");
    else if (loader->host_names++ < MAX_WARNINGS)
        diag_warning(loader->match.diag,
                     "%s: \"%.*s%s\" matches nobody: it is not an address, and gatepost looks no "
                     "host names up",
                     where, SHOWN, element, length > SHOWN ? "..." : "");
}

/* Read one element. */
static void read_element(struct match_list *list, const char *where, char *element, size_t length,
                         bool negated)
{
    struct loader *loader = list->ctx;
    const char *colon = strchr(element, ':');
    bool numeric = strspn(element, "0123456789.") == length;
    bool bracket = *element == '[';
    /* "cdb:/file" is no IPv6 address, and "fe80::1/64" no table. */
    bool address = strspn(element, "0123456789abcdefABCDEF.:/[]") == length &&
                   (colon == NULL || colon[1] != '/');

    if (colon != NULL && !bracket && !address)
        read_table(loader, where, element, negated);
    else if (bracket || colon != NULL || numeric || strchr(element, '/') != NULL)
        read_prefix(loader, where, element, length, negated);
    else
        read_name(loader, where, element, negated);
}

/* Make an index of what was read: of each network the first mention. */
static struct prefix_index *build(struct entries *entries, bool ipv6)
{
    size_t kept = 0;

    prefix_index_sort(entries->all, entries->count);
    for (size_t i = 0; i < entries->count; i++) {
        const struct prefix_entry *last = kept > 0 ? &entries->all[kept - 1] : NULL;
        const struct prefix_entry *next = &entries->all[i];

        if (last == NULL || last->address.high != next->address.high ||
            last->address.low != next->address.low || last->record.length != next->record.length)
            entries->all[kept++] = *next;
    }
    return prefix_index_build(entries->all, kept, ipv6);
}

struct address_list *address_list_load(const char *name, const char *value, const char *origin,
                                       enum address_list_names names, struct diag *diag)
{
    struct loader loader = {.name = name, .names = names};
    struct address_list *list = NULL;
    struct text where = {0};
    unsigned errors = diag->errors;

    loader.match = (struct match_list){.element = read_element, .diag = diag, .ctx = &loader};
    text_format(&where, "%s: %s", origin, name);
    match_list_read(&loader.match, where.data, value);
    if (diag->errors == errors) {
        list = text_alloc(1, sizeof(*list));
        for (int family = 0; family < FAMILY_COUNT; family++)
            list->index[family] = build(&loader.entries[family], family == FAMILY_IPV6);
    }
    for (int family = 0; family < FAMILY_COUNT; family++)
        free(loader.entries[family].all);
    text_free(&where);
    return list;
}

void address_list_free(struct address_list *list)
{
    if (list == NULL)
        return;
    for (int family = 0; family < FAMILY_COUNT; family++)
        prefix_index_free(list->index[family]);
    free(list);
}

bool address_list_match(const struct address_list *list, int family, const uint8_t *address)
{
    const struct prefix_index *index = list->index[FAMILY_IPV4];
    struct prefix_address key;
    uint32_t first = UINT32_MAX;
    bool found = false;

    if (family != AF_INET && family != AF_INET6)
        return false;
    key = prefix_address_read(address, family == AF_INET6);
    if (family == AF_INET6 && !prefix_address_mapped(key, &key))
        index = list->index[FAMILY_IPV6];
    for (uint32_t number = prefix_index_find(index, key); number != PREFIX_INDEX_NONE;) {
        const struct prefix_record *record = prefix_index_record(index, number);

        if (record->line < first) {
            first = record->line;
            found = record->rule == 0;
        }
        number = record->parent;
    }
    return found;
}

size_t address_list_size(const struct address_list *list)
{
    return prefix_index_count(list->index[FAMILY_IPV4]) +
           prefix_index_count(list->index[FAMILY_IPV6]);
}
