/*
 * metrics_publish.h: the master's part of the metrics: what it knows goes into the facts
 * (metrics_facts.h), at once where it is an event, and once a second where it is a state.
 */
#ifndef GATEPOST_PROXY_METRICS_PUBLISH_H
#define GATEPOST_PROXY_METRICS_PUBLISH_H

#include <ev.h>
#include <time.h>

#include "proxy/generation.h"
#include "proxy/json.h"
#include "proxy/metrics_facts.h"
#include "proxy/rates.h"
#include "proxy/worker_slots.h"

struct ledger_stats;

struct metrics_publish {
    struct ev_loop *loop;        /* borrowed */
    struct metrics_facts *facts; /* owned */
    const struct worker_slots *slots;
    /* Lists of the owner's: the generation in force (NULL: none) and those that finish. */
    struct generation *const *current;
    struct generation *const *leaving;
    const struct generation *counted; /* for which the exceptions were counted */
    struct metrics_present present;
    struct metrics_counters total; /* as of the last look */
    struct rates rates;
    ev_timer timer; /* while somebody may look */
};

/* PUBLISH is zeroed but for its first five members. */
void metrics_publish_begin(struct metrics_publish *publish);

/* Another generation is in force: FIRST, or after a reload of KIND. */
void metrics_publish_serving(struct metrics_publish *publish, bool first, enum metrics_reload kind);
/* A reload of KIND came to nothing. */
void metrics_publish_failed(struct metrics_publish *publish, enum metrics_reload kind);

/* To be called now and then, for the rates. */
void metrics_publish_look(struct metrics_publish *publish);

/* For "gatepost status": lines; members of an object; and for "status --metrics", with LEDGER
 * (NULL: none is kept), all that Prometheus would be told. */
void metrics_publish_print(struct metrics_publish *publish, FILE *out);
void metrics_publish_json(struct metrics_publish *publish, struct json *json);
void metrics_publish_page(struct metrics_publish *publish, const struct ledger_stats *ledger,
                          FILE *out);

#endif
