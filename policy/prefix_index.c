/*
 * prefix_index.c: sorted addresses under a tree of blocks.
 */
#include "policy/prefix_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "policy/text.h"

#define CACHE_LINE ((size_t)64)
#define HUGE_PAGE ((size_t)2 << 20)
#define BLOCK ((size_t)16)
#define MAX_LEVELS 7 /* BLOCK to the 7th is more than PREFIX_INDEX_MAX */
#define MAX_DEPTH 129

/* Sorted addresses in blocks; the last one is filled up with the highest address. The halves of
 * IPv6 addresses are apart, since mostly the upper ones are enough. */
struct level {
    size_t size;      /* without what fills up the last block */
    uint32_t *narrow; /* IPv4 */
    uint64_t *high;   /* IPv6 */
    uint64_t *low;
};

struct prefix_index {
    bool ipv6;
    size_t count;
    size_t level_count;
    struct level levels[MAX_LEVELS]; /* 0 has all addresses, each further one the first of every
                                        block of the one below, the last a single block */
    struct prefix_record *records;
};

/* Memory for something large that is read at random places: fewer of the processor's page entries
 * are needed if the kernel has large pages to give. Not zeroed. */
static void *allocate(size_t count, size_t size)
{
    size_t bytes;
    void *memory = NULL;

    if (!__builtin_mul_overflow(count, size, &bytes) && bytes < SIZE_MAX - HUGE_PAGE) {
        size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : CACHE_LINE;

        if (posix_memalign(&memory, align, bytes) != 0)
            memory = NULL;
        else if (align == HUGE_PAGE)
            madvise(memory, bytes, MADV_HUGEPAGE); /* only a hint */
    }
    if (memory == NULL) {
        fputs("gatepost: out of memory while reading a policy table\n", stderr);
        abort();
    }
    return memory;
}

/* The address at a place of a level. */
static struct prefix_address get_address(const struct level *level, size_t at)
{
    if (level->narrow != NULL)
        return (struct prefix_address){(uint64_t)level->narrow[at] << 32, 0};
    return (struct prefix_address){level->high[at], level->low[at]};
}

/* Write it. */
static void set_address(struct level *level, size_t at, struct prefix_address address)
{
    if (level->narrow != NULL) {
        level->narrow[at] = (uint32_t)(address.high >> 32);
    } else {
        level->high[at] = address.high;
        level->low[at] = address.low;
    }
}

/* Whether LEFT comes before RIGHT. */
static bool is_before(struct prefix_address left, struct prefix_address right)
{
    return left.high != right.high ? left.high < right.high : left.low < right.low;
}

/* Order of two entries. */
static int compare_entries(const void *left, const void *right)
{
    const struct prefix_entry *a = left;
    const struct prefix_entry *b = right;

    if (is_before(a->address, b->address))
        return -1;
    if (is_before(b->address, a->address))
        return 1;
    if (a->record.length != b->record.length)
        return a->record.length < b->record.length ? -1 : 1;
    if (a->record.source != b->record.source)
        return a->record.source < b->record.source ? -1 : 1;
    return (a->record.line > b->record.line) - (a->record.line < b->record.line);
}

void prefix_index_sort(struct prefix_entry *entries, size_t count)
{
    size_t i = 1;

    while (i < count && compare_entries(&entries[i - 1], &entries[i]) <= 0)
        i++;
    if (i < count)
        qsort(entries, count, sizeof(*entries), compare_entries);
}

/* Find each prefix's parent: whoever contains it is on the stack of those that contain the one
 * before it. */
static void link_parents(struct prefix_index *index, const struct prefix_entry *entries)
{
    uint32_t stack[MAX_DEPTH];
    size_t depth = 0;

    for (size_t i = 0; i < index->count; i++) {
        while (depth > 0 && prefix_common(entries[stack[depth - 1]].address, entries[i].address) <
                                entries[stack[depth - 1]].record.length)
            depth--;
        index->records[i] = entries[i].record;
        index->records[i].parent = depth > 0 ? stack[depth - 1] : PREFIX_INDEX_NONE;
        stack[depth++] = (uint32_t)i; /* lengths grow along the stack: it cannot overflow */
    }
}

/* Make room for a level of SIZE addresses. */
static struct level *add_level(struct prefix_index *index, size_t size)
{
    struct level *level = &index->levels[index->level_count++];
    size_t room = (size + BLOCK - 1) / BLOCK * BLOCK;

    level->size = size;
    if (index->ipv6) {
        level->high = allocate(room, sizeof(*level->high));
        level->low = allocate(room, sizeof(*level->low));
    } else {
        level->narrow = allocate(room, sizeof(*level->narrow));
    }
    for (size_t i = size; i < room; i++)
        set_address(level, i, (struct prefix_address){UINT64_MAX, UINT64_MAX});
    return level;
}

/* Make the levels, from the list of all up to a single block. */
static void build_levels(struct prefix_index *index, const struct prefix_entry *entries)
{
    struct level *level = add_level(index, index->count);

    for (size_t i = 0; i < level->size; i++)
        set_address(level, i, entries[i].address);
    while (level->size > BLOCK) {
        const struct level *below = level;

        level = add_level(index, (below->size + BLOCK - 1) / BLOCK);
        for (size_t i = 0; i < level->size; i++)
            set_address(level, i, get_address(below, i * BLOCK));
    }
}

struct prefix_index *prefix_index_build(const struct prefix_entry *entries, size_t count, bool ipv6)
{
    struct prefix_index *index = text_alloc(1, sizeof(*index));

    index->ipv6 = ipv6;
    index->count = count;
    if (count == 0)
        return index;
    index->records = allocate(count, sizeof(*index->records));
    link_parents(index, entries);
    build_levels(index, entries);
    return index;
}

void prefix_index_free(struct prefix_index *index)
{
    if (index == NULL)
        return;
    for (size_t i = 0; i < index->level_count; i++) {
        free(index->levels[i].narrow);
        free(index->levels[i].high);
        free(index->levels[i].low);
    }
    free(index->records);
    free(index);
}

/* Fetch a block before it is searched, and the records along with the last one, all at once: one
 * line of memory after the other would take as many times as long. In line, since gcc 12 takes a
 * function that only prefetches for one without effect. */
static inline __attribute__((always_inline)) void prefetch(const struct prefix_index *index,
                                                           const struct level *level, size_t at)
{
    if (level->narrow != NULL) {
        __builtin_prefetch(&level->narrow[at]);
    } else {
        for (size_t i = 0; i < BLOCK; i += CACHE_LINE / sizeof(*level->high)) {
            __builtin_prefetch(&level->high[at + i]);
            __builtin_prefetch(&level->low[at + i]);
        }
    }
    if (level == &index->levels[0]) {
        for (size_t i = 0; i < BLOCK; i += CACHE_LINE / sizeof(*index->records))
            __builtin_prefetch(&index->records[at + i]);
    }
}

/* How many addresses of a block are KEY or before it. */
static size_t count_narrow(const uint32_t *block, uint32_t key)
{
    typedef uint32_t four __attribute__((vector_size(16), may_alias));
    const four *numbers = (const four *)__builtin_assume_aligned(block, CACHE_LINE);
    four keys = {key, key, key, key};
    four sum = {0, 0, 0, 0};

    for (size_t i = 0; i < BLOCK / 4; i++)
        /* true is -1. NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a block is never NULL */
        sum -= (four)(numbers[i] <= keys);
    return sum[0] + sum[1] + sum[2] + sum[3];
}

/* The last IPv6 address of the block at AT that is KEY or before it; the first one is. */
static size_t search_wide(const struct level *level, size_t at, struct prefix_address key)
{
    size_t found = at;

    /* No branch: which way it goes could not be predicted. */
    for (size_t half = BLOCK / 2; half > 0; half /= 2)
        found = level->high[found + half] <= key.high ? found + half : found;
    while (level->high[found] == key.high && level->low[found] > key.low)
        found--;
    return found;
}

/* The number of the last prefix that begins at ADDRESS or before; the first one does. */
static size_t search(const struct prefix_index *index, struct prefix_address address)
{
    size_t at = 0;

    for (size_t i = index->level_count; i-- > 0;) {
        const struct level *level = &index->levels[i];

        at *= BLOCK;
        prefetch(index, level, at);
        if (index->ipv6)
            at = search_wide(level, at, address);
        else
            at += count_narrow(&level->narrow[at], (uint32_t)(address.high >> 32)) - 1;
        if (at >= level->size) /* ADDRESS is the highest, as what fills up the block */
            at = level->size - 1;
    }
    return at;
}

uint32_t prefix_index_find(const struct prefix_index *index, struct prefix_address address)
{
    if (index->count == 0 || is_before(address, get_address(&index->levels[0], 0)))
        return PREFIX_INDEX_NONE;

    size_t found = search(index, address);
    unsigned common = prefix_common(get_address(&index->levels[0], found), address);
    uint32_t number = (uint32_t)found;
    /* Of an ancestor's bits, those that ADDRESS shares are those that FOUND's address shares. */
    while (number != PREFIX_INDEX_NONE && index->records[number].length > common)
        number = index->records[number].parent;
    return number;
}

const struct prefix_record *prefix_index_record(const struct prefix_index *index, uint32_t number)
{
    return &index->records[number];
}

struct prefix prefix_index_prefix(const struct prefix_index *index, uint32_t number)
{
    return (struct prefix){.address = get_address(&index->levels[0], number),
                           .ipv6 = index->ipv6,
                           .length = index->records[number].length};
}

size_t prefix_index_count(const struct prefix_index *index)
{
    return index->count;
}
