#include "proxy/blueprint.h"

#include <stdlib.h>
#include <unistd.h>

#include "policy/stress.h"

#include "proxy/service_tickets.h"

size_t blueprint_workers(const struct blueprint *blueprint)
{
    long count = config_int(blueprint->config, PARAM_gatepost_workers);

    if (count == 0)
        count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (size_t)count : 1;
}

/* The services of BLUEPRINT, or none. */
static struct service_list services_of(const struct blueprint *blueprint)
{
    struct service_list list = {0};

    if (blueprint != NULL) {
        list.services = blueprint->services;
        list.count = blueprint->service_count;
    }
    return list;
}

void blueprint_advance_tickets(const struct blueprint *blueprint)
{
    service_tickets_advance(services_of(blueprint));
}

/* One for each listener. */
static int make_services(struct blueprint *blueprint, struct diag *diag)
{
    blueprint->services = calloc(blueprint->listeners.count, sizeof(struct service *));
    if (blueprint->services == NULL)
        abort();
    for (size_t i = 0; i < blueprint->listeners.count; i++) {
        const struct listen_spec *spec = &blueprint->listeners.specs[i];
        blueprint->services[i] =
            service_new(spec->name, spec->config, i > 0 ? blueprint->services[0] : NULL, diag);
        if (blueprint->services[i] == NULL)
            return -1;
        blueprint->service_count++;
    }
    return 0;
}

static void watch_path(void *ctx, const char *path)
{
    file_watch_add(ctx, path);
}

/* Remember how the files are: before they are read, so that no change is missed. */
static void watch_credentials(struct blueprint *blueprint)
{
    if (!config_bool(blueprint->config, PARAM_gatepost_watch_certificates))
        return;
    blueprint->credentials = file_watch_new();
    for (size_t i = 0; i < blueprint->service_count; i++)
        service_each_credential_path(blueprint->services[i], watch_path, blueprint->credentials);
    file_watch_begin(blueprint->credentials);
}

/* Everything, in the order in which mistakes are best told. */
static int prepare(struct blueprint *blueprint, const struct blueprint *previous, struct diag *diag)
{
    const struct config *config = blueprint->config;

    if (privileges_prepare(config, &blueprint->privileges, diag) != 0 ||
        listen_list_parse(config, &blueprint->listeners, diag) != 0 ||
        stress_levels_check(config, diag) != 0)
        return -1;
    if (policy_service_new(config, &blueprint->policy_service, diag) != 0 ||
        metrics_listen_parse(config, &blueprint->metrics, diag) != 0)
        return -1;
    blueprint->totals = worker_totals_find(config, blueprint_workers(blueprint), diag);
    if (make_services(blueprint, diag) != 0 ||
        service_tickets_prepare(services_of(blueprint), services_of(previous), diag) != 0)
        return -1;
    watch_credentials(blueprint);
    return 0;
}

struct blueprint *blueprint_new(struct config *config, const struct blueprint *previous,
                                struct diag *diag)
{
    struct blueprint *blueprint = calloc(1, sizeof(*blueprint));

    if (blueprint == NULL)
        abort();
    blueprint->references = 1;
    blueprint->config = config;
    if (prepare(blueprint, previous, diag) == 0)
        return blueprint;
    blueprint_unref(blueprint);
    return NULL;
}

struct blueprint *blueprint_again(struct blueprint *blueprint)
{
    blueprint->references++;
    if (blueprint->credentials != NULL)
        file_watch_begin(blueprint->credentials);
    return blueprint;
}

void blueprint_unref(struct blueprint *blueprint)
{
    if (blueprint == NULL || --blueprint->references > 0)
        return;
    file_watch_free(blueprint->credentials);
    /* Services that share a policy table with the first one go before it. */
    for (size_t i = blueprint->service_count; i > 0; i--)
        service_free(blueprint->services[i - 1]);
    free(blueprint->services);
    policy_service_free(blueprint->policy_service);
    metrics_listen_free(&blueprint->metrics);
    listen_list_free(&blueprint->listeners);
    config_free(blueprint->config);
    free(blueprint);
}
