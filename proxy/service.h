/*
 * service.h: all that holds for the sessions of one listener, worked out once before the first of
 * them: the listener's own configuration in the form the session code wants it, and the rules for
 * single peers (smtpd_tls_policy_maps).
 */
#ifndef GATEPOST_PROXY_SERVICE_H
#define GATEPOST_PROXY_SERVICE_H

#include <stdbool.h>
#include <time.h>

#include "policy/address_list.h"
#include "policy/config.h"
#include "policy/diag.h"
#include "policy/policy_table.h"
#include "policy/tls_policy.h"
#include "policy/word_list.h"

#include "tls/context.h"
#include "tls/ticket_keys.h"

#include "proxy/client_address.h"
#include "proxy/data_stream.h"
#include "proxy/second_chance.h"
#include "proxy/service_values.h"
#include "proxy/upstream.h"

/* What TLS holds for a peer. Lines of a policy table that say the same share one. */
struct tls_rule {
    char *place; /* "FILE, line N" of the first line that says it. Owned; main: NULL. */
    char *words; /* what it says, as a line has it behind its pattern. Owned; main: NULL. */
    bool reject; /* the peer is sent away with 421; policy and tls are NULL */
    struct tls_policy *policy; /* owned */
    struct tls_context *tls;   /* NULL: TLS is not available. Owned reference. */
};

/* The level that RULE comes to, as in the table: "none", "may", "encrypt", "reject". */
const char *tls_rule_level_name(const struct tls_rule *rule);

struct service {
    const char *name;            /* gatepost_listen's element, for logs. Borrowed. */
    const struct config *config; /* borrowed */
    struct tls_rule main;        /* for every peer that no line of the table applies to */
    struct policy_table *table;  /* may be shared with another service: owns_table */
    bool owns_table;
    struct tls_rule *rules; /* by the table's settings index */
    size_t rule_count;
    struct tls_rule *second; /* of RULES, the last: gatepost_second_chance; NULL: there is none */
    struct second_chance_rules chance_rules;
    struct tls_sni_list *names; /* tls_server_sni_maps as it was read; NULL: no TLS. Owned. */
    struct tls_ticket_keys *ticket_keys; /* of service_tickets; NULL: each context has its own */
    struct upstream *upstream;
    const char *hostname; /* myhostname */
    const char *banner;   /* smtpd_banner */
    bool wrappermode;
    bool received_header;   /* smtpd_tls_received_header: Received-TLS */
    bool own_received;      /* gatepost_received_header: Received */
    bool requiretls;        /* gatepost_requiretls */
    bool forbid_pipelining; /* smtpd_forbid_unauth_pipelining */
    bool log_summary;       /* smtpd_tls_loglevel has "TLS connection established" */
    enum bare_newline bare_newline;
    int bare_newline_code;                    /* smtpd_forbid_bare_newline_reject_code */
    struct address_list *bare_newline_exempt; /* smtpd_forbid_bare_newline_exclusions. Owned. */
    struct word_list *forbidden_commands;     /* smtpd_forbidden_commands. Owned; NULL: none. */
    size_t line_limit;                        /* line_length_limit */
    struct address_list *proxies;   /* gatepost_upstream_proxy_networks. Owned; NULL: a client's
                                       own address is that of its connection */
    bool stress_fixed;              /* the operator has said what $stress is */
    struct service_values values;   /* every day, or for good */
    struct service_values stressed; /* not if STRESS_FIXED; see service_values_now */
};

/*
 * Policies and upstream of CONFIG, without anything that needs a key: for the master, which must
 * not see one. TWIN (or NULL) is another service whose policy table is used if it reads the same
 * maps; it must outlive this one. Returns NULL after reporting to DIAG. Free with service_free.
 */
struct service *service_new(const char *name, const struct config *config,
                            const struct service *twin, struct diag *diag);

/* Read tls_server_sni_maps, if some peer gets TLS; service_new does it. Returns 0, or -1 after
 * reporting to DIAG. */
int service_read_names(struct service *service, struct diag *diag);

/* Tell EACH the paths of all files that certificates, keys and authorities are read from. */
void service_each_credential_path(const struct service *service, tls_path_visitor *each, void *ctx);

/*
 * Load certificates and keys: for the key process. If none is configured, self-signed ones in the
 * state directory are used, and made with MAKE_MISSING; without it, and where they are not there
 * yet, there are none (a warning). NULL without an error: SERVICE has no TLS. Free with
 * tls_credentials_free.
 */
struct tls_credentials *service_load_credentials(const struct service *service, bool make_missing,
                                                 struct diag *diag);

/* Do some peers have suites with static RSA key exchange? */
bool service_static_rsa(const struct service *service);

/* Make the TLS contexts from CREDENTIALS: for the process that serves. Returns 0, or -1 after
 * reporting to DIAG. */
int service_set_credentials(struct service *service, const struct tls_credentials *credentials,
                            struct diag *diag);

/* Both in one process, which makes nothing: for commands that look at things. */
int service_load_tls(struct service *service, struct diag *diag);

/* What holds now; STRESSED: there is overload (limits_stressed). */
const struct service_values *service_values_now(const struct service *service, bool stressed);

/* The rule for a peer; *MATCH is filled in if a line of the table applies (LINE 0 if none does). */
const struct tls_rule *service_rule(const struct service *service,
                                    const struct client_address *client, time_t now,
                                    struct policy_match *match);

void service_free(struct service *service);

#endif
