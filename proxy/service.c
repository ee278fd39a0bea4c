#include "proxy/service.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/stress.h"

#include "tls/sni_maps.h"

#include "proxy/service_rules.h"

static const struct {
    const char *word;
    enum bare_newline mode;
} bare_newline_words[] = {
    {"no", BARE_NEWLINE_NO},         {"normalize", BARE_NEWLINE_NORMALIZE},
    {"yes", BARE_NEWLINE_NORMALIZE}, {"note", BARE_NEWLINE_NOTE},
    {"reject", BARE_NEWLINE_REJECT},
};

/* smtpd_forbid_bare_newline; the parameter table has checked the word. */
static enum bare_newline bare_newline_from_word(const char *word)
{
    for (size_t i = 0; i < sizeof(bare_newline_words) / sizeof(bare_newline_words[0]); i++)
        if (strcasecmp(word, bare_newline_words[i].word) == 0)
            return bare_newline_words[i].mode;
    return BARE_NEWLINE_NORMALIZE;
}

/* smtpd_tls_loglevel: every number from 1 and every word list that has "summary" or a level word
 * contains the one-line summary; 0 and none do not. */
static bool loglevel_has_summary(const char *level)
{
    static const char *const words[] = {"routine", "summary", "debug", "ssl-expert",
                                        "ssl-developer"};
    size_t length;

    for (const char *word = level; *word != '\0'; word += length) {
        word += strspn(word, ", \t\r\n");
        length = strcspn(word, ", \t\r\n");
        if (length == 1 && *word >= '1' && *word <= '9')
            return true;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (strlen(words[i]) == length && strncasecmp(word, words[i], length) == 0)
                return true;
    }
    return false;
}

/* The list of addresses in a parameter. */
static struct address_list *service_addresses(const struct config *config, enum param param,
                                              enum address_list_names names, struct diag *diag)
{
    return address_list_load(config_param_name(param), config_str(config, param),
                             config_origin(config, param), names, diag);
}

/* Values that may depend on the load. */
static int service_set_values(struct service *service, struct diag *diag)
{
    service->stress_fixed = stress_is_fixed(service->config);
    if (service_values_load(&service->values, service->name, service->config, diag) != 0)
        return -1;
    if (service->stress_fixed)
        return 0;
    struct config *stressed = stress_config(service->config, diag);
    if (stressed == NULL)
        return -1;
    /* What the same list of addresses has to say was said above. */
    const enum param list = PARAM_smtpd_client_event_limit_exceptions;
    struct diag quiet = {0};
    bool same = strcmp(config_str(stressed, list), config_str(service->config, list)) == 0;
    int status =
        service_values_load(&service->stressed, service->name, stressed, same ? &quiet : diag);
    config_free(stressed);
    return status;
}

/* Proxies in front of gatepost. */
static int service_set_proxies(struct service *service, struct diag *diag)
{
    const struct config *config = service->config;
    const char *protocol = config_str(config, PARAM_smtpd_upstream_proxy_protocol);

    if (*protocol == '\0')
        return 0;
    if (strcmp(protocol, "haproxy") != 0) {
        diag_error(diag, "%s: smtpd_upstream_proxy_protocol = %s: specify haproxy or nothing",
                   config_origin(config, PARAM_smtpd_upstream_proxy_protocol), protocol);
        return -1;
    }
    service->proxies = service_addresses(config, PARAM_gatepost_upstream_proxy_networks,
                                         ADDRESS_LIST_NAMES_REFUSE, diag);
    if (service->proxies != NULL && address_list_size(service->proxies) == 0) {
        diag_error(diag,
                   "%s: smtpd_upstream_proxy_protocol = haproxy: specify the proxy's addresses in "
                   "gatepost_upstream_proxy_networks",
                   config_origin(config, PARAM_smtpd_upstream_proxy_protocol));
        return -1;
    }
    return service->proxies != NULL ? 0 : -1;
}

/* Line ends and words that clients may not use. */
static int service_set_rules(struct service *service, struct diag *diag)
{
    const struct config *config = service->config;

    service->forbid_pipelining = config_bool(config, PARAM_smtpd_forbid_unauth_pipelining);
    service->bare_newline =
        bare_newline_from_word(config_str(config, PARAM_smtpd_forbid_bare_newline));
    service->bare_newline_code =
        (int)config_int(config, PARAM_smtpd_forbid_bare_newline_reject_code);
    service->bare_newline_exempt = service_addresses(
        config, PARAM_smtpd_forbid_bare_newline_exclusions, ADDRESS_LIST_NAMES_WARN, diag);
    service->forbidden_commands =
        word_list_load(config_param_name(PARAM_smtpd_forbidden_commands),
                       config_str(config, PARAM_smtpd_forbidden_commands),
                       config_origin(config, PARAM_smtpd_forbidden_commands), diag);
    return service->bare_newline_exempt != NULL && service->forbidden_commands != NULL ? 0 : -1;
}

const char *tls_rule_level_name(const struct tls_rule *rule)
{
    return rule->reject ? "reject" : tls_level_name(rule->policy->level);
}

struct service *service_new(const char *name, const struct config *config,
                            const struct service *twin, struct diag *diag)
{
    struct service *service = calloc(1, sizeof(*service));
    if (service == NULL)
        abort();

    service->name = name;
    service->config = config;
    service->main.policy = tls_policy_from_config(config, diag);
    service->upstream = upstream_new(config, diag);
    bool rules = service_rules_new(service, twin, diag) == 0;
    bool values = service_set_values(service, diag) == 0;
    bool behaviour = service_set_rules(service, diag) == 0;
    bool made = service->main.policy != NULL && service->upstream != NULL && rules && values;
    if (!made || !behaviour || service_set_proxies(service, diag) != 0 ||
        service_read_names(service, diag) != 0) {
        service_free(service);
        return NULL;
    }
    service->hostname = config_str(config, PARAM_myhostname);
    service->banner = config_str(config, PARAM_smtpd_banner);
    service->wrappermode = config_bool(config, PARAM_smtpd_tls_wrappermode);
    service->received_header = config_bool(config, PARAM_smtpd_tls_received_header);
    service->own_received = config_bool(config, PARAM_gatepost_received_header);
    service->requiretls = config_bool(config, PARAM_gatepost_requiretls);
    service->log_summary = loglevel_has_summary(config_str(config, PARAM_smtpd_tls_loglevel));
    service->line_limit = (size_t)config_int(config, PARAM_line_length_limit);
    return service;
}

const struct service_values *service_values_now(const struct service *service, bool stressed)
{
    return stressed && !service->stress_fixed ? &service->stressed : &service->values;
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    if (service->main.tls != NULL)
        tls_context_unref(service->main.tls);
    upstream_free(service->upstream);
    tls_policy_free(service->main.policy);
    service_values_free(&service->values);
    service_values_free(&service->stressed);
    address_list_free(service->proxies);
    address_list_free(service->bare_newline_exempt);
    word_list_free(service->forbidden_commands);
    service_rules_free(service);
    tls_sni_list_free(service->names);
    tls_ticket_keys_unref(service->ticket_keys);
    free(service);
}
