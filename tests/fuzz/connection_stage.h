/*
 * connection_stage.h: what surrounds connection_fuzz.c's connections: a worker, TLS for both ends,
 * and a service with its backend as the first bytes of the input want it.
 */
#ifndef GATEPOST_TESTS_FUZZ_CONNECTION_STAGE_H
#define GATEPOST_TESTS_FUZZ_CONNECTION_STAGE_H

#include <stdint.h>

#include <openssl/ssl.h>

#include "policy/tls_policy.h"

#include "tls/context.h"

#include "proxy/service.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

#define CONNECTION_LINE_LIMIT 512

/* What lasts from run to run. */
struct connection_stage {
    struct worker worker;
    struct worker_stats stats;
    struct metrics_counters metrics;
    struct tls_context *tls;
    struct tls_policy policy;
    SSL_CTX *client;
    int channel[2];
};

/* What a run has of its own. Parts point to each other: not to be copied. */
struct connection_service {
    struct service service;
    struct upstream upstream;
    struct backend backend;
    struct backend_mark mark;
};

/* The one there is; made at the first call. */
struct connection_stage *connection_stage(void);

/* The service that FLAGS stand for; the stage's policy is set to match. */
void connection_stage_serve(struct connection_stage *stage, const uint8_t flags[3],
                            struct connection_service *out);

#endif
