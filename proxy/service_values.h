/*
 * service_values.h: what holds for the sessions of a listener and may depend on the load: each
 * service has these values twice, for every day and for stress mode (policy/stress.h).
 */
#ifndef GATEPOST_PROXY_SERVICE_VALUES_H
#define GATEPOST_PROXY_SERVICE_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/address_list.h"
#include "policy/config.h"
#include "policy/diag.h"

#include "proxy/limits.h"

struct service_values {
    double timeout;          /* smtpd_timeout, seconds */
    double starttls_timeout; /* seconds */
    double proxy_timeout;    /* smtpd_upstream_proxy_timeout, seconds */
    bool request_deadline;   /* smtpd_per_request_deadline */
    double min_data_rate;    /* smtpd_min_data_rate, bytes a second */
    struct limits_rules limits;
    struct address_list *exempt; /* smtpd_client_event_limit_exceptions. Owned. */
    uint32_t soft_error_limit;   /* 0: none, as for the next two */
    uint32_t hard_error_limit;
    uint32_t junk_limit;
    double error_sleep; /* seconds */
};

/* Fill in VALUES from CONFIG, for the listener NAME. Returns 0, or -1 after reporting to DIAG;
 * service_values_free in both cases. */
int service_values_load(struct service_values *values, const char *name,
                        const struct config *config, struct diag *diag);
void service_values_free(struct service_values *values);

#endif
