/*
 * status_report.h: the metrics at a glance, for "gatepost status": the same numbers that are served
 * to Prometheus, added up and put into words.
 */
#ifndef GATEPOST_PROXY_STATUS_REPORT_H
#define GATEPOST_PROXY_STATUS_REPORT_H

#include <stdio.h>
#include <time.h>

#include "proxy/json.h"
#include "proxy/metrics_counters.h"
#include "proxy/metrics_facts.h"
#include "proxy/rates.h"

/* What rates are kept of. */
enum status_rate {
    STATUS_RATE_SESSIONS,
    STATUS_RATE_HANDSHAKES,
    STATUS_RATE_FAILURES,
    STATUS_RATE_MESSAGES
};

/* All borrowed. */
struct status_report {
    const struct metrics_counters *total;
    const struct metrics_present *present;
    const struct metrics_facts *facts;
    const struct rates *rates;
    double clock; /* that of the rates, now */
    time_t now;
    uint32_t open; /* sessions */
};

/* The counters whose rates are kept, out of TOTAL. */
void status_report_counters(const struct metrics_counters *total,
                            uint64_t counters[RATES_COUNTERS]);

/* Some lines; and members of an object. */
void status_report_print(const struct status_report *report, FILE *out);
void status_report_json(const struct status_report *report, struct json *json);

#endif
