#include "proxy/service_values.h"

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

/* A time. */
static double seconds(const struct config *config, enum param param)
{
    return (double)config_time(config, param);
}

int service_values_load(struct service_values *values, const char *name,
                        const struct config *config, struct diag *diag)
{
    const enum param exceptions = PARAM_smtpd_client_event_limit_exceptions;

    *values = (struct service_values){
        .timeout = seconds(config, PARAM_smtpd_timeout),
        .starttls_timeout = seconds(config, PARAM_smtpd_starttls_timeout),
        .proxy_timeout = seconds(config, PARAM_smtpd_upstream_proxy_timeout),
        .request_deadline = config_bool(config, PARAM_smtpd_per_request_deadline),
        .min_data_rate = (double)config_int(config, PARAM_smtpd_min_data_rate),
        .soft_error_limit = limit_value(config, PARAM_smtpd_soft_error_limit),
        .hard_error_limit = limit_value(config, PARAM_smtpd_hard_error_limit),
        .junk_limit = limit_value(config, PARAM_smtpd_junk_command_limit),
        .error_sleep = seconds(config, PARAM_smtpd_error_sleep_time),
    };
    values->limits = (struct limits_rules){
        .service = service_number(name),
        .connections = limit_value(config, PARAM_smtpd_client_connection_count_limit),
        .connection_rate = limit_value(config, PARAM_smtpd_client_connection_rate_limit),
        .message_rate = limit_value(config, PARAM_smtpd_client_message_rate_limit),
        .tls_rate = limit_value(config, PARAM_smtpd_client_new_tls_session_rate_limit),
        .rate_unit = (uint32_t)config_time(config, PARAM_anvil_rate_time_unit),
        .ipv4_prefix = (uint8_t)config_int(config, PARAM_smtpd_client_ipv4_prefix_length),
        .ipv6_prefix = (uint8_t)config_int(config, PARAM_smtpd_client_ipv6_prefix_length),
    };
    values->exempt =
        address_list_load(config_param_name(exceptions), config_str(config, exceptions),
                          config_origin(config, exceptions), ADDRESS_LIST_NAMES_WARN, diag);
    return values->exempt != NULL ? 0 : -1;
}

void service_values_free(struct service_values *values)
{
    address_list_free(values->exempt);
    values->exempt = NULL;
}
