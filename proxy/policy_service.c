#include "proxy/policy_service.h"

#include <stdbool.h>
#include <stdlib.h>

#include "proxy/endpoint_listen.h"

/* Findings about rules that cannot work with what is asked of clients. */
static void check_ccert(const struct config *config, const struct mail_policy *policy,
                        struct diag *diag)
{
    if (config_bool(config, PARAM_smtpd_tls_ask_ccert))
        return;
    for (size_t i = 0; i < mail_policy_size(policy); i++) {
        const struct mail_rule *rule = mail_policy_rule(policy, i);
        if (rule->demand != MAIL_DEMAND_CCERT)
            continue;
        diag_warning(
            diag,
            "%s: %s demands a client certificate, which only those clients are asked for "
            "whose line in smtpd_tls_policy_maps says ccert=ask: smtpd_tls_ask_ccert is no",
            rule->place, rule->pattern);
        return;
    }
}

int policy_service_new(const struct config *config, struct policy_service **service,
                       struct diag *diag)
{
    const enum param param = PARAM_gatepost_policy_service;
    const char *address = config_str(config, param);
    struct policy_service made = {0};

    *service = NULL;
    if (*address == '\0') {
        if (*config_str(config, PARAM_gatepost_policy_service_maps) != '\0')
            diag_warning(diag,
                         "%s: gatepost_policy_service_maps is not used, since "
                         "gatepost_policy_service is empty",
                         config_origin(config, PARAM_gatepost_policy_service_maps));
        return 0;
    }
    made.policy = mail_policy_load(config, diag);
    int status = endpoint_parse(address, config_param_name(param), &made.endpoint, diag);
    if (status != 0 || made.policy == NULL) {
        mail_policy_free(made.policy);
        if (status == 0)
            endpoint_free(&made.endpoint);
        return -1;
    }
    made.reject_code = (unsigned)config_int(config, PARAM_plaintext_reject_code);
    check_ccert(config, made.policy, diag);
    *service = malloc(sizeof(**service));
    if (*service == NULL)
        abort();
    **service = made;
    return 0;
}

void policy_service_free(struct policy_service *service)
{
    if (service == NULL)
        return;
    endpoint_free(&service->endpoint);
    mail_policy_free(service->policy);
    free(service);
}

int policy_service_listen(const struct policy_service *service,
                          const struct listener_sockets *previous, struct listener_sockets *sockets,
                          struct diag *diag)
{
    *sockets = (struct listener_sockets){0};
    if (service == NULL)
        return 0;
    int status = endpoint_listen(&service->endpoint, "gatepost_policy_service",
                                 "whoever does so can ask about sessions", previous, sockets, diag);
    if (status != 0)
        listener_close(sockets);
    return status;
}
