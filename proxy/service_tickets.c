#include "proxy/service_tickets.h"

#include <stdlib.h>

#include "policy/diag_once.h"

/* How long the sessions of SERVICE may be resumed: the rules of single peers can only forbid it. */
static long service_session_timeout(const struct service *service)
{
    long timeout = service->main.policy->session_timeout;

    for (size_t i = 0; i < service->rule_count; i++)
        if (service->rules[i].policy != NULL && service->rules[i].policy->session_timeout > timeout)
            timeout = service->rules[i].policy->session_timeout;
    return timeout;
}

/* Keys that another service has and that do for steps of STEP seconds, or NULL. */
static struct tls_ticket_keys *find_keys(struct service_list list, long step)
{
    for (size_t i = 0; i < list.count; i++) {
        struct tls_ticket_keys *keys = list.services[i]->ticket_keys;
        if (keys != NULL && tls_ticket_keys_serve(keys, step))
            return keys;
    }
    return NULL;
}

/* The keys of SERVICE, which comes after EARLIER. */
static int prepare_one(struct service *service, struct service_list earlier,
                       struct service_list previous, struct diag *diag)
{
    const char *file = config_str(service->config, PARAM_gatepost_ticket_key_file);
    long timeout = service_session_timeout(service);
    long step = tls_ticket_keys_step(timeout);

    if (*file != '\0') { /* read even if nothing needs it: a mistake in it must not wait */
        service->ticket_keys = tls_ticket_keys_read(file, step, diag);
        return service->ticket_keys != NULL ? 0 : -1;
    }
    if (timeout <= 0)
        return 0;
    struct tls_ticket_keys *keys = find_keys(earlier, step);
    if (keys == NULL)
        keys = find_keys(previous, step);
    service->ticket_keys = keys != NULL ? tls_ticket_keys_ref(keys)
                                        : tls_ticket_keys_new(step, tls_ticket_keys_clock(false));
    if (service->ticket_keys == NULL)
        abort();
    return 0;
}

int service_tickets_prepare(struct service_list list, struct service_list previous,
                            struct diag *diag)
{
    struct diag_once once;
    int status = 0;

    diag_once_begin(&once, diag);
    once.place = config_param_name(PARAM_gatepost_ticket_key_file);
    for (size_t i = 0; i < list.count; i++) {
        const struct service_list earlier = {list.services, i};
        if (prepare_one(list.services[i], earlier, previous, &once.diag) != 0)
            status = -1;
    }
    diag_once_end(&once);
    return status;
}

void service_tickets_use(struct service *service)
{
    if (service->ticket_keys == NULL)
        return;
    if (service->main.tls != NULL)
        tls_context_share_tickets(service->main.tls, service->ticket_keys);
    for (size_t i = 0; i < service->rule_count; i++)
        if (service->rules[i].tls != NULL)
            tls_context_share_tickets(service->rules[i].tls, service->ticket_keys);
}

void service_tickets_advance(struct service_list list)
{
    for (size_t i = 0; i < list.count; i++) {
        struct tls_ticket_keys *keys = list.services[i]->ticket_keys;
        if (keys != NULL)
            tls_ticket_keys_advance(keys, tls_ticket_keys_now(keys));
    }
}
