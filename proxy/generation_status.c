/*
 * generation_status.c: what "gatepost status" says about a generation (generation.h).
 */
#include "proxy/generation.h"

/* What a worker counts: member of struct worker_stats, words for people, JSON name. */
#define COUNTERS(C)                                                                                \
    C(open, "sessions open", "sessions_open")                                                      \
    C(sessions, "accepted", "sessions_accepted")                                                   \
    C(handshakes, "TLS handshakes", "handshakes")                                                  \
    C(handshake_failures, "failed", "handshake_failures")                                          \
    C(backend_sessions, "backend sessions", "backend_sessions")                                    \
    C(backend_failures, "failed", "backend_failures")                                              \
    C(ledger_dropped, "ledger records dropped", "ledger_dropped")

static const char *const state_names[] = {[GENERATION_STARTING] = "starting",
                                          [GENERATION_SERVING] = "serving",
                                          [GENERATION_LEAVING] = "finishing"};

/* How the key process is. */
static const char *keys_state(const struct generation *generation)
{
    return state_names[generation->keys.ready ? generation->state : GENERATION_STARTING];
}

void generation_status(const struct generation *generation, FILE *out)
{
    if (generation->keys.pid != 0)
        fprintf(out, "keys %ld: %s\n", (long)generation->keys.pid, keys_state(generation));
    for (size_t i = 0; i < generation->child_count; i++) {
        const struct child *child = &generation->children[i];
        if (child->pid == 0)
            continue;
        fprintf(out, "worker %ld: %s", (long)child->pid, state_names[generation->state]);
#define C(member, words, name)                                                                     \
    fprintf(out, ", " words " %llu", (unsigned long long)atomic_load(&child->stats->member));
        COUNTERS(C)
#undef C
        fputc('\n', out);
    }
}

void generation_status_json(const struct generation *generation, struct json *json)
{
    if (generation->keys.pid != 0) {
        json_object(json, NULL);
        json_string(json, "role", "keys");
        json_number(json, "pid", (long long)generation->keys.pid);
        json_string(json, "state", keys_state(generation));
        json_end_object(json);
    }
    for (size_t i = 0; i < generation->child_count; i++) {
        const struct child *child = &generation->children[i];
        if (child->pid == 0)
            continue;
        json_object(json, NULL);
        json_string(json, "role", "worker");
        json_number(json, "pid", (long long)child->pid);
        json_string(json, "state", state_names[generation->state]);
#define C(member, words, name)                                                                     \
    json_number(json, name, (long long)atomic_load(&child->stats->member));
        COUNTERS(C)
#undef C
        json_end_object(json);
    }
}
