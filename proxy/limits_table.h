/*
 * limits_table.h: counters in memory that all workers share: how many sessions each client holds,
 * and how often it did something of late. For limits.c; the sessions use limits.h.
 *
 * An ENTRY is a number. The first ones are for clients, found by a hash and kept in buckets of
 * LIMITS_WAYS, with an old entry that nobody holds making room for a new one; LIMITS_FIXED more
 * are for totals and always there.
 *
 * No locks: a process that is stopped or killed anywhere keeps nobody waiting for long. Every step
 * that matters is one compare-and-swap of an entry's state,
 *
 *     how many hold it (20 bits) | the slot that changed it last (12) | that slot's step (32)
 *
 * A slot is a worker's place in this memory. Before a step the worker writes down what it intends;
 * who overwrites the state of another slot acknowledges that slot's step first. So it can always be
 * told of a dead worker whether its last step took place, and everything that it held is taken back
 * exactly (limits_table_recover). That is the master's task, who therefore believes nothing that
 * stands in this memory: a worker may have been taken over.
 *
 * Entries are made by one worker at a time in each bucket, so that a client never has two. If that
 * worker dies in these few instructions, new clients of that bucket are refused until the master
 * has noticed.
 */
#ifndef GATEPOST_PROXY_LIMITS_TABLE_H
#define GATEPOST_PROXY_LIMITS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITS_WAYS 16
#define LIMITS_ENTRY_NONE UINT32_MAX
#define LIMITS_HOLDERS_MAX ((1u << 20) - 2) /* of an entry */
#define LIMITS_SLOTS_MAX 4096u
#define LIMITS_BUCKETS_MAX (1u << 19)

enum limits_fixed { LIMITS_FIXED_SESSIONS, LIMITS_FIXED_HANDSHAKES, LIMITS_FIXED };

enum limits_rate { LIMITS_RATE_CONNECTIONS, LIMITS_RATE_MESSAGES, LIMITS_RATE_TLS, LIMITS_RATES };

struct limits_bucket {
    _Atomic uint64_t maker; /* whether an entry is being made, and the slot and step that did so
                               last; so it changes with each new entry */
    _Atomic uint64_t hashes[LIMITS_WAYS]; /* of the clients; 0: never used */
    _Atomic uint64_t states[LIMITS_WAYS];
    _Atomic uint64_t rates[LIMITS_RATES][LIMITS_WAYS]; /* start of the time unit | events in it */
    _Atomic uint32_t used[LIMITS_WAYS];                /* when it was last wanted or let go */
} __attribute__((aligned(64)));

/* What a worker intends. */
struct limits_slot {
    _Atomic uint32_t acknowledged; /* the last step that somebody has seen; written by others */
    _Atomic uint32_t step __attribute__((aligned(64)));
    _Atomic uint32_t entry; /* being changed; LIMITS_ENTRY_NONE: nothing is intended. Written last,
                               and cleared when HELD is right again */
    _Atomic uint32_t held_after; /* what the slot holds of it if the step took place */
    _Atomic uint32_t making;     /* the bucket in which it makes, or wants to make, an entry; or
                                    LIMITS_ENTRY_NONE */
};

/* The memory as a process sees it: pointers into the mapping. */
struct limits_table {
    void *memory;
    size_t size;
    struct limits_bucket *buckets; /* one more than BUCKET_COUNT, for the fixed entries */
    struct limits_slot *slots;
    _Atomic uint32_t *held; /* for each slot and entry: how often the slot holds it */
    uint32_t bucket_count;  /* a power of 2 */
    uint32_t entry_count;   /* with the fixed ones */
    unsigned slot_count;
};

/* What became of the wish to hold an entry. */
enum limits_taken {
    LIMITS_TAKEN,
    LIMITS_AT_LIMIT, /* as many hold it already; *ENTRY is set all the same */
    LIMITS_NO_ENTRY  /* others hold all entries that it may have, or keep it from making one */
};

/*
 * Map shared memory for at least BUCKETS buckets (rounded up to a power of 2, at most
 * LIMITS_BUCKETS_MAX) and SLOTS slots (1 to LIMITS_SLOTS_MAX). Returns 0, or -1 with errno.
 */
int limits_table_map(struct limits_table *table, uint32_t buckets, unsigned slots);
void limits_table_unmap(struct limits_table *table);

/* Let the pointers of TABLE point into its MEMORY. */
void limits_table_locate(struct limits_table *table);

/* Hold the entry of the client with HASH, unless LIMIT hold it. *HOLDERS says how many do, with
 * this one or, at the limit, without. NOW in seconds. */
enum limits_taken limits_table_take(struct limits_table *table, unsigned slot, uint64_t hash,
                                    uint32_t limit, uint32_t now, uint32_t *entry,
                                    uint32_t *holders);

/* The same for a fixed entry, which there always is. */
bool limits_table_take_fixed(struct limits_table *table, unsigned slot, enum limits_fixed which,
                             uint32_t limit);

/* Let go of an entry that SLOT holds. */
void limits_table_drop(struct limits_table *table, unsigned slot, uint32_t entry, uint32_t now);
void limits_table_drop_fixed(struct limits_table *table, unsigned slot, enum limits_fixed which);

/* How many hold the entry of a client or a fixed one. */
uint32_t limits_table_holders(const struct limits_table *table, uint64_t hash);
uint32_t limits_table_holders_fixed(const struct limits_table *table, enum limits_fixed which);

/* Count an event, or do not count it; returns how many there were in this time unit (UNIT
 * seconds). As with anvil(8), a unit begins with its first event. */
uint32_t limits_table_event(struct limits_table *table, uint32_t entry, enum limits_rate rate,
                            uint32_t now, uint32_t unit);
uint32_t limits_table_events(const struct limits_table *table, uint32_t entry,
                             enum limits_rate rate, uint32_t now, uint32_t unit);

/* The process in SLOT has ended, and no other has its place yet: finish or undo its last step, and
 * take back all that it held. */
void limits_table_recover(struct limits_table *table, unsigned slot);

#endif
