/*
 * service.h: all that holds for the sessions of one listener, worked out once before the first of
 * them: the listener's own configuration in the form the session code wants it.
 */
#ifndef GATEPOST_PROXY_SERVICE_H
#define GATEPOST_PROXY_SERVICE_H

#include <stdbool.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/tls_policy.h"
#include "proxy/data_stream.h"
#include "proxy/upstream.h"
#include "tls/context.h"

struct service {
    const char *name;            /* gatepost_listen's element, for logs. Borrowed. */
    const struct config *config; /* borrowed */
    struct tls_policy *policy;
    struct tls_context *tls; /* NULL: TLS is not available */
    struct upstream *upstream;
    const char *hostname; /* myhostname */
    const char *banner;   /* smtpd_banner */
    bool wrappermode;
    bool auth_only; /* AUTH only under TLS */
    bool received_header;
    bool forbid_pipelining; /* smtpd_forbid_unauth_pipelining */
    bool log_summary;       /* smtpd_tls_loglevel has "TLS connection established" */
    enum bare_newline bare_newline;
    size_t line_limit;       /* line_length_limit */
    double timeout;          /* smtpd_timeout, seconds */
    double starttls_timeout; /* seconds */
};

/*
 * Policy and upstream of CONFIG, without anything that needs a key: for the master, which must not
 * see one. Returns NULL after reporting to DIAG. Free with service_free.
 */
struct service *service_new(const char *name, const struct config *config, struct diag *diag);

/* Load certificates and keys and make the TLS context: for the process that serves. Returns 0, or
 * -1 after reporting to DIAG. */
int service_load_tls(struct service *service, struct diag *diag);

void service_free(struct service *service);

#endif
