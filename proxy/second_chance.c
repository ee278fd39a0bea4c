#include "proxy/second_chance.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/types.h>

#include "proxy/siphash.h"

#define WAYS 16u
#define BUCKETS (SECOND_CHANCE_ENTRIES / WAYS)
#define TRIES 100        /* of a change that others are faster with */
#define MAKING_SECONDS 2 /* after which whoever makes an entry is taken for dead */

/*
 * A state: time of the first failure, or of the beginning of the chance (32 bits) | flags | how
 * many failures. 0: free. What stands in an entry, its hash, changes only in the state MAKING.
 */
#define FLAG_MAKING (1u << 31)
#define FLAG_CHANCE (1u << 30)
#define COUNT_MASK (FLAG_CHANCE - 1)

struct chance_entry {
    _Atomic uint64_t hash;
    _Atomic uint64_t state;
};

struct chance_memory {
    _Atomic uint64_t begun;
    _Atomic uint64_t used;
    struct chance_entry entries[SECOND_CHANCE_ENTRIES];
};

struct second_chance {
    struct siphash_key key;
    struct chance_memory *memory; /* shared */
};

static uint64_t make_state(uint32_t now, uint32_t low)
{
    return (uint64_t)now << 32 | low;
}

static uint32_t state_time(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

/* Seconds from the state's time until NOW; clocks may differ a little. */
static uint32_t state_age(uint64_t state, uint32_t now)
{
    int32_t age = (int32_t)(now - state_time(state));

    return age > 0 ? (uint32_t)age : 0;
}

/* What clients of one network have in common. */
static uint64_t hash_client(const struct second_chance *chance,
                            const struct second_chance_rules *rules,
                            const struct client_address *client)
{
    struct {
        uint8_t bytes[16];
        /* cppcheck-suppress unusedStructMember ; hashed with the whole */
        uint64_t family;
    } subject = {.family = client->family};

    memcpy(subject.bytes, client->bytes, client->family == AF_INET ? 4 : 16);
    client_address_mask(subject.bytes,
                        client->family == AF_INET ? rules->ipv4_prefix : rules->ipv6_prefix);
    return siphash(&chance->key, &subject, sizeof(subject));
}

static struct chance_entry *bucket_of(const struct second_chance *chance, uint64_t hash)
{
    return &chance->memory->entries[hash % BUCKETS * WAYS];
}

/* The entry of HASH with its *STATE, or NULL. */
static struct chance_entry *find(const struct second_chance *chance, uint64_t hash, uint64_t *state)
{
    struct chance_entry *bucket = bucket_of(chance, hash);

    for (unsigned way = 0; way < WAYS; way++) {
        for (int tries = 0; tries < TRIES; tries++) {
            *state = atomic_load(&bucket[way].state);
            if (*state == 0 || (*state & FLAG_MAKING) != 0 ||
                atomic_load(&bucket[way].hash) != hash)
                break;
            if (atomic_load(&bucket[way].state) == *state) /* the hash was that of this state */
                return &bucket[way];
        }
    }
    return NULL;
}

/* How much an entry can be done without: larger goes first. */
static uint64_t dispensability(uint64_t state, const struct second_chance_rules *rules,
                               uint32_t now)
{
    const uint32_t age = state_age(state, now);

    if (state == 0)
        return UINT64_MAX;
    if ((state & FLAG_MAKING) != 0)
        return age > MAKING_SECONDS ? UINT64_MAX - 1 : 0;
    if (age >= rules->time)
        return UINT64_MAX - 2;
    return (uint64_t)age + 1 + ((state & FLAG_CHANCE) == 0 ? (uint64_t)1 << 32 : 0);
}

/* Make an entry for HASH with LOW in its state. False: not done, since others were faster. */
static bool make(struct second_chance *chance, const struct second_chance_rules *rules,
                 uint64_t hash, uint32_t low, uint32_t now)
{
    struct chance_entry *bucket = bucket_of(chance, hash);
    struct chance_entry *best = NULL;
    uint64_t best_state = 0;
    uint64_t most = 0;

    for (unsigned way = 0; way < WAYS; way++) {
        uint64_t state = atomic_load(&bucket[way].state);
        uint64_t value = dispensability(state, rules, now);
        if (value > most) {
            most = value;
            best = &bucket[way];
            best_state = state;
        }
    }
    uint64_t making = make_state(now, FLAG_MAKING);
    if (best == NULL || !atomic_compare_exchange_strong(&best->state, &best_state, making))
        return false;
    atomic_store(&best->hash, hash);
    return atomic_compare_exchange_strong(&best->state, &making, make_state(now, low));
}

enum second_chance_state second_chance_ask(struct second_chance *chance,
                                           const struct second_chance_rules *rules,
                                           const struct client_address *client, uint32_t now)
{
    uint64_t state;
    struct chance_entry *entry = find(chance, hash_client(chance, rules, client), &state);

    if (entry == NULL || (state & FLAG_CHANCE) == 0)
        return SECOND_CHANCE_NONE;
    if (state_age(state, now) < rules->time) {
        atomic_fetch_add(&chance->memory->used, 1);
        return SECOND_CHANCE_HAS;
    }
    return atomic_compare_exchange_strong(&entry->state, &state, 0) ? SECOND_CHANCE_ENDED
                                                                    : SECOND_CHANCE_NONE;
}

/* The state after one more failure. */
static uint64_t next_state(const struct second_chance_rules *rules, uint64_t state, uint32_t now)
{
    bool old = state_age(state, now) >= rules->time;
    uint32_t failures = old ? 1 : (uint32_t)(state & COUNT_MASK) + 1;

    if (failures >= rules->failures)
        return make_state(now, FLAG_CHANCE);
    return make_state(old ? now : state_time(state), failures);
}

bool second_chance_failed(struct second_chance *chance, const struct second_chance_rules *rules,
                          const struct client_address *client, uint32_t now)
{
    const uint64_t hash = hash_client(chance, rules, client);
    const uint32_t first = rules->failures <= 1 ? FLAG_CHANCE : 1;

    for (int tries = 0; tries < TRIES; tries++) {
        uint64_t state;
        uint64_t next = make_state(now, first);
        struct chance_entry *entry = find(chance, hash, &state);
        bool changed;

        if (entry == NULL) {
            changed = make(chance, rules, hash, first, now);
        } else if ((state & FLAG_CHANCE) != 0 && state_age(state, now) < rules->time) {
            return false; /* it began while this handshake was under way */
        } else {
            next = next_state(rules, state, now);
            changed = atomic_compare_exchange_strong(&entry->state, &state, next);
        }
        if (!changed)
            continue;
        if ((next & FLAG_CHANCE) != 0)
            atomic_fetch_add(&chance->memory->begun, 1);
        return (next & FLAG_CHANCE) != 0;
    }
    return false;
}

void second_chance_forget(struct second_chance *chance, const struct second_chance_rules *rules,
                          const struct client_address *client)
{
    uint64_t state;
    struct chance_entry *entry = find(chance, hash_client(chance, rules, client), &state);

    if (entry != NULL && (state & FLAG_CHANCE) == 0)
        (void)atomic_compare_exchange_strong(&entry->state, &state, 0);
}

/* For how long the chance of this state lasts yet. */
static uint32_t time_left(uint64_t state, const struct second_chance_rules *rules, uint32_t now)
{
    const uint32_t age = state_age(state, now);

    if ((state & FLAG_CHANCE) == 0 || (state & FLAG_MAKING) != 0 || age >= rules->time)
        return 0;
    return rules->time - age;
}

uint32_t second_chance_left(const struct second_chance *chance,
                            const struct second_chance_rules *rules,
                            const struct client_address *client, uint32_t now)
{
    uint64_t state;

    return find(chance, hash_client(chance, rules, client), &state) != NULL
               ? time_left(state, rules, now)
               : 0;
}

struct second_chance_counts second_chance_count(const struct second_chance *chance,
                                                const struct second_chance_rules *rules,
                                                uint32_t now)
{
    const struct chance_memory *memory = chance->memory;
    struct second_chance_counts counts = {.begun = atomic_load(&memory->begun),
                                          .used = atomic_load(&memory->used)};

    for (uint32_t i = 0; i < SECOND_CHANCE_ENTRIES; i++)
        counts.present += time_left(atomic_load(&memory->entries[i].state), rules, now) > 0;
    return counts;
}

struct second_chance *second_chance_new(void)
{
    struct second_chance *chance = calloc(1, sizeof(*chance));

    if (chance == NULL)
        return NULL;
    if (getrandom(&chance->key, sizeof(chance->key), 0) == (ssize_t)sizeof(chance->key)) {
        chance->memory = mmap(NULL, sizeof(*chance->memory), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (chance->memory != MAP_FAILED)
            return chance;
    }
    free(chance);
    return NULL;
}

void second_chance_free(struct second_chance *chance)
{
    if (chance == NULL)
        return;
    munmap(chance->memory, sizeof(*chance->memory));
    free(chance);
}
