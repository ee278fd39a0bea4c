/*
 * metrics_counters.h: what gatepost counts for its metrics, in memory that the master maps before
 * it forks and keeps as long as it runs: one block for each place of a worker (worker_slots.h), in
 * which only the worker that has the place writes. So counting is an addition in memory that nobody
 * else writes to: no lock, no system call, nothing to wait for, and nothing is lost with a datagram
 * or with a process that dies. Who has the place next goes on from there, so counts survive
 * workers, reloads and the process that shows them; they begin at zero with the daemon.
 *
 * A worker that was taken over can write anything here: numbers, and no more than numbers.
 */
#ifndef GATEPOST_PROXY_METRICS_COUNTERS_H
#define GATEPOST_PROXY_METRICS_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/handshake_reason.h"
#include "tls/summary.h"

#include "proxy/metrics_labels.h"

typedef _Atomic uint64_t metrics_counter;

/* A distribution of durations. How many there were is the sum of the buckets, so that it can never
 * contradict them. */
struct metrics_histogram {
    metrics_counter buckets[METRICS_BOUND_COUNT + 1]; /* not cumulative; the last: longer ones */
    metrics_counter sum;                              /* microseconds */
};

/* Counters and nothing else: metrics_total adds them up as an array of numbers. */
struct metrics_counters {
    metrics_counter sessions;
    metrics_counter policies[METRICS_LEVEL_COUNT][METRICS_PLACE_COUNT];
    metrics_counter handshakes[METRICS_PROTOCOL_COUNT][METRICS_CIPHER_COUNT][METRICS_GROUP_COUNT];
    metrics_counter resumptions[METRICS_PROTOCOL_COUNT];
    metrics_counter peers[METRICS_PEER_COUNT];
    metrics_counter failures[TLS_FAILURE_COUNT];
    metrics_counter messages[METRICS_TRANSPORT_COUNT];
    metrics_counter bytes[METRICS_TRANSPORT_COUNT];
    metrics_counter limits[METRICS_LIMIT_COUNT];
    metrics_counter backend_connections;
    metrics_counter backend_failures;
    metrics_counter ledger_dropped;
    metrics_counter log_dropped;
    struct metrics_histogram handshake;
    struct metrics_histogram backend_connect;
    struct metrics_histogram backend_reply;
};

struct metrics_memory;

/* For PLACES processes, and one more block for all others. NULL with errno. */
struct metrics_memory *metrics_memory_new(unsigned places);
void metrics_memory_free(struct metrics_memory *memory); /* NULL does no harm */

/* A process is about to have PLACE. For the master. */
void metrics_memory_take(struct metrics_memory *memory, unsigned place);

/* The block of PLACE; of none (-1): that of the other processes, where only metrics_add_shared may
 * be used. */
struct metrics_counters *metrics_memory_block(const struct metrics_memory *memory, int place);

/* All blocks added up, into TOTAL, which is the caller's own. */
void metrics_memory_total(const struct metrics_memory *memory, struct metrics_counters *total);

/* COUNTER is in a block that nobody else writes to. */
static inline void metrics_add(metrics_counter *counter, uint64_t count)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

/* COUNTER is in a block that others write to. */
static inline void metrics_add_shared(metrics_counter *counter, uint64_t count)
{
    atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

/* What happened in a session; COUNTERS may be NULL: nobody counts. MICROSECONDS: how long it took.
 */
void metrics_count_policy(struct metrics_counters *counters, const char *level,
                          enum metrics_place place);
void metrics_count_handshake(struct metrics_counters *counters, const struct tls_summary *summary,
                             uint64_t microseconds);
void metrics_count_failure(struct metrics_counters *counters, enum tls_failure kind);
void metrics_count_message(struct metrics_counters *counters, enum metrics_transport transport,
                           uint64_t bytes);
void metrics_count_limit(struct metrics_counters *counters, enum metrics_limit limit);
void metrics_observe(struct metrics_histogram *histogram, uint64_t microseconds);

#endif
