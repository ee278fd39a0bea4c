/*
 * report_parts.h: the chapters of a report, each added up by itself. Part of report_data.c; not for
 * others. Each returns false after an error that has been reported.
 */
#ifndef GATEPOST_PROXY_REPORT_PARTS_H
#define GATEPOST_PROXY_REPORT_PARTS_H

#include "proxy/report_data.h"

bool report_shares_collect(struct ledger_read *read, int64_t since, struct report *report);
void report_shares_free(struct report_shares *shares);
/* Most sessions first. */
void report_shares_sort(struct report_shares *shares);

bool report_failures_collect(struct ledger_read *read, int64_t since, struct report *report);
bool report_policies_collect(struct ledger_read *read, int64_t since,
                             const struct policy_table *table, struct report *report);
void report_policies_free(struct report *report);
bool report_chances_collect(struct ledger_read *read, int64_t since, struct report *report);
void report_chances_free(struct report *report);
bool report_trend_collect(struct ledger_read *read, int64_t since, struct report *report);
void report_trend_free(struct report_trend *trend);

#endif
