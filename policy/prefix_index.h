/*
 * prefix_index.h: the longest of many prefixes that contains an address.
 *
 * Prefixes are either apart or one within the other, so in the order of (address, length) every
 * prefix that contains an address is the last one that does not begin behind it, or an ancestor of
 * that. The index is the sorted list under a tree of blocks of a cache line, and a link
 * from each prefix to the next shorter one around it: a lookup reads one block a level, and then
 * goes up as far as it must. A million prefixes are five levels of which all but the last stay in
 * the cache. The time does not depend on how addresses are spread or how long prefixes are.
 *
 * Immutable once built; one index a family.
 */
#ifndef GATEPOST_POLICY_PREFIX_INDEX_H
#define GATEPOST_POLICY_PREFIX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/prefix.h"

#define PREFIX_INDEX_MAX ((size_t)1 << 27) /* prefixes */
#define PREFIX_INDEX_NONE UINT32_MAX

/* What is kept for a prefix, in one place so that a lookup fetches it at once. The index knows
 * LENGTH and PARENT; the rest is the owner's. */
struct prefix_record {
    uint32_t parent; /* number of the next shorter prefix around this, or PREFIX_INDEX_NONE */
    uint32_t rule;
    uint32_t line;
    uint16_t source;
    uint8_t length;
    bool expired;
};

/* A prefix on its way into the index. */
struct prefix_entry {
    struct prefix_address address;
    struct prefix_record record; /* PARENT is not yet known */
};

struct prefix_index;

/* Order by address and length; equal prefixes by source and line. */
void prefix_index_sort(struct prefix_entry *entries, size_t count);

/* Make an index of sorted entries (at most PREFIX_INDEX_MAX), no two of the same prefix. They are
 * copied. Never NULL. */
struct prefix_index *prefix_index_build(const struct prefix_entry *entries, size_t count,
                                        bool ipv6);
void prefix_index_free(struct prefix_index *index);

/* The number of the longest prefix that contains ADDRESS, or PREFIX_INDEX_NONE. */
uint32_t prefix_index_find(const struct prefix_index *index, struct prefix_address address);

/* What belongs to a number from 0 to prefix_index_count - 1. */
const struct prefix_record *prefix_index_record(const struct prefix_index *index, uint32_t number);
struct prefix prefix_index_prefix(const struct prefix_index *index, uint32_t number);

size_t prefix_index_count(const struct prefix_index *index);

#endif
