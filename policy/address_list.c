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

#include "policy/line_source.h"
#include "policy/prefix.h"
#include "policy/prefix_index.h"
#include "policy/text.h"

#define MAX_PREFIXES ((size_t)1 << 24) /* of a family */
#define MAX_DEPTH 16                   /* of files that name files */
#define MAX_FILES 1000
#define MAX_ERRORS 100 /* reported before the reader gives up */
#define MAX_WARNINGS 20
#define SHOWN 60 /* bytes of an element in messages */
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
    struct diag *diag;
    unsigned errors_before; /* in DIAG */
    bool stopped;           /* a limit was reached */
    unsigned files;
    unsigned host_names;
    uint32_t order;
    struct entries entries[FAMILY_COUNT];
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
                   size_t length, const char *what)
{
    diag_error(loader->diag, "%s: \"%.*s%s\": %s", place->where,
               (int)(length < SHOWN ? length : SHOWN), element, length > SHOWN ? "..." : "", what);
}

/* Whether so much is wrong that nobody would read on. */
static bool is_hopeless(const struct loader *loader)
{
    return loader->stopped || loader->diag->errors - loader->errors_before >= MAX_ERRORS;
}

/* Add a network. */
static void add_prefix(struct loader *loader, const struct prefix *prefix, bool negated)
{
    struct entries *entries = &loader->entries[prefix->ipv6 ? FAMILY_IPV6 : FAMILY_IPV4];

    if (entries->count == MAX_PREFIXES) {
        diag_error(loader->diag, "%s: too many addresses: at most %zu of a family are read",
                   loader->name, MAX_PREFIXES);
        loader->stopped = true;
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
static void read_prefix(struct loader *loader, const struct place *place, const char *element,
                        size_t length, bool negated)
{
    char error[ERROR_SIZE];
    struct prefix prefix;

    if (prefix_parse(element, length, &prefix, error, sizeof(error)) != 0)
        diag_error(loader->diag, "%s: %s", place->where, error);
    else
        add_prefix(loader, &prefix, negated);
}

/* Whether LENGTH bytes at TEXT are WORD, in any case. */
static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

/* A line of a cidr table. */
static void read_rule(struct loader *loader, const struct place *place, const char *line,
                      size_t length, bool negated)
{
    size_t pattern = 0;

    while (pattern < length && !text_is_blank(line[pattern]))
        pattern++;
    if (*line == '!' || is_word(line, pattern, "if") || is_word(line, pattern, "endif"))
        refuse(loader, place, line, pattern,
               "negated patterns and if ... endif are not supported in a list of addresses");
    else if (pattern == length)
        refuse(loader, place, line, pattern, "no result: cidr_table(5) wants one, such as OK");
    else
        read_prefix(loader, place, line, pattern, negated);
}

/* Read a file: with TABLE a cidr table, else a list. */
static void read_file(struct loader *loader, const struct place *place, const char *path,
                      bool negated, bool table)
{
    const char *line;
    size_t length;
    unsigned number;

    if (place->depth == MAX_DEPTH || loader->files++ == MAX_FILES) {
        refuse(loader, place, path, strlen(path), "too many files that name files");
        loader->stopped = true;
        return;
    }
    struct line_source *source = line_source_open(path, loader->diag);
    while (source != NULL && !is_hopeless(loader) &&
           (line = line_source_next(source, &length, &number)) != NULL) {
        struct text where = {0};
        char *copy = text_copy_n(line, length);

        text_format(&where, "%s, line %u", path, number);
        struct place inside = {.where = where.data, .depth = place->depth + 1};
        if (table)
            read_rule(loader, &inside, copy, length, negated);
        else
            read_list(loader, &inside, copy, negated);
        free(copy);
        text_free(&where);
    }
    line_source_close(source);
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
static void read_table(struct loader *loader, const struct place *place, const char *element,
                       bool negated)
{
    size_t length = strlen(element);

    if (strncmp(element, "static:", strlen("static:")) == 0)
        add_all(loader, negated);
    else if (strncmp(element, "cidr:/", strlen("cidr:/")) == 0)
        read_file(loader, place, element + strlen("cidr:"), negated, true);
    else
        refuse(loader, place, element, length,
               "this kind of table cannot be used here: specify addresses, /file/name or "
               "cidr:/file/name");
}

/* A host name. */
static void read_name(struct loader *loader, const struct place *place, const char *element,
                      bool negated)
{
    size_t length = strlen(element);

    if (*element == '#')
        refuse(loader, place, element, length, "a comment must be on a line of its own");
    else if (negated)
        refuse(loader, place, element, length,
               "gatepost looks no host names up, and would not make this exception");
    else if (loader->names == ADDRESS_LIST_NAMES_REFUSE)
        refuse(loader, place, element, length, "not an address: gatepost looks no host names up");
    else if (loader->host_names++ < MAX_WARNINGS)
        diag_warning(loader->diag,
                     "%s: \"%.*s%s\" matches nobody: it is not an address, and gatepost looks no "
                     "host names up",
                     place->where, SHOWN, element, length > SHOWN ? "..." : "");
}

/* Read one element, without its '!'. */
static void read_element(struct loader *loader, const struct place *place, const char *element,
                         bool negated)
{
    size_t length = strlen(element);
    const char *colon = strchr(element, ':');
    bool numeric = strspn(element, "0123456789.") == length;
    bool bracket = *element == '[';
    /* "cdb:/file" is no IPv6 address, and "fe80::1/64" no table. */
    bool address = strspn(element, "0123456789abcdefABCDEF.:/[]") == length &&
                   (colon == NULL || colon[1] != '/');

    if (length == 0)
        refuse(loader, place, "!", 1, "nothing follows");
    else if (*element == '/')
        read_file(loader, place, element, negated, false);
    else if (colon != NULL && !bracket && !address)
        read_table(loader, place, element, negated);
    else if (bracket || colon != NULL || numeric || strchr(element, '/') != NULL)
        read_prefix(loader, place, element, length, negated);
    else
        read_name(loader, place, element, negated);
}

/* Read a list; NEGATED: it stands behind a '!'. */
static void read_list(struct loader *loader, const struct place *place, const char *text,
                      bool negated)
{
    const char *cursor = text;
    const char *element;
    size_t length;

    while (!is_hopeless(loader) &&
           (element = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        bool no = negated;

        for (; length > 0 && *element == '!'; length--, element++)
            no = !no;
        char *copy = text_copy_n(element, length);
        read_element(loader, place, copy, no);
        free(copy);
    }
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
    struct loader loader = {.name = name, .names = names, .diag = diag};
    struct address_list *list = NULL;
    struct text where = {0};
    unsigned errors = diag->errors;

    loader.errors_before = errors;
    text_format(&where, "%s: %s", origin, name);
    read_list(&loader, &(struct place){.where = where.data}, value, false);
    /* cppcheck-suppress knownConditionTrueFalse ; read_list reports to diag, by loader */
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
