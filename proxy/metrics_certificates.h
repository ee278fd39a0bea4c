/*
 * metrics_certificates.h: when the certificates in use end. The master does not read certificates;
 * a worker, which has them, writes it down for the master before it begins to serve.
 */
#ifndef GATEPOST_PROXY_METRICS_CERTIFICATES_H
#define GATEPOST_PROXY_METRICS_CERTIFICATES_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/metrics_facts.h"
#include "proxy/service.h"

/* In memory that the master and the workers of a generation share. */
struct metrics_certificates {
    uint32_t count;
    struct metrics_certificate list[METRICS_CERTIFICATES_MAX];
};

/* NULL with errno. */
struct metrics_certificates *metrics_certificates_new(void);
void metrics_certificates_free(struct metrics_certificates *certificates); /* NULL: no harm */

/* In a worker: those of COUNT SERVICES, whose chains are loaded, replace what there was. */
void metrics_certificates_note(struct metrics_certificates *certificates,
                               struct service *const *services, size_t count);

#endif
