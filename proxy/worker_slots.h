/*
 * worker_slots.h: the counters that all workers share (limits.h), as the master keeps them: made
 * once, kept over reloads, with a place for each worker that runs. For the master only.
 */
#ifndef GATEPOST_PROXY_WORKER_SLOTS_H
#define GATEPOST_PROXY_WORKER_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "proxy/limits.h"
#include "proxy/metrics_counters.h"
#include "proxy/second_chance.h"
#include "proxy/session_table.h"

/* How much there may be at once. */
struct worker_totals {
    uint32_t sessions;   /* gatepost_session_limit */
    uint32_t handshakes; /* gatepost_handshake_limit */
    struct stress_levels stress;
};

/* Totals of CONFIG for WORKERS workers, within what the limit on open files permits; a warning if
 * that is less than asked for. stress_levels_check must have passed. */
struct worker_totals worker_totals_find(const struct config *config, size_t workers,
                                        struct diag *diag);

struct worker_slots;

/* Counters for WORKERS workers under TOTALS, with room for those that others take over from. NULL
 * with errno. */
struct worker_slots *worker_slots_new(const struct worker_totals *totals, size_t workers);
void worker_slots_free(struct worker_slots *slots);

/* The counters, with other totals for processes that are forked from now on. */
struct limits *worker_slots_limits(struct worker_slots *slots, const struct worker_totals *totals);

/* What protects the sessions of all workers. */
struct session_table *worker_slots_sessions(const struct worker_slots *slots);

/* Who has a second chance. */
struct second_chance *worker_slots_chance(const struct worker_slots *slots);

/* What workers count for the metrics. */
struct metrics_memory *worker_slots_metrics(const struct worker_slots *slots);

/* The counters, for a look at them. */
const struct limits *worker_slots_counters(const struct worker_slots *slots);

/* From now on overload is what TOTALS say, for all workers. */
void worker_slots_set_stress(struct worker_slots *slots, const struct worker_totals *totals);

/* A place that no worker has; -1 with errno: all are taken. */
int worker_slots_take(struct worker_slots *slots);
/* The worker in SLOT has ended: what it held is taken back. */
void worker_slots_release(struct worker_slots *slots, int slot);

#endif
