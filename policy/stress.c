#include "policy/stress.h"

#include <string.h>

/* What is found is told with the circumstance in which it is so. */
static void stress_sink(void *ctx, enum diag_severity severity, const char *text)
{
    diag_add(ctx, severity, "under stress: %s", text);
}

/* Whether a parameter may depend on $stress. */
static bool may_change(enum param param)
{
    switch ((int)param) {
#define P(name) case PARAM_##name:
        STRESS_PARAMS(P)
#undef P
        return true;
    default:
        return false;
    }
}

/* Report what differs between NORMAL and STRESSED and may not. */
static int compare(const struct config *normal, const struct config *stressed, struct diag *diag)
{
    int status = 0;

    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param param = (enum param)i;
        const char *before = config_str(normal, param);
        const char *after = config_str(stressed, param);

        if (may_change(param) || strcmp(before, after) == 0)
            continue;
        diag_error(diag,
                   "%s: %s = %.100s under stress, else %.100s: gatepost cannot change this "
                   "parameter while it runs; specify one value",
                   config_origin(normal, param), config_param_name(param), after, before);
        status = -1;
    }
    return status;
}

bool stress_is_fixed(const struct config *config)
{
    return config_is_set(config, PARAM_stress);
}

struct config *stress_config(const struct config *config, struct diag *diag)
{
    const struct config_override yes = {.name = "stress", .value = "yes"};
    struct diag marked = {.sink = stress_sink, .ctx = diag};
    struct config *stressed = config_derive_from(config, &yes, 1, "gatepost_stress_enter", &marked);

    if (stressed == NULL || compare(config, stressed, diag) == 0)
        return stressed;
    config_free(stressed);
    return NULL;
}

/* So many percent of COUNT; UP: rounded up. */
static uint32_t share(uint32_t count, long percent, bool up)
{
    return (uint32_t)(((uint64_t)count * (uint64_t)percent + (up ? 99 : 0)) / 100);
}

struct stress_levels stress_levels_find(const struct config *config, uint32_t sessions,
                                        uint32_t handshakes)
{
    long enter = config_int(config, PARAM_gatepost_stress_enter);
    long leave = config_int(config, PARAM_gatepost_stress_leave);

    if (stress_is_fixed(config))
        return (struct stress_levels){0};
    return (struct stress_levels){
        .enter_sessions = share(sessions, enter, true),
        .leave_sessions = share(sessions, leave, false),
        .enter_handshakes = share(handshakes, enter, true),
        .leave_handshakes = share(handshakes, leave, false),
    };
}

int stress_levels_check(const struct config *config, struct diag *diag)
{
    long enter = config_int(config, PARAM_gatepost_stress_enter);
    long leave = config_int(config, PARAM_gatepost_stress_leave);

    if (leave < enter)
        return 0;
    diag_error(diag,
               "%s: gatepost_stress_leave = %ld: must be less than gatepost_stress_enter (%ld)",
               config_origin(config, PARAM_gatepost_stress_leave), leave, enter);
    return -1;
}

bool stress_decide(bool on, const struct stress_levels *levels, uint32_t sessions,
                   uint32_t handshakes)
{
    if (levels->enter_sessions == 0)
        return false;
    if (sessions >= levels->enter_sessions || handshakes >= levels->enter_handshakes)
        return true;
    return on && (sessions > levels->leave_sessions || handshakes > levels->leave_handshakes);
}
