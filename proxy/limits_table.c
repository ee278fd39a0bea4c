/*
 * limits_table.c: entries are found, made, held and let go. All atomic accesses that have no weaker
 * order named are sequentially consistent.
 */
#include "proxy/limits_table.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOLDERS_SHIFT 44
#define SLOT_SHIFT 32
#define SLOT_MASK 0xfffu
#define MAKING ((1u << 20) - 1) /* instead of a number of holders: the entry is being made */

#define PATIENCE 10000 /* looks at a bucket in which another process makes an entry */

/* --- states ---------------------------------------------------------------------------------- */

static inline uint64_t make_state(uint32_t holders, unsigned slot, uint32_t step)
{
    return (uint64_t)holders << HOLDERS_SHIFT | (uint64_t)slot << SLOT_SHIFT | step;
}

static inline uint32_t state_holders(uint64_t state)
{
    return (uint32_t)(state >> HOLDERS_SHIFT);
}

static inline unsigned state_slot(uint64_t state)
{
    return (unsigned)(state >> SLOT_SHIFT) & SLOT_MASK;
}

static inline uint32_t state_step(uint64_t state)
{
    return (uint32_t)state;
}

static inline struct limits_bucket *bucket_of(const struct limits_table *table, uint32_t entry)
{
    return &table->buckets[entry / LIMITS_WAYS];
}

static inline _Atomic uint64_t *state_of(const struct limits_table *table, uint32_t entry)
{
    return &bucket_of(table, entry)->states[entry % LIMITS_WAYS];
}

static inline _Atomic uint32_t *held_by(const struct limits_table *table, unsigned slot,
                                        uint32_t entry)
{
    return &table->held[(size_t)slot * table->entry_count + entry];
}

static inline uint32_t fixed_entry(const struct limits_table *table, enum limits_fixed which)
{
    return table->bucket_count * LIMITS_WAYS + (uint32_t)which;
}

/* --- steps ----------------------------------------------------------------------------------- */

/* Whether step LEFT is behind RIGHT, although numbers start anew after the last one. */
static inline bool is_later(uint32_t left, uint32_t right)
{
    return (int32_t)(left - right) > 0;
}

/* Write down that ENTRY is to be changed so that SLOT holds it DELTA times more. Returns the number
 * of the step. */
static uint32_t step_begin(struct limits_table *table, unsigned slot, uint32_t entry, int delta)
{
    struct limits_slot *mine = &table->slots[slot];
    uint32_t done = atomic_load_explicit(&mine->step, memory_order_relaxed);
    uint32_t held = atomic_load_explicit(held_by(table, slot, entry), memory_order_relaxed);

    /* Something 2^31 steps old, found in an entry that was idle since, looks like the future. */
    if (is_later(atomic_load_explicit(&mine->acknowledged, memory_order_relaxed), done))
        atomic_store(&mine->acknowledged, done);
    atomic_store_explicit(&mine->step, done + 1, memory_order_relaxed);
    atomic_store_explicit(&mine->held_after, held + (uint32_t)delta, memory_order_relaxed);
    atomic_store_explicit(&mine->entry, entry, memory_order_release);
    return done + 1;
}

/* The step is over; DONE: it took place. */
static void step_end(struct limits_table *table, unsigned slot, uint32_t entry, bool done)
{
    struct limits_slot *mine = &table->slots[slot];

    if (done)
        atomic_store_explicit(held_by(table, slot, entry),
                              atomic_load_explicit(&mine->held_after, memory_order_relaxed),
                              memory_order_release);
    atomic_store_explicit(&mine->entry, LIMITS_ENTRY_NONE, memory_order_release);
}

/* STATE is about to be overwritten by SLOT: tell whose step it shows that it took place. */
static void acknowledge(struct limits_table *table, unsigned slot, uint64_t state)
{
    unsigned other = state_slot(state);
    uint32_t step = state_step(state);

    if (other == slot || other >= table->slot_count)
        return;
    _Atomic uint32_t *place = &table->slots[other].acknowledged;
    uint32_t known = atomic_load(place);
    while (is_later(step, known) && !atomic_compare_exchange_weak(place, &known, step))
        ;
}

/* One more holds ENTRY, if it is still the one of HASH (0: a fixed entry) and there are less than
 * LIMIT. *HOLDERS is as many as there are then. *GONE: it is another client's now. */
static bool entry_take(struct limits_table *table, unsigned slot, uint32_t entry, uint64_t hash,
                       uint32_t limit, uint32_t *holders, bool *gone)
{
    _Atomic uint64_t *place = state_of(table, entry);
    const _Atomic uint64_t *owner = &bucket_of(table, entry)->hashes[entry % LIMITS_WAYS];
    uint32_t step = step_begin(table, slot, entry, 1);
    uint64_t state = atomic_load(place);

    for (;;) {
        /* The owner changes only while the entry is being made, and no state ever comes again: if
         * the swap succeeds, the owner was right all the time. */
        *holders = state_holders(state);
        *gone = *holders == MAKING || atomic_load(owner) != hash;
        if (*gone || *holders >= limit || *holders >= LIMITS_HOLDERS_MAX) {
            step_end(table, slot, entry, false);
            return false;
        }
        acknowledge(table, slot, state);
        if (atomic_compare_exchange_weak(place, &state, make_state(*holders + 1, slot, step)))
            break;
    }
    ++*holders;
    step_end(table, slot, entry, true);
    return true;
}

/* SLOT does not hold ENTRY any more. */
static void entry_drop(struct limits_table *table, unsigned slot, uint32_t entry)
{
    _Atomic uint64_t *place = state_of(table, entry);

    if (atomic_load_explicit(held_by(table, slot, entry), memory_order_relaxed) == 0)
        return;
    uint32_t step = step_begin(table, slot, entry, -1);
    uint64_t state = atomic_load(place);
    uint32_t holders;
    do {
        holders = state_holders(state);
        if (holders == 0 || holders == MAKING)
            break; /* somebody has written what is not his */
        acknowledge(table, slot, state);
    } while (!atomic_compare_exchange_weak(place, &state, make_state(holders - 1, slot, step)));
    step_end(table, slot, entry, true);
}

/* --- entries of clients ---------------------------------------------------------------------- */

/* The way of BUCKET that belongs to HASH, or LIMITS_WAYS. */
static unsigned find_way(const struct limits_bucket *bucket, uint64_t hash)
{
    for (unsigned way = 0; way < LIMITS_WAYS; way++)
        if (atomic_load(&bucket->hashes[way]) == hash &&
            state_holders(atomic_load(&bucket->states[way])) != MAKING)
            return way;
    return LIMITS_WAYS;
}

/* The way of BUCKET that nobody holds and that was not used for longest, with its *STATE; or
 * LIMITS_WAYS. */
static unsigned find_idle(const struct limits_bucket *bucket, uint32_t now, uint64_t *state)
{
    unsigned found = LIMITS_WAYS;
    int64_t longest = INT64_MIN;

    for (unsigned way = 0; way < LIMITS_WAYS; way++) {
        uint64_t seen = atomic_load(&bucket->states[way]);
        if (state_holders(seen) != 0)
            continue;
        int64_t idle =
            (int32_t)(now - atomic_load_explicit(&bucket->used[way], memory_order_relaxed));
        if (atomic_load_explicit(&bucket->hashes[way], memory_order_relaxed) == 0)
            idle = INT64_MAX; /* better than any that is in use */
        if (idle > longest) {
            longest = idle;
            found = way;
            *state = seen;
        }
    }
    return found;
}

/* Make ENTRY, which nobody held when it had STATE, that of HASH, held once. False: others were
 * faster. */
static bool entry_make(struct limits_table *table, unsigned slot, uint32_t entry, uint64_t state,
                       uint64_t hash, uint32_t now)
{
    struct limits_bucket *bucket = bucket_of(table, entry);
    unsigned way = entry % LIMITS_WAYS;
    uint32_t step = step_begin(table, slot, entry, 1);

    acknowledge(table, slot, state);
    if (!atomic_compare_exchange_strong(&bucket->states[way], &state,
                                        make_state(MAKING, slot, step))) {
        step_end(table, slot, entry, false);
        return false;
    }
    atomic_store(&bucket->hashes[way], hash);
    for (unsigned rate = 0; rate < LIMITS_RATES; rate++)
        atomic_store_explicit(&bucket->rates[rate][way], 0, memory_order_relaxed);
    atomic_store_explicit(&bucket->used[way], now, memory_order_relaxed);
    atomic_store(&bucket->states[way], make_state(1, slot, step));
    step_end(table, slot, entry, true);
    return true;
}

/* Make an entry of the bucket that begins with *ENTRY, in which SEEN was the last maker. *FULL: it
 * has none to give. False: not done. */
static bool bucket_make(struct limits_table *table, unsigned slot, uint64_t seen, uint64_t hash,
                        uint32_t now, uint32_t *entry, bool *full)
{
    struct limits_bucket *bucket = bucket_of(table, *entry);
    struct limits_slot *mine = &table->slots[slot];
    uint32_t step = atomic_load_explicit(&mine->step, memory_order_relaxed) + 1;
    bool made = false;

    atomic_store_explicit(&mine->step, step, memory_order_relaxed);
    atomic_store_explicit(&mine->making, *entry / LIMITS_WAYS, memory_order_release);
    if (atomic_compare_exchange_strong(&bucket->maker, &seen, make_state(MAKING, slot, step))) {
        while (!made && !*full) {
            uint64_t state = 0;
            unsigned way = find_idle(bucket, now, &state);

            *full = way == LIMITS_WAYS;
            made = !*full && entry_make(table, slot, *entry + way, state, hash, now);
            *entry += made ? way : 0;
        }
        atomic_store(&bucket->maker, make_state(0, slot, step));
    }
    atomic_store_explicit(&mine->making, LIMITS_ENTRY_NONE, memory_order_release);
    return made;
}

/* Spin politely. */
static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

enum limits_taken limits_table_take(struct limits_table *table, unsigned slot, uint64_t hash,
                                    uint32_t limit, uint32_t now, uint32_t *entry,
                                    uint32_t *holders)
{
    uint32_t first = (uint32_t)(hash & (table->bucket_count - 1)) * LIMITS_WAYS;
    struct limits_bucket *bucket = bucket_of(table, first);
    bool full = false;

    hash += hash == 0; /* 0 stands for an entry that was never used */
    for (unsigned patience = PATIENCE; patience > 0 && !full; patience--) {
        /* The maker is looked at first: if it is the same afterwards, there was no new entry. */
        uint64_t maker = atomic_load(&bucket->maker);
        unsigned way = find_way(bucket, hash);
        bool gone = false;

        *entry = first + way % LIMITS_WAYS;
        if (way < LIMITS_WAYS) {
            bool taken = entry_take(table, slot, *entry, hash, limit, holders, &gone);
            if (gone)
                continue;
            atomic_store_explicit(&bucket->used[way], now, memory_order_relaxed);
            return taken ? LIMITS_TAKEN : LIMITS_AT_LIMIT;
        }
        *holders = 1;
        if (state_holders(maker) == MAKING)
            relax();
        else if (bucket_make(table, slot, maker, hash, now, entry, &full))
            return LIMITS_TAKEN;
    }
    *holders = 0;
    return LIMITS_NO_ENTRY;
}

bool limits_table_take_fixed(struct limits_table *table, unsigned slot, enum limits_fixed which,
                             uint32_t limit)
{
    uint32_t holders;
    bool gone;

    return entry_take(table, slot, fixed_entry(table, which), 0, limit, &holders, &gone);
}

void limits_table_drop(struct limits_table *table, unsigned slot, uint32_t entry, uint32_t now)
{
    atomic_store_explicit(&bucket_of(table, entry)->used[entry % LIMITS_WAYS], now,
                          memory_order_relaxed);
    entry_drop(table, slot, entry);
}

void limits_table_drop_fixed(struct limits_table *table, unsigned slot, enum limits_fixed which)
{
    entry_drop(table, slot, fixed_entry(table, which));
}

uint32_t limits_table_holders(const struct limits_table *table, uint64_t hash)
{
    const struct limits_bucket *bucket = &table->buckets[hash & (table->bucket_count - 1)];
    unsigned way = find_way(bucket, hash + (hash == 0));

    return way < LIMITS_WAYS ? state_holders(atomic_load(&bucket->states[way])) : 0;
}

uint32_t limits_table_holders_fixed(const struct limits_table *table, enum limits_fixed which)
{
    return state_holders(atomic_load(state_of(table, fixed_entry(table, which))));
}

/* --- rates ----------------------------------------------------------------------------------- */

/* Events in the time unit that RATE is about, or 0 if that is over. */
static uint32_t current_events(uint64_t rate, uint32_t now, uint32_t unit)
{
    int32_t age = (int32_t)(now - (uint32_t)(rate >> 32)); /* clocks may differ a little */

    return age > 0 && (uint32_t)age > unit ? 0 : (uint32_t)rate;
}

uint32_t limits_table_event(struct limits_table *table, uint32_t entry, enum limits_rate rate,
                            uint32_t now, uint32_t unit)
{
    _Atomic uint64_t *place = &bucket_of(table, entry)->rates[rate][entry % LIMITS_WAYS];
    uint64_t seen = atomic_load(place);
    uint64_t next;

    do {
        uint32_t events = current_events(seen, now, unit);
        if (events == 0)
            next = (uint64_t)now << 32 | 1;
        else
            next = events < UINT32_MAX ? seen + 1 : seen;
    } while (!atomic_compare_exchange_weak(place, &seen, next));
    return (uint32_t)next;
}

uint32_t limits_table_events(const struct limits_table *table, uint32_t entry,
                             enum limits_rate rate, uint32_t now, uint32_t unit)
{
    return current_events(atomic_load(&bucket_of(table, entry)->rates[rate][entry % LIMITS_WAYS]),
                          now, unit);
}

/* --- the dead -------------------------------------------------------------------------------- */

/* Take back HELD holds of ENTRY. */
static void take_back(struct limits_table *table, uint32_t entry, uint32_t held)
{
    _Atomic uint64_t *place = state_of(table, entry);
    uint64_t state = atomic_load(place);
    uint64_t next;

    do {
        uint32_t holders = state_holders(state);
        if (holders == MAKING)
            return;
        next = state - ((uint64_t)(held < holders ? held : holders) << HOLDERS_SHIFT);
    } while (!atomic_compare_exchange_weak(place, &state, next));
}

/* The step that SLOT was in the midst of: what it holds is made to agree with what is the case. */
static void finish_step(struct limits_table *table, unsigned slot, uint32_t entry)
{
    struct limits_slot *dead = &table->slots[slot];
    uint32_t step = atomic_load(&dead->step);
    uint64_t state = atomic_load(state_of(table, entry)); /* before what was acknowledged */
    bool shown = state_slot(state) == slot && state_step(state) == step;

    if (shown && state_holders(state) == MAKING) {
        struct limits_bucket *bucket = bucket_of(table, entry);

        atomic_store(held_by(table, slot, entry), 0);
        atomic_store(&bucket->hashes[entry % LIMITS_WAYS], 0);
        atomic_store(&bucket->states[entry % LIMITS_WAYS], make_state(0, slot, step));
    } else if (shown || !is_later(step, atomic_load(&dead->acknowledged))) {
        atomic_store(held_by(table, slot, entry), atomic_load(&dead->held_after));
    }
}

/* SLOT makes no entry in BUCKET any more. */
static void finish_making(struct limits_bucket *bucket, unsigned slot)
{
    uint64_t maker = atomic_load(&bucket->maker);

    if (state_holders(maker) == MAKING && state_slot(maker) == slot)
        atomic_store(&bucket->maker, make_state(0, slot, state_step(maker)));
}

/* Nothing is held by SLOT: its counts are zero, which costs no memory where it is whole pages. */
static void give_back_memory(const struct limits_table *table, unsigned slot)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *start = (char *)held_by(table, slot, 0);
    const char *end = (const char *)held_by(table, slot, table->entry_count);

    start += (page - (uintptr_t)start % page) % page;
    if (start + page <= end) /* if it fails, they just stay */
        (void)madvise(start, (size_t)(end - start) / page * page, MADV_REMOVE);
}

void limits_table_recover(struct limits_table *table, unsigned slot)
{
    struct limits_slot *dead = &table->slots[slot];
    uint32_t intended = atomic_load(&dead->entry);
    uint32_t making = atomic_load(&dead->making);

    if (intended < table->entry_count)
        finish_step(table, slot, intended);
    atomic_store(&dead->entry, LIMITS_ENTRY_NONE);
    if (making < table->bucket_count)
        finish_making(&table->buckets[making], slot);
    atomic_store(&dead->making, LIMITS_ENTRY_NONE);
    for (uint32_t entry = 0; entry < table->entry_count; entry++) {
        _Atomic uint32_t *held = held_by(table, slot, entry);
        uint32_t count = atomic_load_explicit(held, memory_order_relaxed);

        if (count != 0) {
            take_back(table, entry, count);
            atomic_store_explicit(held, 0, memory_order_relaxed);
        }
    }
    give_back_memory(table, slot);
}

/* --- memory ---------------------------------------------------------------------------------- */

void limits_table_locate(struct limits_table *table)
{
    table->buckets = table->memory;
    table->slots = (struct limits_slot *)(table->buckets + table->bucket_count + 1);
    table->held = (_Atomic uint32_t *)(table->slots + table->slot_count);
}

int limits_table_map(struct limits_table *table, uint32_t buckets, unsigned slots)
{
    *table = (struct limits_table){.slot_count = slots, .bucket_count = 1};
    if (buckets > LIMITS_BUCKETS_MAX || slots == 0 || slots > LIMITS_SLOTS_MAX) {
        errno = EINVAL;
        return -1;
    }
    while (table->bucket_count < buckets)
        table->bucket_count *= 2;
    table->entry_count = table->bucket_count * LIMITS_WAYS + LIMITS_FIXED;
    table->size = (table->bucket_count + (size_t)1) * sizeof(struct limits_bucket) +
                  slots * sizeof(struct limits_slot) +
                  (size_t)slots * table->entry_count * sizeof(uint32_t);
    table->memory = mmap(NULL, table->size, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table->memory == MAP_FAILED) {
        table->memory = NULL;
        return -1;
    }
    limits_table_locate(table);
    for (unsigned slot = 0; slot < slots; slot++) {
        atomic_store(&table->slots[slot].entry, LIMITS_ENTRY_NONE);
        atomic_store(&table->slots[slot].making, LIMITS_ENTRY_NONE);
    }
    return 0;
}

void limits_table_unmap(struct limits_table *table)
{
    if (table->memory != NULL)
        munmap(table->memory, table->size);
    *table = (struct limits_table){0};
}
