/*
 * metrics_publish.h: the master's part of the metrics: what it knows goes into the facts
 * (metrics_facts.h), at once where it is an event, and once a second where it is a state.
 */
#ifndef GATEPOST_PROXY_METRICS_PUBLISH_H
#define GATEPOST_PROXY_METRICS_PUBLISH_H

#include <ev.h>
#include <time.h>

#include "proxy/generation.h"
#include "proxy/metrics_facts.h"

struct metrics_publish {
    struct ev_loop *loop;        /* borrowed */
    struct metrics_facts *facts; /* owned */
    /* Lists of the owner's: the generation in force (NULL: none) and those that finish. */
    struct generation *const *current;
    struct generation *const *leaving;
    const struct generation *counted; /* for which the exceptions were counted */
    struct metrics_present present;
    ev_timer timer; /* while somebody may look */
};

/* PUBLISH is zeroed but for its first four members. */
void metrics_publish_begin(struct metrics_publish *publish);

/* Another generation is in force: FIRST, or after a reload of KIND. */
void metrics_publish_serving(struct metrics_publish *publish, bool first, enum metrics_reload kind);
/* A reload of KIND came to nothing. */
void metrics_publish_failed(struct metrics_publish *publish, enum metrics_reload kind);

/* What is so now, also if nobody looks at metrics. */
const struct metrics_present *metrics_publish_present(struct metrics_publish *publish);

#endif
