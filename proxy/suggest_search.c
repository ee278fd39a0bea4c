#include "proxy/suggest_search.h"

#include <stdlib.h>
#include <string.h>

#include "policy/peer_policy.h"
#include "policy/policy_settings_text.h"
#include "policy/text.h"

/* From tight to loose; NULL: as it is anyway. */
static const char *const protocols[] = {NULL, ">=TLSv1.2", ">=TLSv1.1", ">=TLSv1"};
static const struct {
    const char *grade, *exclude, *list;
} ciphers[] = {
    {NULL, NULL, NULL},
    {"high", NULL, NULL},
    {"medium", NULL, NULL},
    {"medium", "aNULL", NULL}, /* exclude= replaces the exclusions of the main configuration */
    {NULL, "aNULL", "ECDHE:RSA:DES-CBC3-SHA"}, /* all that BoringSSL has */
};
static const char *const curves[] = {NULL, "X25519:P-256:P-384", "X25519:P-256:P-384:P-521"};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define CANDIDATES (COUNT_OF(protocols) * COUNT_OF(ciphers) * COUNT_OF(curves))
#define LOOSEST (CANDIDATES - 1)

/* One candidate on top of one rule. */
struct attempt {
    bool made;
    struct policy_settings settings;
    struct tls_context *context; /* owned; NULL: BoringSSL cannot do it, or it changes nothing */
    uint16_t min_version;
};

struct suggest_search {
    const struct config *config;
    struct stage *stage;
    struct attempt *attempts; /* [rule][candidate] */
    size_t rule_count;        /* with the main configuration */
};

struct suggest_search *suggest_search_new(const struct config *config, struct stage *stage)
{
    struct suggest_search *search = text_alloc(1, sizeof(*search));

    search->config = config;
    search->stage = stage;
    search->rule_count = stage->service->rule_count + 1;
    search->attempts = text_alloc(search->rule_count * CANDIDATES, sizeof(*search->attempts));
    return search;
}

void suggest_search_free(struct suggest_search *search)
{
    if (search == NULL)
        return;
    for (size_t i = 0; i < search->rule_count * CANDIDATES; i++)
        tls_context_unref(search->attempts[i].context);
    free(search->attempts);
    free(search);
}

/* 0: the main configuration; else the table's settings, from 1. */
static size_t number_of(const struct stage *stage, const struct tls_rule *rule)
{
    return rule == &stage->service->main ? 0 : 1 + (size_t)(rule - stage->service->rules);
}

struct policy_settings suggest_settings_of(const struct stage *stage, const struct tls_rule *rule)
{
    static const enum policy_level levels[] = {[TLS_LEVEL_NONE] = POLICY_LEVEL_NONE,
                                               [TLS_LEVEL_MAY] = POLICY_LEVEL_MAY,
                                               [TLS_LEVEL_ENCRYPT] = POLICY_LEVEL_ENCRYPT};
    size_t number = number_of(stage, rule);

    if (number > 0)
        return *policy_table_settings(stage->service->table, number - 1);
    return (struct policy_settings){.level = levels[rule->policy->level]};
}

unsigned suggest_attributes_of(const struct policy_settings *settings)
{
    const char *const texts[] = {settings->protocols, settings->ciphers, settings->exclude,
                                 settings->curves, settings->cipherlist};
    unsigned count = 0;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        count += texts[i] != NULL ? 1 : 0;
    return count;
}

/* SETTINGS with what the candidate NUMBER says. */
static void apply(struct policy_settings *settings, size_t number)
{
    size_t curve = number % COUNT_OF(curves);
    size_t cipher = number / COUNT_OF(curves) % COUNT_OF(ciphers);
    size_t protocol = number / COUNT_OF(curves) / COUNT_OF(ciphers);

    if (protocols[protocol] != NULL)
        settings->protocols = protocols[protocol];
    if (curves[curve] != NULL)
        settings->curves = curves[curve];
    if (cipher > 0) {
        settings->ciphers = ciphers[cipher].grade;
        settings->cipherlist = ciphers[cipher].list;
        if (ciphers[cipher].exclude != NULL)
            settings->exclude = ciphers[cipher].exclude;
    }
}

/* Candidate NUMBER on top of RULE, made when it is first wanted. */
static struct attempt *attempt_of(struct suggest_search *search, const struct tls_rule *rule,
                                  size_t number)
{
    struct attempt *attempt =
        &search->attempts[number_of(search->stage, rule) * CANDIDATES + number];
    struct diag quiet = {0};

    if (attempt->made)
        return attempt;
    attempt->made = true;
    attempt->settings = suggest_settings_of(search->stage, rule);
    apply(&attempt->settings, number);
    struct tls_policy *policy =
        peer_policy_new(search->config, &attempt->settings, "suggestion", &quiet);
    if (policy == NULL)
        return attempt;
    attempt->min_version = policy->min_version;
    /* A candidate that asks for more than what holds anyway is no exception. */
    if (policy->min_version <= rule->policy->min_version)
        attempt->context = tls_context_new(policy, search->stage->credentials, &quiet);
    tls_policy_free(policy);
    return attempt;
}

/* What comes of HELLO with the candidate; NULL: nothing good. */
static const struct tls_rehearsal *
try_one(struct suggest_search *search, const struct tls_rule *rule, size_t number, int64_t hello)
{
    const struct attempt *attempt = attempt_of(search, rule, number);
    size_t place = (size_t)(attempt - search->attempts);

    if (attempt->context == NULL)
        return NULL;
    const struct tls_rehearsal *rehearsal = stage_rehearse(
        search->stage, attempt->context, (unsigned)(search->rule_count + 1 + place), hello);
    return rehearsal != NULL && rehearsal->good ? rehearsal : NULL;
}

/* Does the candidate let through all hellos that are not hopeless? *WEAK: the oldest protocol. */
static bool lets_through(struct suggest_search *search, const struct tls_rule *rule, size_t number,
                         const int64_t *hellos, size_t count, const struct tls_rehearsal **weak)
{
    *weak = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct tls_rehearsal *rehearsal = try_one(search, rule, number, hellos[i]);
        if (rehearsal == NULL && try_one(search, rule, LOOSEST, hellos[i]) != NULL)
            return false;
        if (rehearsal != NULL &&
            (*weak == NULL || strcmp(rehearsal->protocol, (*weak)->protocol) < 0))
            *weak = rehearsal;
    }
    return *weak != NULL;
}

struct suggestion suggest_search_find(struct suggest_search *search, const struct tls_rule *rule,
                                      const int64_t *hellos, size_t count)
{
    struct suggestion suggestion = {0};

    for (size_t i = 0; i < count; i++)
        suggestion.hopeless += try_one(search, rule, LOOSEST, hellos[i]) == NULL ? 1 : 0;
    for (size_t number = 0; number < CANDIDATES && suggestion.hopeless < count; number++) {
        if (!lets_through(search, rule, number, hellos, count, &suggestion.weak))
            continue;
        const struct attempt *attempt = attempt_of(search, rule, number);
        suggestion.found = true;
        suggestion.settings = attempt->settings;
        suggestion.min_version = attempt->min_version;
        suggestion.attributes = suggest_attributes_of(&attempt->settings);
        break;
    }
    return suggestion;
}

void suggest_write(const char *pattern, const struct policy_settings *settings, FILE *out)
{
    struct text line = {0};

    policy_settings_text(settings, &line);
    fprintf(out, "%s %s", pattern, line.data);
    text_free(&line);
}
