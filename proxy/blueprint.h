/*
 * blueprint.h: what generations are made from: a configuration with all that was read because of
 * it, but for certificates and keys. Generations share one if certificates are all that is new:
 * then the configuration as it was loaded counts, whatever its files say by now.
 */
#ifndef GATEPOST_PROXY_BLUEPRINT_H
#define GATEPOST_PROXY_BLUEPRINT_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/endpoint.h"

#include "proxy/file_watch.h"
#include "proxy/metrics_listen.h"
#include "proxy/policy_service.h"
#include "proxy/privileges.h"
#include "proxy/service.h"
#include "proxy/worker_slots.h"

/* Everything here is owned; reference counted. */
struct blueprint {
    unsigned references;
    struct config *config;
    struct listen_list listeners;
    struct service **services; /* by listener */
    size_t service_count;
    struct privileges privileges;
    struct worker_totals totals;
    struct metrics_listen metrics;         /* where they are served */
    struct policy_service *policy_service; /* NULL: there is none */
    struct file_watch *credentials; /* the files with certificates and keys, as they were before
                                       anybody read them; NULL: gatepost_watch_certificates = no */
};

/*
 * Work out all of CONFIG (taken over in any case). Keys of session tickets that PREVIOUS (or NULL)
 * has are kept. Returns NULL after reporting to DIAG.
 */
struct blueprint *blueprint_new(struct config *config, const struct blueprint *previous,
                                struct diag *diag);

/* BLUEPRINT, another reference to it, for a generation with the certificates that are on disk now.
 */
struct blueprint *blueprint_again(struct blueprint *blueprint);
void blueprint_unref(struct blueprint *blueprint); /* NULL does no harm */

/* gatepost_workers as a number. */
size_t blueprint_workers(const struct blueprint *blueprint);

/* The master too must not keep what would open old tickets: forget keys whose time has passed. */
void blueprint_advance_tickets(const struct blueprint *blueprint);

#endif
