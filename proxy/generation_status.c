/*
 * generation_status.c: what "gatepost status" says about a generation (generation.h).
 */
#include "proxy/connection_io.h"
#include "proxy/generation.h"
#include "proxy/monotonic.h"

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

/* "keys 812: serving, certificates read 2026-11-22 01:30:54". */
static void keys_status(const struct generation *generation, FILE *out)
{
    struct tm when;
    char text[64] = "";

    if (generation->certificates_read != 0 &&
        localtime_r(&generation->certificates_read, &when) != NULL)
        strftime(text, sizeof(text), ", certificates read %F %T", &when);
    fprintf(out, "keys %ld: %s%s\n", (long)generation->keys.pid, keys_state(generation), text);
}

void generation_status(const struct generation *generation, FILE *out)
{
    if (generation->keys.pid != 0)
        keys_status(generation, out);
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
    for (size_t i = 0; i < generation->plan.service_count; i++) {
        const struct service *service = generation->plan.services[i];
        upstream_status(service->upstream, service->name, monotonic_seconds(), out);
    }
}

void generation_status_json(const struct generation *generation, struct json *json)
{
    if (generation->keys.pid != 0) {
        json_object(json, NULL);
        json_string(json, "role", "keys");
        json_number(json, "pid", (long long)generation->keys.pid);
        json_string(json, "state", keys_state(generation));
        if (generation->certificates_read != 0)
            json_number(json, "certificates_read", (long long)generation->certificates_read);
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

void generation_backends_json(const struct generation *generation, struct json *json)
{
    for (size_t i = 0; i < generation->plan.service_count; i++) {
        const struct service *service = generation->plan.services[i];
        upstream_status_json(service->upstream, service->name, monotonic_seconds(), json);
    }
}
