/*
 * service_rules.h: the rules for single peers of a service. Part of service.c; not for others.
 */
#ifndef GATEPOST_PROXY_SERVICE_RULES_H
#define GATEPOST_PROXY_SERVICE_RULES_H

#include "policy/diag_once.h"

#include "proxy/service.h"

/* Read the policy table (or use TWIN's) and make a policy for each of its settings. Returns 0, or
 * -1 after reporting to DIAG. */
int service_rules_new(struct service *service, const struct service *twin, struct diag *diag);

/* Make the TLS contexts of all rules from CREDENTIALS. Returns 0, or -1 after reporting to ONCE,
 * each finding with the line that it is about. */
int service_rules_load(struct service *service, const struct tls_credentials *credentials,
                       struct diag_once *once);

void service_rules_free(struct service *service);

#endif
