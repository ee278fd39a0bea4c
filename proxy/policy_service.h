/*
 * policy_service.h: TLS state for Postfix (gatepost_policy_service): the address at which Postfix's
 * check_policy_service is answered, and the rules. Any worker answers: what comes from there is
 * parsed where everything is, behind the same walls.
 */
#ifndef GATEPOST_PROXY_POLICY_SERVICE_H
#define GATEPOST_PROXY_POLICY_SERVICE_H

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/endpoint.h"
#include "policy/mail_policy.h"

#include "proxy/listener.h"

struct policy_service {
    struct endpoint endpoint;
    struct mail_policy *policy; /* owned */
    unsigned reject_code;       /* plaintext_reject_code */
};

/* The service of CONFIG; *SERVICE is NULL if there is none. Returns 0, or -1 after reporting to
 * DIAG. Free with policy_service_free. */
int policy_service_new(const struct config *config, struct policy_service **service,
                       struct diag *diag);
void policy_service_free(struct policy_service *service); /* NULL does no harm */

/*
 * Listen for SERVICE (NULL: nowhere). A socket that PREVIOUS (or NULL) has for an address is
 * shared. A UNIX-domain socket can be used by everybody who can reach it; one that nobody listens
 * on is replaced. Returns 0, or -1 after reporting to DIAG.
 */
int policy_service_listen(const struct policy_service *service,
                          const struct listener_sockets *previous, struct listener_sockets *sockets,
                          struct diag *diag);

#endif
