#include "proxy/metrics_counters.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(METRICS_PEER_ANONYMOUS == (int)TLS_PEER_ANONYMOUS &&
                   METRICS_PEER_UNTRUSTED == (int)TLS_PEER_UNTRUSTED &&
                   METRICS_PEER_TRUSTED == (int)TLS_PEER_TRUSTED,
               "the labels of client certificates are in the order of their states");

/* No two share a cache line. */
struct block {
    struct metrics_counters counters;
} __attribute__((aligned(64)));

/* What is mapped. */
struct shared {
    _Atomic unsigned used; /* places that somebody had: memory beyond them is not touched */
    struct block others;
    struct block places[];
};

struct metrics_memory {
    struct shared *shared;
    unsigned places;
};

/* How much is mapped for PLACES. */
static size_t size_for(unsigned places)
{
    return sizeof(struct shared) + places * sizeof(struct block);
}

struct metrics_memory *metrics_memory_new(unsigned places)
{
    struct metrics_memory *memory = malloc(sizeof(*memory));

    if (memory == NULL)
        return NULL;
    memory->places = places;
    memory->shared =
        mmap(NULL, size_for(places), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory->shared != MAP_FAILED)
        return memory;
    free(memory);
    return NULL;
}

void metrics_memory_free(struct metrics_memory *memory)
{
    if (memory == NULL)
        return;
    munmap(memory->shared, size_for(memory->places));
    free(memory);
}

void metrics_memory_take(struct metrics_memory *memory, unsigned place)
{
    if (place < memory->places && atomic_load(&memory->shared->used) <= place)
        atomic_store(&memory->shared->used, place + 1);
}

struct metrics_counters *metrics_memory_block(const struct metrics_memory *memory, int place)
{
    return place >= 0 && (unsigned)place < memory->places ? &memory->shared->places[place].counters
                                                          : &memory->shared->others.counters;
}

/* Add ONE to TOTAL. */
static void add_block(struct metrics_counters *total, const struct metrics_counters *one)
{
    metrics_counter *sums = (metrics_counter *)total;
    const metrics_counter *numbers = (const metrics_counter *)one;

    for (size_t i = 0; i < sizeof(*total) / sizeof(*sums); i++)
        metrics_add(&sums[i], atomic_load_explicit(&numbers[i], memory_order_relaxed));
}

void metrics_memory_total(const struct metrics_memory *memory, struct metrics_counters *total)
{
    unsigned used = atomic_load(&memory->shared->used);

    memset(total, 0, sizeof(*total));
    add_block(total, &memory->shared->others.counters);
    for (unsigned i = 0; i < used && i < memory->places; i++)
        add_block(total, &memory->shared->places[i].counters);
}

void metrics_count_policy(struct metrics_counters *counters, const char *level,
                          enum metrics_place place)
{
    if (counters != NULL)
        metrics_add(
            &counters->policies[metrics_find(metrics_levels, LENGTH(metrics_levels), level)][place],
            1);
}

void metrics_count_handshake(struct metrics_counters *counters, const struct tls_summary *summary,
                             uint64_t microseconds)
{
    if (counters == NULL)
        return;
    size_t protocol = metrics_find(metrics_protocols, LENGTH(metrics_protocols), summary->protocol);
    size_t cipher = metrics_find(metrics_ciphers, LENGTH(metrics_ciphers), summary->cipher);
    size_t group = metrics_find(metrics_groups, LENGTH(metrics_groups), summary->group);
    metrics_add(&counters->handshakes[protocol][cipher][group], 1);
    if (summary->resumed)
        metrics_add(&counters->resumptions[protocol], 1);
    metrics_add(&counters->peers[summary->peer], 1);
    metrics_observe(&counters->handshake, microseconds);
}

void metrics_count_failure(struct metrics_counters *counters, enum tls_failure kind)
{
    if (counters != NULL)
        metrics_add(&counters->failures[kind], 1);
}

void metrics_count_message(struct metrics_counters *counters, enum metrics_transport transport,
                           uint64_t bytes)
{
    if (counters == NULL)
        return;
    metrics_add(&counters->messages[transport], 1);
    metrics_add(&counters->bytes[transport], bytes);
}

void metrics_count_limit(struct metrics_counters *counters, enum metrics_limit limit)
{
    if (counters != NULL)
        metrics_add(&counters->limits[limit], 1);
}

void metrics_observe(struct metrics_histogram *histogram, uint64_t microseconds)
{
    const double seconds = (double)microseconds / 1e6;
    size_t bucket = 0;

    while (bucket < METRICS_BOUND_COUNT && seconds > metrics_bounds[bucket])
        bucket++;
    metrics_add(&histogram->buckets[bucket], 1);
    metrics_add(&histogram->sum, microseconds);
}
