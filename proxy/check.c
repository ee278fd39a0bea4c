#include "proxy/check.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "policy/diag_once.h"

#include "tls/inventory.h"

#include "proxy/check_certificates.h"
#include "proxy/check_ledger.h"
#include "proxy/check_profile.h"
#include "proxy/metrics_listen.h"
#include "proxy/policy_service.h"
#include "proxy/policy_text.h"
#include "proxy/probe.h"
#include "proxy/service.h"
#include "proxy/service_tickets.h"

#define SOON_SECONDS (30 * 86400) /* an exception that ends within this is worth a word */
#define SOON_MAX 100              /* words at most */

static void check_on_probed(struct probe *probe, const char *error)
{
    bool *serves = probe->owner;

    *serves = error == NULL;
    ev_break(probe->dial.loop, EVBREAK_ALL);
}

/* Ask BACKEND of SERVICE and wait for the outcome: whether it serves; else PROBE has the reason. */
static bool check_backend(struct service *service, struct backend *backend, struct probe *probe)
{
    bool serves = false;
    struct dial_channel direct = {.fd = -1};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);

    if (loop == NULL)
        abort();
    *probe = (struct probe){.dial = {.loop = loop,
                                     .upstream = service->upstream,
                                     .backend = backend,
                                     .channel = &direct},
                            .hostname = service->hostname,
                            .done = check_on_probed,
                            .owner = &serves,
                            .fd = -1};
    probe_start(probe);
    ev_run(loop, 0);
    probe_cancel(probe);
    ev_loop_destroy(loop);
    return serves;
}

/* Ask all backends of SERVICE. One that is down is only an error if no other serves. */
static void check_backends(struct service *service, struct diag *diag)
{
    const struct backend_list *list = &service->upstream->list;
    struct probe *probes = calloc(list->count, sizeof(*probes));
    bool serves[BACKENDS_MAX];
    bool any = false;

    if (probes == NULL)
        abort();
    for (size_t i = 0; i < list->count; i++) {
        serves[i] = check_backend(service, &list->backends[i], &probes[i]);
        any = any || serves[i];
    }
    for (size_t i = 0; i < list->count; i++)
        if (!serves[i] && any && probes[i].fault != BACKEND_FAULT_HANDOFF)
            diag_warning(diag, "gatepost_backend = %s: %s", list->backends[i].name,
                         probes[i].error);
        else if (!serves[i])
            diag_error(diag, "gatepost_backend = %s: %s", list->backends[i].name, probes[i].error);
    free(probes);
}

/* Lines of the policy table that end soon. */
struct check_soon {
    struct diag *diag;
    time_t now;
    unsigned count;
};

static void check_line(void *ctx, const struct policy_match *line, bool expired)
{
    struct check_soon *soon = ctx;
    char date[POLICY_DATE_MAX];

    if (expired || line->until == 0 || line->until > soon->now + SOON_SECONDS ||
        soon->count++ >= SOON_MAX)
        return;
    diag_warning(soon->diag, "%s, line %u: %s expires on %s, in %ld days%s%s", line->file,
                 line->line, line->prefix, policy_until_text(line, date),
                 (long)((line->until - soon->now) / 86400), line->note != NULL ? ": " : "",
                 line->note != NULL ? line->note : "");
}

/* One rule's context against the rule set. */
static unsigned check_rule(const struct tls_rule *rule, const char *label,
                           const struct profile *profile, struct diag *diag)
{
    if (rule->tls == NULL || profile == NULL)
        return 0;
    struct tls_inventory *inventory = tls_inventory_new(rule->tls);
    unsigned violated = check_profile(label, inventory, profile, diag);
    tls_inventory_free(inventory);
    return violated;
}

/* What one listener offers, to everybody and to the peers of the table. */
static unsigned check_offers(const struct service *service, const struct profile *profile,
                             struct diag *diag)
{
    unsigned violated = check_rule(&service->main, "main configuration", profile, diag);

    for (size_t i = 0; i < service->rule_count; i++)
        violated += check_rule(&service->rules[i], service->rules[i].place, profile, diag);
    const struct tls_context *context = service->main.tls;
    for (size_t i = 0; i < service->rule_count && context == NULL; i++)
        context = service->rules[i].tls;
    if (context != NULL) {
        struct tls_inventory *inventory = tls_inventory_new(context);
        check_certificates(service->name, service->config, inventory, diag);
        tls_inventory_free(inventory);
    }
    check_key_files(service->name, service->config, diag);
    return violated;
}

/* All listeners. */
static unsigned check_listeners(const struct config *config, const struct profile *profile,
                                struct diag *diag)
{
    struct listen_list listeners;
    struct service *first = NULL;
    unsigned violated = 0;

    if (listen_list_parse(config, &listeners, diag) != 0)
        return 0;
    for (size_t i = 0; i < listeners.count; i++) {
        const struct listen_spec *spec = &listeners.specs[i];
        struct service *service = service_new(spec->name, spec->config, first, diag);
        if (service == NULL)
            continue;
        const struct service_list alone = {&service, 1}, none = {0};
        (void)service_tickets_prepare(alone, none, diag);
        struct check_soon soon = {.diag = diag, .now = time(NULL)};
        if (service->owns_table)
            policy_table_each(service->table, check_line, &soon);
        if (service_load_tls(service, diag) == 0)
            violated += check_offers(service, profile, diag);
        check_backends(service, diag);
        if (first == NULL)
            first = service;
        else
            service_free(service);
    }
    service_free(first);
    listen_list_free(&listeners);
    return violated;
}

unsigned check_run(const struct config *config, const char *profile_name, struct diag *diag)
{
    const struct profile *profile = NULL;
    struct diag_once once;

    if (profile_name != NULL && (profile = check_profile_find(profile_name, diag)) == NULL)
        return 0;
    diag_once_begin(&once, diag);
    (void)stress_levels_check(config, &once.diag);
    check_ledger(config, &once.diag);
    struct policy_service *policy_service = NULL;
    (void)policy_service_new(config, &policy_service, &once.diag);
    policy_service_free(policy_service);
    struct metrics_listen metrics;
    (void)metrics_listen_parse(config, &metrics, &once.diag);
    metrics_listen_free(&metrics);
    unsigned violated = check_listeners(config, profile, &once.diag);
    diag_once_end(&once);
    return violated;
}
