#include "proxy/worker_slots.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>

#define FILES_RESERVED 64        /* of a worker: sockets to listen on, channels, files */
#define FILES_PER_SESSION 2      /* the client and the backend */
#define AUTO_SESSIONS_MAX 10000u /* for each worker */
#define HANDSHAKE_SHARE 4u       /* one session in so many may be in a handshake */
#define SLOTS_MIN 64u
#define SLOTS_MAX 4096u     /* of limits_new */
#define SLOTS_PER_WORKER 8u /* generations that may finish their sessions */

struct worker_slots {
    struct limits *limits;
    struct session_table *sessions;
    struct second_chance *chance;
    struct metrics_memory *metrics;
    unsigned count;
    bool taken[];
};

/* How many sessions WORKERS can have with the files that each may open. */
static uint64_t sessions_possible(size_t workers)
{
    struct rlimit files;
    uint64_t each = LIMITS_SESSIONS_MAX;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < LIMITS_SESSIONS_MAX)
        each = files.rlim_cur > FILES_RESERVED + FILES_PER_SESSION
                   ? (files.rlim_cur - FILES_RESERVED) / FILES_PER_SESSION
                   : 1;
    return each * workers < LIMITS_SESSIONS_MAX ? each * workers : LIMITS_SESSIONS_MAX;
}

struct worker_totals worker_totals_find(const struct config *config, size_t workers,
                                        struct diag *diag)
{
    uint64_t sessions = (uint64_t)config_int(config, PARAM_gatepost_session_limit);
    uint64_t handshakes = (uint64_t)config_int(config, PARAM_gatepost_handshake_limit);
    const uint64_t possible = sessions_possible(workers);
    const bool chosen = sessions != 0;

    if (!chosen)
        sessions = (uint64_t)AUTO_SESSIONS_MAX * workers;
    if (chosen && sessions > possible)
        diag_warning(diag,
                     "%s: gatepost_session_limit: the limit on open files permits %llu sessions "
                     "only",
                     config_origin(config, PARAM_gatepost_session_limit),
                     (unsigned long long)possible);
    if (sessions > possible)
        sessions = possible;
    if (handshakes == 0)
        handshakes = sessions / HANDSHAKE_SHARE + 1;
    return (struct worker_totals){
        .sessions = (uint32_t)sessions,
        .handshakes = (uint32_t)handshakes,
        .stress = stress_levels_find(config, (uint32_t)sessions, (uint32_t)handshakes),
    };
}

struct worker_slots *worker_slots_new(const struct worker_totals *totals, size_t workers)
{
    const uint64_t possible = sessions_possible(workers);
    const uint64_t automatic = (uint64_t)AUTO_SESSIONS_MAX * workers;
    /* Room also for what the next configuration may say. */
    uint64_t room = possible < automatic ? possible : automatic;
    unsigned count = SLOTS_MIN + (unsigned)workers * SLOTS_PER_WORKER;

    if (count > SLOTS_MAX)
        count = SLOTS_MAX;
    if (room < totals->sessions)
        room = totals->sessions;
    struct worker_slots *slots = calloc(1, sizeof(*slots) + count * sizeof(slots->taken[0]));
    if (slots == NULL)
        return NULL;
    slots->count = count;
    slots->limits = limits_new((uint32_t)room, totals->handshakes, count);
    slots->sessions = session_table_new((uint32_t)room, count);
    slots->chance = second_chance_new();
    slots->metrics = metrics_memory_new(count);
    if (slots->limits != NULL && slots->sessions != NULL && slots->chance != NULL &&
        slots->metrics != NULL) {
        worker_slots_set_stress(slots, totals);
        return slots;
    }
    worker_slots_free(slots);
    return NULL;
}

void worker_slots_free(struct worker_slots *slots)
{
    if (slots == NULL)
        return;
    limits_free(slots->limits);
    session_table_free(slots->sessions);
    second_chance_free(slots->chance);
    metrics_memory_free(slots->metrics);
    free(slots);
}

struct limits *worker_slots_limits(struct worker_slots *slots, const struct worker_totals *totals)
{
    limits_set(slots->limits, totals->sessions, totals->handshakes);
    return slots->limits;
}

struct session_table *worker_slots_sessions(const struct worker_slots *slots)
{
    return slots->sessions;
}

struct second_chance *worker_slots_chance(const struct worker_slots *slots)
{
    return slots->chance;
}

struct metrics_memory *worker_slots_metrics(const struct worker_slots *slots)
{
    return slots->metrics;
}

const struct limits *worker_slots_counters(const struct worker_slots *slots)
{
    return slots->limits;
}

void worker_slots_set_stress(struct worker_slots *slots, const struct worker_totals *totals)
{
    limits_set_stress(slots->limits, &totals->stress);
}

int worker_slots_take(struct worker_slots *slots)
{
    for (unsigned i = 0; i < slots->count; i++) {
        if (!slots->taken[i]) {
            slots->taken[i] = true;
            metrics_memory_take(slots->metrics, i);
            return (int)i;
        }
    }
    errno = EAGAIN;
    return -1;
}

void worker_slots_release(struct worker_slots *slots, int slot)
{
    if (slot < 0)
        return;
    limits_worker_died(slots->limits, (unsigned)slot);
    session_table_recover(slots->sessions, (unsigned)slot);
    slots->taken[slot] = false;
}
