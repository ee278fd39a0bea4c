/*
 * service_tls.c: a service's certificates and contexts: see service.h. Credentials are loaded by
 * the process that holds keys, contexts made by the one that serves.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policy/diag_once.h"

#include "tls/selfsigned.h"

#include "proxy/service.h"
#include "proxy/service_rules.h"

/* True if some peer gets TLS. */
static bool service_has_tls(const struct service *service)
{
    bool has = service->main.policy->level != TLS_LEVEL_NONE;

    for (size_t i = 0; i < service->rule_count; i++)
        has = has || (service->rules[i].policy != NULL &&
                      service->rules[i].policy->level != TLS_LEVEL_NONE);
    return has;
}

bool service_static_rsa(const struct service *service)
{
    bool has = tls_policy_static_rsa(service->main.policy);

    for (size_t i = 0; i < service->rule_count; i++)
        has = has ||
              (service->rules[i].policy != NULL && tls_policy_static_rsa(service->rules[i].policy));
    return has;
}

/* The credentials for a configuration that names none: self-signed, in the state directory, made at
 * the first start (MAKE) and kept. NULL after reporting to DIAG. */
static struct tls_credentials *own_credentials(const struct service *service, bool make,
                                               struct diag *diag)
{
    char path[4096];
    static const enum tls_key_kind kinds[] = {TLS_KEY_ECDSA_P256, TLS_KEY_RSA_2048};
    struct diag quiet = {0};

    snprintf(path, sizeof(path), "%s/selfsigned.pem",
             config_str(service->config, PARAM_gatepost_state_directory));
    if (access(path, F_OK) != 0 && !make) {
        diag_warning(diag,
                     "%s: no certificate is configured (smtpd_tls_chain_files): a self-signed one "
                     "will be made, which senders that verify certificates do not accept",
                     service->name);
        return NULL;
    }
    /* Somebody else may be making it at this moment: what counts is that it is there. */
    if (access(path, F_OK) != 0 &&
        tls_selfsigned_write(path, service->hostname, 3650, kinds, 2, &quiet) != 0 &&
        access(path, F_OK) != 0) {
        diag_error(diag, "%s: no certificate is configured, and %s cannot be made: %s",
                   service->name, path, strerror(errno));
        return NULL;
    }
    diag_warning(diag,
                 "%s: no certificate is configured (smtpd_tls_chain_files): using the self-signed "
                 "one in %s, which senders that verify certificates do not accept",
                 service->name, path);
    const struct config_override own = {.name = "smtpd_tls_chain_files", .value = path};
    struct config *config =
        config_derive_from(service->config, &own, 1, "self-signed certificate", diag);
    struct tls_credentials *credentials =
        config != NULL ? tls_credentials_load(config, diag) : NULL;
    config_free(config);
    return credentials;
}

struct tls_credentials *service_load_credentials(const struct service *service, bool make_missing,
                                                 struct diag *diag)
{
    unsigned errors = diag->errors;

    if (!service_has_tls(service))
        return NULL;
    struct tls_credentials *credentials = tls_credentials_load(service->config, diag);
    if (credentials == NULL && diag->errors == errors)
        credentials = own_credentials(service, make_missing, diag);
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
