/*
 * overload.h: whether there is overload (stress mode), in memory that all processes share. For
 * limits.c, which knows how much there is under way; others ask limits.h.
 *
 * Whoever changes a count, or the levels, compares them afterwards (overload_update). Changes of
 * the state are single compare-and-swaps, each followed by another comparison: so what is said last
 * is true, whichever process says it and whenever it is interrupted.
 */
#ifndef GATEPOST_PROXY_OVERLOAD_H
#define GATEPOST_PROXY_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/stress.h"

struct overload;

/* Shared memory with no overload, and levels that no count reaches. NULL with errno. */
struct overload *overload_new(void);
void overload_free(struct overload *overload);

/* For the master. overload_update must follow. */
void overload_set_levels(struct overload *overload, const struct stress_levels *levels);

/* How often it has begun or ended: odd while there is overload. */
uint32_t overload_changes(const struct overload *overload);

/* Compare the counts that COUNTS gives, called again as often as needed, with the levels. */
struct overload_counts {
    uint32_t sessions;
    uint32_t handshakes;
};
void overload_update(struct overload *overload, struct overload_counts (*counts)(const void *ctx),
                     const void *ctx);

#endif
