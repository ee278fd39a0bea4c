/*
 * metrics_page.h: all metrics (metrics.def), as they are now, in Prometheus' text format.
 */
#ifndef GATEPOST_PROXY_METRICS_PAGE_H
#define GATEPOST_PROXY_METRICS_PAGE_H

#include <stdio.h>

#include "proxy/ledger_process.h"
#include "proxy/limits.h"
#include "proxy/metrics_counters.h"
#include "proxy/metrics_facts.h"

/* Where the numbers are. Borrowed. */
struct metrics_source {
    const struct metrics_memory *counters;
    const struct metrics_facts *facts;
    const struct limits *limits;
    const struct ledger_stats *ledger; /* NULL: none is kept */
};

void metrics_page_write(const struct metrics_source *source, FILE *out);

#endif
