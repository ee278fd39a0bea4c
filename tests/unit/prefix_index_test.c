/*
 * prefix_index_test.c: the longest of many prefixes, against looking at each of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/prefix_index.h"

#define MAX_ENTRIES 5000

static uint64_t random_state = 1;

static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* An address of which only few bits differ from others', so that prefixes nest. */
static struct prefix_address random_address(bool ipv6, uint64_t mask)
{
    struct prefix_address address = {next_random() & mask, ipv6 ? next_random() & mask : 0};

    if (next_random() % 50 == 0)
        address = (struct prefix_address){UINT64_MAX, ipv6 ? UINT64_MAX : 0};
    if (!ipv6)
        address.high &= UINT64_MAX << 32;
    return address;
}

static bool contains(const struct prefix_entry *entry, struct prefix_address address)
{
    return prefix_common(entry->address, address) >= entry->record.length;
}

/* The rule of the longest one that contains ADDRESS, by looking at all; or -1. */
static long find_slowly(const struct prefix_entry *entries, size_t count,
                        struct prefix_address address)
{
    const struct prefix_entry *best = NULL;

    for (size_t i = 0; i < count; i++) {
        if (contains(&entries[i], address) &&
            (best == NULL || entries[i].record.length > best->record.length))
            best = &entries[i];
    }
    return best != NULL ? (long)best->record.rule : -1;
}

static bool same_prefix(const struct prefix_entry *a, const struct prefix_entry *b)
{
    return a->address.high == b->address.high && a->address.low == b->address.low &&
           a->record.length == b->record.length;
}

/* Random prefixes, each one once. */
static size_t make_entries(struct prefix_entry *entries, size_t count, bool ipv6, uint64_t mask)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned length = (unsigned)(next_random() % (ipv6 ? 129 : 33));

        entries[i] = (struct prefix_entry){
            .address = prefix_address_cut(random_address(ipv6, mask), length),
            .record = {.rule = (uint32_t)i, .line = (uint32_t)i, .length = (uint8_t)length}};
    }
    prefix_index_sort(entries, count);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !same_prefix(&entries[kept - 1], &entries[i]))
            entries[kept++] = entries[i];
    }
    return kept;
}

static void check_parents(const struct prefix_index *index)
{
    for (uint32_t i = 0; i < prefix_index_count(index); i++) {
        uint32_t parent = prefix_index_record(index, i)->parent;
        struct prefix inner = prefix_index_prefix(index, i);

        if (parent == PREFIX_INDEX_NONE)
            continue;
        struct prefix outer = prefix_index_prefix(index, parent);
        assert_true(outer.length < inner.length);
        assert_true(prefix_common(outer.address, inner.address) >= outer.length);
    }
}

static void check_index(size_t count, bool ipv6, uint64_t mask)
{
    static struct prefix_entry entries[MAX_ENTRIES];

    count = make_entries(entries, count, ipv6, mask);
    struct prefix_index *index = prefix_index_build(entries, count, ipv6);
    assert_int_equal(prefix_index_count(index), count);
    check_parents(index);
    for (size_t i = 0; i < 300 + count / 8; i++) {
        struct prefix_address address = random_address(ipv6, i % 3 != 0 ? mask : UINT64_MAX);

        if (i % 3 == 1 && count > 0) /* at and around where prefixes begin */
            address = entries[next_random() % count].address;
        if (i % 6 == 1 && !ipv6)
            address.high -= UINT64_C(1) << 32;
        else if (i % 6 == 1)
            address.low--;
        uint32_t found = prefix_index_find(index, address);
        long expected = find_slowly(entries, count, address);
        long rule = found != PREFIX_INDEX_NONE ? (long)prefix_index_record(index, found)->rule : -1;
        assert_int_equal(rule, expected);
    }
    prefix_index_free(index);
}

static void differential(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 15, 16, 17, 31, 33, 255, 256, 257, 300, 4096, 4097};
    static const uint64_t masks[] = {UINT64_MAX, 0xf00000000000000f, 0x8181818181818181,
                                     0x0000000300000003};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (size_t j = 0; j < sizeof(masks) / sizeof(masks[0]); j++) {
            check_index(counts[i], false, masks[j]);
            check_index(counts[i], true, masks[j]);
        }
    }
    for (size_t count = 0; count < 200; count++)
        check_index(count % 40, count % 2 != 0, masks[count % 4]);
}

/* A prefix of every length around one address: as deep as it gets. */
static void deep(void **state)
{
    (void)state;
    static const struct prefix_address address = {0x20010db8ffffffff, 0xffffffff00000001};

    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        struct prefix_entry entries[129];
        unsigned bits = ipv6 ? 128 : 32;

        memset(entries, 0, sizeof(entries));
        for (unsigned i = 0; i <= bits; i++) {
            entries[i].address = prefix_address_cut(address, i);
            entries[i].record.length = (uint8_t)i;
            entries[i].record.rule = i;
        }
        prefix_index_sort(entries, bits + 1);
        struct prefix_index *index = prefix_index_build(entries, bits + 1, ipv6);
        for (unsigned i = 0; i < bits; i++) {
            struct prefix_address other = prefix_address_cut(address, bits);

            if (i < 64)
                other.high ^= UINT64_C(1) << (63 - i);
            else
                other.low ^= UINT64_C(1) << (127 - i);
            uint32_t found = prefix_index_find(index, other);
            for (unsigned j = 0; j <= i; j++) { /* it and everything around it */
                assert_int_equal(prefix_index_record(index, found)->length, i - j);
                found = prefix_index_record(index, found)->parent;
            }
            assert_int_equal(found, PREFIX_INDEX_NONE);
        }
        prefix_index_free(index);
    }
}

static void sorting(void **state)
{
    (void)state;
    struct prefix_entry entries[] = {
        {{2, 0}, {.length = 128, .source = 1, .line = 1}},
        {{2, 0}, {.length = 128, .source = 0, .line = 9}},
        {{2, 0}, {.length = 64, .source = 5, .line = 7}},
        {{1, 9}, {.length = 128, .source = 5, .line = 8}},
        {{2, 0}, {.length = 128, .source = 0, .line = 2}},
        {{1, 8}, {.length = 128, .source = 5, .line = 6}},
    };
    static const uint32_t lines[] = {6, 8, 7, 2, 9, 1};

    prefix_index_sort(entries, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(entries[i].record.line, lines[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differential),
        cmocka_unit_test(deep),
        cmocka_unit_test(sorting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
