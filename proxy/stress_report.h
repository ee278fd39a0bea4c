/*
 * stress_report.h: what the master says about stress mode: a line in the log when it begins and
 * when it ends, and the present load for "gatepost status".
 */
#ifndef GATEPOST_PROXY_STRESS_REPORT_H
#define GATEPOST_PROXY_STRESS_REPORT_H

#include <ev.h>
#include <stdint.h>
#include <stdio.h>

#include "proxy/json.h"
#include "proxy/worker_slots.h"

/* Set to zero but for what is borrowed: LOOP, SLOTS, and the TOTALS that are in force. */
struct stress_report {
    struct ev_loop *loop;
    const struct worker_slots *slots;
    struct worker_totals totals;
    uint32_t reported; /* limits_stress_changes */
    ev_timer quiet;    /* no more than a line a second */
};

void stress_report_begin(struct stress_report *report);

/* Something may have changed. */
void stress_report_look(struct stress_report *report);

/* One line, and the same as a member "load". */
void stress_report_print(const struct stress_report *report, FILE *out);
void stress_report_json(const struct stress_report *report, struct json *json);

#endif
