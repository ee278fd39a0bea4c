#include "proxy/check.h"

#include <ev.h>
#include <stdlib.h>

#include "proxy/listener.h"
#include "proxy/probe.h"
#include "proxy/service.h"

/* A probe that the command waits for. */
struct check_probe {
    struct probe probe;
    struct diag *diag;
};

static void check_on_probed(struct probe *probe, const char *error)
{
    const struct check_probe *check = probe->owner;

    if (error != NULL)
        diag_error(check->diag, "gatepost_backend = %s: %s", probe->dial.upstream->name, error);
    ev_break(probe->dial.loop, EVBREAK_ALL);
}

/* Ask the backend of SERVICE; wait for the outcome. */
static void check_backend(struct service *service, struct diag *diag)
{
    struct dial_channel direct = {.fd = -1};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    struct check_probe check = {
        .probe = {.dial = {.loop = loop, .upstream = service->upstream, .channel = &direct},
                  .hostname = service->hostname,
                  .done = check_on_probed,
                  .fd = -1},
        .diag = diag,
    };

    if (loop == NULL)
        abort();
    check.probe.owner = &check;
    probe_start(&check.probe);
    ev_run(loop, 0);
    probe_cancel(&check.probe);
    ev_loop_destroy(loop);
}

void check_run(const struct config *config, struct diag *diag)
{
    struct listen_list listeners;

    if (listen_list_parse(config, &listeners, diag) != 0)
        return;
    for (size_t i = 0; i < listeners.count; i++) {
        const struct listen_spec *spec = &listeners.specs[i];
        struct service *service = service_new(spec->name, spec->config, NULL, diag);
        if (service == NULL)
            continue;
        (void)service_load_tls(service, false, diag);
        check_backend(service, diag);
        service_free(service);
    }
    listen_list_free(&listeners);
}
