/*
 * metrics_text.h: Prometheus' text exposition format 0.0.4, as a writer: a head for each metric,
 * then its samples. Label values may be any bytes; what is written is always printing ASCII.
 */
#ifndef GATEPOST_PROXY_METRICS_TEXT_H
#define GATEPOST_PROXY_METRICS_TEXT_H

#include <stdint.h>
#include <stdio.h>

#include "proxy/metrics_counters.h"

/* The content type that goes with it. */
#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

/* A label of a sample. A list of them ends with a NULL name. */
struct metrics_label {
    const char *name;
    const char *value;
};

void metrics_text_head(FILE *out, const char *name, enum metrics_type type, const char *help);

/* A sample; LABELS may be NULL. */
void metrics_text_sample(FILE *out, const char *name, const struct metrics_label *labels,
                         int64_t value);

/* All samples of a histogram. */
void metrics_text_histogram(FILE *out, const char *name, const struct metrics_histogram *histogram);

#endif
