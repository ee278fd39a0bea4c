#include "proxy/service.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* What listeners' clients are counted apart by: the same after a reload. FNV-1a. */
static uint32_t service_number(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash;
}

/* A number from 0. */
static uint32_t limit_value(const struct config *config, enum param param)
{
    return (uint32_t)config_int(config, param);
}

/* What clients may do. */
static int service_set_limits(struct service *service, struct diag *diag)
{
    const struct config *config = service->config;

    service->limits = (struct limits_rules){
        .service = service_number(service->name),
        .connections = limit_value(config, PARAM_smtpd_client_connection_count_limit),
        .connection_rate = limit_value(config, PARAM_smtpd_client_connection_rate_limit),
        .message_rate = limit_value(config, PARAM_smtpd_client_message_rate_limit),
        .tls_rate = limit_value(config, PARAM_smtpd_client_new_tls_session_rate_limit),
        .rate_unit = (uint32_t)config_time(config, PARAM_anvil_rate_time_unit),
        .ipv4_prefix = (uint8_t)config_int(config, PARAM_smtpd_client_ipv4_prefix_length),
        .ipv6_prefix = (uint8_t)config_int(config, PARAM_smtpd_client_ipv6_prefix_length),
    };
    service->soft_error_limit = limit_value(config, PARAM_smtpd_soft_error_limit);
    service->hard_error_limit = limit_value(config, PARAM_smtpd_hard_error_limit);
    service->junk_limit = limit_value(config, PARAM_smtpd_junk_command_limit);
    service->error_sleep = (double)config_time(config, PARAM_smtpd_error_sleep_time);
    service->exempt = service_addresses(config, PARAM_smtpd_client_event_limit_exceptions,
                                        ADDRESS_LIST_NAMES_WARN, diag);
    return service->exempt != NULL ? 0 : -1;
}

/* Proxies in front of gatepost. */
static int service_set_proxies(struct service *service, struct diag *diag)
{
    const struct config *config = service->config;
    const char *protocol = config_str(config, PARAM_smtpd_upstream_proxy_protocol);

    service->proxy_timeout = (double)config_time(config, PARAM_smtpd_upstream_proxy_timeout);
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
    bool limits = service_set_limits(service, diag) == 0;
    bool made = service->main.policy != NULL && service->upstream != NULL && rules && limits;
    if (!made || service_set_proxies(service, diag) != 0 ||
        service_read_names(service, diag) != 0) {
        service_free(service);
        return NULL;
    }
    service->hostname = config_str(config, PARAM_myhostname);
    service->banner = config_str(config, PARAM_smtpd_banner);
    service->wrappermode = config_bool(config, PARAM_smtpd_tls_wrappermode);
    service->received_header = config_bool(config, PARAM_smtpd_tls_received_header);
    service->forbid_pipelining = config_bool(config, PARAM_smtpd_forbid_unauth_pipelining);
    service->log_summary = loglevel_has_summary(config_str(config, PARAM_smtpd_tls_loglevel));
    service->bare_newline =
        bare_newline_from_word(config_str(config, PARAM_smtpd_forbid_bare_newline));
    service->line_limit = (size_t)config_int(config, PARAM_line_length_limit);
    service->timeout = (double)config_time(config, PARAM_smtpd_timeout);
    service->starttls_timeout = (double)config_time(config, PARAM_smtpd_starttls_timeout);
    return service;
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    if (service->main.tls != NULL)
        tls_context_unref(service->main.tls);
    upstream_free(service->upstream);
    tls_policy_free(service->main.policy);
    address_list_free(service->exempt);
    address_list_free(service->proxies);
    service_rules_free(service);
    tls_sni_list_free(service->names);
    tls_ticket_keys_unref(service->ticket_keys);
    free(service);
}
