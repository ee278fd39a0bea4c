/*
 * stress.h: what a configuration comes to under overload. As master(8) gives smtpd(8) "-o
 * stress=yes" then, everything is evaluated a second time with stress = yes; what refers to $stress
 * (smtpd_timeout = ${stress?{10}:{300}}s) has another value there.
 */
#ifndef GATEPOST_POLICY_STRESS_H
#define GATEPOST_POLICY_STRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/config.h"
#include "policy/diag.h"

/* The parameters that may depend on $stress: they can change while sessions go on. */
#define STRESS_PARAMS(P)                                                                           \
    P(anvil_rate_time_unit)                                                                        \
    P(mynetworks)                                                                                  \
    P(smtpd_client_connection_count_limit)                                                         \
    P(smtpd_client_connection_rate_limit)                                                          \
    P(smtpd_client_event_limit_exceptions)                                                         \
    P(smtpd_client_ipv4_prefix_length)                                                             \
    P(smtpd_client_ipv6_prefix_length)                                                             \
    P(smtpd_client_message_rate_limit)                                                             \
    P(smtpd_client_new_tls_session_rate_limit)                                                     \
    P(smtpd_error_sleep_time)                                                                      \
    P(smtpd_hard_error_limit)                                                                      \
    P(smtpd_junk_command_limit)                                                                    \
    P(smtpd_min_data_rate)                                                                         \
    P(smtpd_per_request_deadline)                                                                  \
    P(smtpd_soft_error_limit)                                                                      \
    P(smtpd_starttls_timeout)                                                                      \
    P(smtpd_timeout)                                                                               \
    P(smtpd_upstream_proxy_timeout)                                                                \
    P(stress)

/* Whether the operator has said what $stress is: then load changes nothing. */
bool stress_is_fixed(const struct config *config);

/*
 * CONFIG with stress = yes; it is an error if another parameter than those above would change.
 * Returns NULL after reporting to DIAG. The caller frees it with config_free. Not for one that is
 * fixed.
 */
struct config *stress_config(const struct config *config, struct diag *diag);

/* Overload begins when so many sessions or handshakes are reached, and ends when both are down to
 * what LEAVE says. Entering at 0 means never. */
struct stress_levels {
    uint32_t enter_sessions;
    uint32_t leave_sessions;
    uint32_t enter_handshakes;
    uint32_t leave_handshakes;
};

/* gatepost_stress_enter and gatepost_stress_leave of SESSIONS and HANDSHAKES (both at least 1); all
 * zero if CONFIG is fixed. */
struct stress_levels stress_levels_find(const struct config *config, uint32_t sessions,
                                        uint32_t handshakes);

/* Whether these two parameters go together: 0, or -1 after reporting to DIAG. */
int stress_levels_check(const struct config *config, struct diag *diag);

/* Whether there is overload now, if there was (ON) or was not. */
bool stress_decide(bool on, const struct stress_levels *levels, uint32_t sessions,
                   uint32_t handshakes);

#endif
