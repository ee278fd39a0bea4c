#include "proxy/service_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "policy/peer_policy.h"
#include "policy/policy_settings_text.h"
#include "policy/second_chance_policy.h"

/* The first line that has each of the table's settings: findings are about that line. */
static void note_place(void *ctx, const struct policy_match *line, bool expired)
{
    const struct service *service = ctx;
    struct tls_rule *rule = &service->rules[line->settings];

    if (!expired && rule->place == NULL &&
        asprintf(&rule->place, "%s, line %u", line->file, line->line) < 0)
        abort();
}

/* For free(3). */
static char *words_of(const struct policy_settings *settings)
{
    struct text words = {0};

    policy_settings_text(settings, &words);
    return text_take(&words);
}

/* One policy for each of the table's different settings. */
static int make_policies(struct service *service, struct diag *diag)
{
    int status = 0;

    service->rules = calloc(service->rule_count + 1, sizeof(*service->rules));
    if (service->rules == NULL)
        abort();
    policy_table_each(service->table, note_place, service);
    for (size_t i = 0; i < policy_table_settings_count(service->table); i++) {
        const struct policy_settings *settings = policy_table_settings(service->table, i);
        struct tls_rule *rule = &service->rules[i];
        if (rule->place == NULL)
            continue; /* only lines that have expired say this */
        rule->words = words_of(settings);
        rule->reject = settings->level == POLICY_LEVEL_REJECT;
        if (rule->reject)
            continue;
        rule->policy = peer_policy_new(service->config, settings, rule->place, diag);
        if (rule->policy == NULL)
            status = -1;
    }
    return status;
}

/* The rule behind those of the table: gatepost_second_chance. */
static int make_second(struct service *service, struct diag *diag)
{
    const struct config *config = service->config;
    struct tls_rule *rule = &service->rules[service->rule_count];

    if (service->main.policy == NULL || *config_str(config, PARAM_gatepost_second_chance) == '\0')
        return 0;
    if (asprintf(&rule->place, "%s: gatepost_second_chance",
                 config_origin(config, PARAM_gatepost_second_chance)) < 0)
        abort();
    rule->words = text_copy(config_str(config, PARAM_gatepost_second_chance));
    service->rule_count++; /* frees both */
    if (second_chance_policy_new(config, service->main.policy->level, rule->place, &rule->policy,
                                 diag) != 0)
        return -1;
    service->second = rule;
    service->chance_rules = (struct second_chance_rules){
        .failures = (uint32_t)config_int(config, PARAM_gatepost_second_chance_failures),
        .time = (uint32_t)config_time(config, PARAM_gatepost_second_chance_time),
        .ipv4_prefix = (uint8_t)config_int(config, PARAM_smtpd_client_ipv4_prefix_length),
        .ipv6_prefix = (uint8_t)config_int(config, PARAM_smtpd_client_ipv6_prefix_length),
    };
    return 0;
}

int service_rules_new(struct service *service, const struct service *twin, struct diag *diag)
{
    const char *maps = config_str(service->config, PARAM_smtpd_tls_policy_maps);

    if (twin != NULL && twin->table != NULL &&
        strcmp(maps, config_str(twin->config, PARAM_smtpd_tls_policy_maps)) == 0) {
        service->table = twin->table;
    } else {
        service->table = policy_table_load(service->config, time(NULL), diag);
        service->owns_table = true;
    }
    if (service->table == NULL)
        return -1;
    service->rule_count = policy_table_settings_count(service->table);
    int status = make_policies(service, diag);
    return make_second(service, diag) == 0 ? status : -1;
}

int service_rules_load(struct service *service, const struct tls_credentials *credentials,
                       struct diag_once *once)
{
    int status = 0;

    for (size_t i = 0; i < service->rule_count; i++) {
        struct tls_rule *rule = &service->rules[i];
        if (rule->policy == NULL || rule->policy->level == TLS_LEVEL_NONE)
            continue;
        once->place = rule->place;
        rule->tls = tls_context_new(rule->policy, credentials, &once->diag);
        if (rule->tls == NULL)
            status = -1;
    }
    once->place = NULL;
    return status;
}

void service_rules_free(struct service *service)
{
    for (size_t i = 0; service->rules != NULL && i < service->rule_count; i++) {
        free(service->rules[i].place);
        free(service->rules[i].words);
        tls_policy_free(service->rules[i].policy);
        if (service->rules[i].tls != NULL)
            tls_context_unref(service->rules[i].tls);
    }
    free(service->rules);
    if (service->owns_table)
        policy_table_free(service->table);
}

const struct tls_rule *service_rule(const struct service *service,
                                    const struct client_address *client, time_t now,
                                    struct policy_match *match)
{
    match->line = 0;
    if (service->rule_count == 0 ||
        !policy_table_lookup(service->table, client->family, client->bytes, now, match))
        return &service->main;
    const struct tls_rule *rule = &service->rules[match->settings];
    return rule->reject || rule->policy != NULL ? rule : &service->main;
}
