/*
 * service_tls.c: a service's certificates and contexts: see service.h. Credentials are loaded by
 * the process that holds keys, contexts made by the one that serves.
 */
#include "policy/diag_once.h"

#include "tls/sni_maps.h"

#include "proxy/service.h"
#include "proxy/service_rules.h"
#include "proxy/service_tickets.h"

/* True if some peer gets TLS. */
static bool service_has_tls(const struct service *service)
{
    bool has = service->main.policy->level != TLS_LEVEL_NONE;

    for (size_t i = 0; i < service->rule_count; i++)
        has = has || (service->rules[i].policy != NULL &&
                      service->rules[i].policy->level != TLS_LEVEL_NONE);
    return has;
}

int service_read_names(struct service *service, struct diag *diag)
{
    const struct config *config = service->config;

    if (!service_has_tls(service))
        return 0;
    service->names = tls_sni_list_read(config_str(config, PARAM_tls_server_sni_maps),
                                       config_origin(config, PARAM_tls_server_sni_maps), diag);
    return service->names != NULL ? 0 : -1;
}

void service_each_credential_path(const struct service *service, tls_path_visitor *each, void *ctx)
{
    if (!service_has_tls(service))
        return;
    tls_credentials_each_path(service->config, service->names, each, ctx);
    tls_policy_each_path(service->main.policy, each, ctx);
    for (size_t i = 0; i < service->rule_count; i++)
        if (service->rules[i].policy != NULL)
            tls_policy_each_path(service->rules[i].policy, each, ctx);
}

bool service_static_rsa(const struct service *service)
{
    bool has = tls_policy_static_rsa(service->main.policy);

    for (size_t i = 0; i < service->rule_count; i++)
        has = has ||
              (service->rules[i].policy != NULL && tls_policy_static_rsa(service->rules[i].policy));
    return has;
}

struct tls_credentials *service_load_credentials(const struct service *service, bool make_missing,
                                                 struct diag *diag)
{
    unsigned errors = diag->errors;

    if (!service_has_tls(service))
        return NULL;
    if (make_missing && tls_credentials_make(service->config, NULL, diag) != 0)
        return NULL;
    struct tls_credentials *credentials =
        tls_credentials_load(service->config, service->names, diag);
    if (credentials == NULL && diag->errors == errors)
        diag_warning(diag,
                     "%s: no certificate is configured (smtpd_tls_chain_files): a self-signed one "
                     "will be made, which senders that verify certificates do not accept",
                     service->name);
    return credentials;
}

int service_set_credentials(struct service *service, const struct tls_credentials *credentials,
                            struct diag *diag)
{
    struct diag_once once;
    int status = 0;

    diag_once_begin(&once, diag);
    if (service->main.policy->level != TLS_LEVEL_NONE) {
        service->main.tls = tls_context_new(service->main.policy, credentials, &once.diag);
        status = service->main.tls != NULL ? 0 : -1;
    }
    if (service_rules_load(service, credentials, &once) != 0)
        status = -1;
    diag_once_end(&once);
    service_tickets_use(service);
    return status;
}

int service_load_tls(struct service *service, struct diag *diag)
{
    unsigned errors = diag->errors;
    struct tls_credentials *credentials = service_load_credentials(service, false, diag);

    if (credentials == NULL)
        return diag->errors == errors ? 0 : -1;
    int status = service_set_credentials(service, credentials, diag);
    tls_credentials_free(credentials);
    return status;
}
