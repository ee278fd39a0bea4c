#include "proxy/overload.h"

#include <stdatomic.h>
#include <sys/mman.h>

/* Counts that change without end, or a process that was taken over and writes what it likes, keep
 * nobody here: each of those who change something looks anew. */
#define ROUNDS_MAX 100

struct overload {
    _Atomic uint64_t sessions; /* enter | leave: one word, so that both are of the same levels */
    _Atomic uint64_t handshakes;
    _Atomic uint32_t changes;
};

struct overload *overload_new(void)
{
    struct overload *overload =
        mmap(NULL, sizeof(*overload), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return overload != MAP_FAILED ? overload : NULL;
}

void overload_free(struct overload *overload)
{
    if (overload != NULL)
        munmap(overload, sizeof(*overload));
}

/* Two numbers in one word. */
static uint64_t pack(uint32_t enter, uint32_t leave)
{
    return (uint64_t)enter << 32 | leave;
}

void overload_set_levels(struct overload *overload, const struct stress_levels *levels)
{
    atomic_store(&overload->handshakes, pack(levels->enter_handshakes, levels->leave_handshakes));
    atomic_store(&overload->sessions, pack(levels->enter_sessions, levels->leave_sessions));
}

uint32_t overload_changes(const struct overload *overload)
{
    return atomic_load(&overload->changes);
}

/* The levels as they are now. */
static struct stress_levels levels_of(const struct overload *overload)
{
    uint64_t sessions = atomic_load(&overload->sessions);
    uint64_t handshakes = atomic_load(&overload->handshakes);

    return (struct stress_levels){.enter_sessions = (uint32_t)(sessions >> 32),
                                  .leave_sessions = (uint32_t)sessions,
                                  .enter_handshakes = (uint32_t)(handshakes >> 32),
                                  .leave_handshakes = (uint32_t)handshakes};
}

void overload_update(struct overload *overload, struct overload_counts (*counts)(const void *ctx),
                     const void *ctx)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        uint32_t changes = atomic_load(&overload->changes);
        const struct stress_levels levels = levels_of(overload);
        const struct overload_counts now = counts(ctx);
        bool on = changes % 2 != 0;

        if (stress_decide(on, &levels, now.sessions, now.handshakes) == on)
            return;
        (void)atomic_compare_exchange_strong(&overload->changes, &changes, changes + 1);
    }
}
