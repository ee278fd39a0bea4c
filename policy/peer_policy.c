#include "policy/peer_policy.h"

#include <stdlib.h>
#include <string.h>

#include "policy/policy_line.h"

/* A line's attributes are overrides of parameters: no more than this many. */
#define OVERRIDES_MAX 16

/* The overrides that SETTINGS stand for; the values are owned. */
struct overrides {
    struct config_override list[OVERRIDES_MAX];
    char *values[OVERRIDES_MAX];
    size_t count;
};

/* Findings about a derived configuration, with the place of the line before them. */
struct placed_diag {
    struct diag *diag;
    const char *place;
};

static void placed_sink(void *ctx, enum diag_severity severity, const char *text)
{
    const struct placed_diag *placed = ctx;
    diag_add(placed->diag, severity, "%s: %s", placed->place, text);
}

/* VALUE as a parameter's value: "$" means itself. */
static char *literal(const char *value)
{
    char *out = malloc(2 * strlen(value) + 1);
    char *end = out;

    if (out == NULL)
        abort();
    for (const char *byte = value; *byte != '\0'; byte++) {
        if (*byte == '$')
            *end++ = '$';
        *end++ = *byte;
    }
    *end = '\0';
    return out;
}

/* Override parameter NAME, unless the line says nothing (VALUE is NULL). */
static void override(struct overrides *overrides, const char *name, const char *value)
{
    if (value == NULL)
        return;
    if (overrides->count == OVERRIDES_MAX)
        abort();
    char *owned = literal(value);
    overrides->values[overrides->count] = owned;
    overrides->list[overrides->count++] = (struct config_override){.name = name, .value = owned};
}

/* An attribute that stands for a parameter and its mandatory twin. */
static void override_both(struct overrides *overrides, const char *name, const char *mandatory,
                          const char *value)
{
    override(overrides, name, value);
    override(overrides, mandatory, value);
}

/* What the line says, in parameters. */
static void collect(struct overrides *overrides, const struct config *config,
                    const struct policy_settings *settings)
{
    override(overrides, "smtpd_tls_security_level", policy_level_name(settings->level));
    override_both(overrides, "smtpd_tls_protocols", "smtpd_tls_mandatory_protocols",
                  settings->protocols);
    override_both(overrides, "smtpd_tls_ciphers", "smtpd_tls_mandatory_ciphers", settings->ciphers);
    override(overrides, "smtpd_tls_exclude_ciphers", settings->exclude);
    if (settings->exclude != NULL)
        override(overrides, "smtpd_tls_mandatory_exclude_ciphers", "");
    override(overrides, "tls_eecdh_auto_curves", settings->curves);
    if (settings->cipherlist != NULL) {
        override_both(overrides, "smtpd_tls_ciphers", "smtpd_tls_mandatory_ciphers", "high");
        override(overrides, "tls_high_cipherlist", settings->cipherlist);
    }
    if (settings->ccert != POLICY_CCERT_INHERIT || settings->match != NULL) {
        bool require = settings->ccert == POLICY_CCERT_REQUIRE || settings->match != NULL;
        bool ask = require || settings->ccert == POLICY_CCERT_ASK;
        override(overrides, "smtpd_tls_ask_ccert", ask ? "yes" : "no");
        override(overrides, "smtpd_tls_req_ccert", require ? "yes" : "no");
    }
    if (settings->tickets == POLICY_NO)
        override(overrides, "smtpd_tls_session_cache_timeout", "0");
    else if (settings->tickets == POLICY_YES &&
             config_time(config, PARAM_smtpd_tls_session_cache_timeout) == 0)
        override(overrides, "smtpd_tls_session_cache_timeout", "3600s");
}

struct tls_policy *peer_policy_new(const struct config *config,
                                   const struct policy_settings *settings, const char *place,
                                   struct diag *diag)
{
    struct overrides overrides = {.count = 0};
    struct placed_diag placed = {.diag = diag, .place = place};
    struct diag placing = {.sink = placed_sink, .ctx = &placed};
    struct tls_policy *policy = NULL;

    collect(&overrides, config, settings);
    struct config *derived =
        config_derive_from(config, overrides.list, overrides.count, place, diag);
    if (derived != NULL)
        policy = tls_policy_from_config(derived, &placing);
    config_free(derived);
    for (size_t i = 0; i < overrides.count; i++)
        free(overrides.values[i]);
    if (policy != NULL && settings->tickets == POLICY_YES)
        policy->tickets = true; /* whatever tls_ssl_options says */
    if (policy != NULL && settings->match != NULL)
        tls_policy_set_match(policy, settings->match);
    return policy;
}
