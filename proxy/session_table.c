#include "proxy/session_table.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/types.h>

#include "proxy/siphash.h"

#define SESSIONS_MAX 1000000u
#define SLOTS_MAX 4096u
#define REACH 64u /* entries behind the one that its hash names in which a session may be */
#define SLOT_BITS 13
#define PATIENCE 1000 /* looks at an entry that is being written */
#define WORDS ((sizeof(struct session_facts) + 7) / 8)

struct session_entry {
    _Atomic uint32_t version;      /* odd while WORDS are being written */
    _Atomic uint64_t words[WORDS]; /* struct session_facts; all 0: nothing yet, or no more */
};

struct session_table {
    struct siphash_key key;
    void *memory; /* shared, with all that follows */
    size_t size;
    _Atomic uint64_t *claims; /* hash and slot of each entry, see make_claim; 0: free. Apart from
                                 the entries, so that looking at all does not touch those */
    struct session_entry *entries; /* as many */
    uint32_t count;                /* a power of 2 */
};

/* The facts as they are copied to and from shared memory. */
union session_words {
    struct session_facts facts;
    uint64_t words[WORDS];
};

/* The part of a claim that tells clients apart, and whose it is. Never 0. */
static uint64_t make_claim(uint64_t hash, unsigned slot)
{
    return hash << SLOT_BITS | (slot + 1);
}

static unsigned claim_slot(uint64_t claim)
{
    return (unsigned)(claim & ((1u << SLOT_BITS) - 1)) - 1;
}

/* The hash of an address and its port. */
static uint64_t hash_client(const struct session_table *table, const struct client_address *client)
{
    struct {
        uint8_t bytes[16];
        uint32_t family;
        uint32_t port;
    } subject = {.family = client->family, .port = client->port};

    memcpy(subject.bytes, client->bytes, client->family == AF_INET ? 4 : 16);
    return siphash(&table->key, &subject, sizeof(subject));
}

/* The number of the entry STEP places behind the one that HASH names. */
static uint32_t place_of(const struct session_table *table, uint64_t hash, uint32_t step)
{
    return ((uint32_t)(hash >> 32) + step) & (table->count - 1);
}

/* Replace what stands in ENTRY. */
static void entry_write(struct session_entry *entry, const union session_words *content)
{
    uint32_t version = atomic_load_explicit(&entry->version, memory_order_relaxed) | 1;

    atomic_store_explicit(&entry->version, version, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&entry->words[i], content->words[i], memory_order_relaxed);
    atomic_store_explicit(&entry->version, version + 1, memory_order_release);
}

/* Read what stands in ENTRY, whole. False: it is being written all the time. */
static bool entry_read(const struct session_entry *entry, union session_words *content)
{
    for (unsigned patience = PATIENCE; patience > 0; patience--) {
        uint32_t before = atomic_load_explicit(&entry->version, memory_order_acquire);

        if (before % 2 != 0)
            continue;
        for (size_t i = 0; i < WORDS; i++)
            content->words[i] = atomic_load_explicit(&entry->words[i], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&entry->version, memory_order_relaxed) == before)
            return true;
    }
    return false;
}

/* Nothing stands in entry PLACE any more, and others may have it. */
static void release(struct session_table *table, uint32_t place)
{
    static const union session_words nothing;

    entry_write(&table->entries[place], &nothing);
    atomic_store_explicit(&table->claims[place], 0, memory_order_release);
}

uint32_t session_table_add(struct session_table *table, unsigned slot,
                           const struct session_facts *facts)
{
    const uint64_t hash = hash_client(table, &facts->client);
    const uint64_t claim = make_claim(hash, slot);
    union session_words content = {.words = {0}};

    content.facts = *facts;
    for (uint32_t step = 0; step < REACH; step++) {
        uint32_t place = place_of(table, hash, step);
        uint64_t free_claim = 0;

        if (atomic_load_explicit(&table->claims[place], memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&table->claims[place], &free_claim, claim)) {
            entry_write(&table->entries[place], &content);
            return place + 1;
        }
    }
    return 0;
}

void session_table_remove(struct session_table *table, unsigned slot, uint32_t handle)
{
    if (handle == 0 || handle > table->count)
        return;
    uint64_t claim = atomic_load(&table->claims[handle - 1]);
    if (claim != 0 && claim_slot(claim) == slot)
        release(table, handle - 1);
}

static bool same_address(const struct client_address *one, const struct client_address *other)
{
    return one->family == other->family && one->port == other->port &&
           memcmp(one->bytes, other->bytes, one->family == AF_INET ? 4 : 16) == 0;
}

/* End texts and bound numbers. */
static void make_safe(struct session_facts *facts)
{
    facts->protocol[sizeof(facts->protocol) - 1] = '\0';
    facts->cipher[sizeof(facts->cipher) - 1] = '\0';
    facts->fingerprint[sizeof(facts->fingerprint) - 1] = '\0';
    facts->key_fingerprint[sizeof(facts->key_fingerprint) - 1] = '\0';
    if (facts->ccert > SESSION_CCERT_TRUSTED)
        facts->ccert = SESSION_CCERT_NONE;
}

enum session_lookup session_table_find(const struct session_table *table,
                                       const struct client_address *client,
                                       const struct client_address *server,
                                       struct session_facts *facts)
{
    const uint64_t hash = hash_client(table, client);
    enum session_lookup found = SESSION_UNKNOWN;
    union session_words content;

    for (uint32_t step = 0; step < REACH; step++) {
        uint32_t place = place_of(table, hash, step);
        uint64_t claim = atomic_load_explicit(&table->claims[place], memory_order_acquire);

        if (claim == 0 || claim >> SLOT_BITS != hash << SLOT_BITS >> SLOT_BITS)
            continue;
        if (!entry_read(&table->entries[place], &content))
            return SESSION_AMBIGUOUS; /* of one that cannot be read nothing is known */
        if (!same_address(&content.facts.client, client))
            continue;
        bool exact = same_address(&content.facts.server, server);
        if (exact || found == SESSION_UNKNOWN) {
            *facts = content.facts;
            make_safe(facts);
        }
        if (exact)
            return SESSION_KNOWN;
        found = found == SESSION_UNKNOWN ? SESSION_KNOWN : SESSION_AMBIGUOUS;
    }
    return found;
}

void session_table_recover(struct session_table *table, unsigned slot)
{
    for (uint32_t i = 0; i < table->count; i++) {
        uint64_t claim = atomic_load_explicit(&table->claims[i], memory_order_relaxed);

        if (claim != 0 && claim_slot(claim) == slot)
            release(table, i);
    }
}

struct session_table *session_table_new(uint32_t sessions, unsigned slots)
{
    struct session_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return NULL;
    table->count = REACH;
    while (table->count < 2 * (uint64_t)sessions && table->count < 2 * SESSIONS_MAX)
        table->count *= 2;
    table->size = table->count * (sizeof(table->claims[0]) + sizeof(table->entries[0]));
    table->memory = MAP_FAILED;
    if (sessions == 0 || sessions > SESSIONS_MAX || slots == 0 || slots > SLOTS_MAX)
        errno = EINVAL;
    else if (getrandom(&table->key, sizeof(table->key), 0) == (ssize_t)sizeof(table->key))
        table->memory = mmap(NULL, table->size, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table->memory == MAP_FAILED) {
        free(table);
        return NULL;
    }
    table->claims = table->memory;
    table->entries = (struct session_entry *)(table->claims + table->count);
    return table;
}

void session_table_free(struct session_table *table)
{
    if (table == NULL)
        return;
    munmap(table->memory, table->size);
    free(table);
}
