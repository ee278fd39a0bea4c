/*
 * report_write.h: a report in each of its forms. The peers are read while they are written.
 */
#ifndef GATEPOST_PROXY_REPORT_WRITE_H
#define GATEPOST_PROXY_REPORT_WRITE_H

#include <stdio.h>

#include "proxy/ledger_read.h"
#include "proxy/report_data.h"
#include "proxy/report_options.h"
#include "proxy/report_peers.h"

struct report_view {
    struct ledger_read *read;
    const struct report_options *options;
    const struct report *report; /* NULL for CSV, which is about the peers alone */
    const char *host;            /* myhostname */
    int64_t now;
    FILE *out;
};

/* False after an error in the ledger, which has been reported. */
bool report_text_write(const struct report_view *view);
bool report_json_write(const struct report_view *view);
bool report_csv_write(const struct report_view *view);
bool report_html_write(const struct report_view *view);

/* Parts of a hundred, rounded; 0 of nothing. */
double report_percent(int64_t part, int64_t whole);

/* Most messages first, or when failures were asked for, most of these. */
enum report_order report_view_order(const struct report_view *view);

/* The filters in words, such as "since 2026-11-01, peers in 192.0.2.0/24, failing": SIZE bytes,
 * empty if there are none. Returns OUT. */
const char *report_filter_text(const struct ledger_filter *filter, char *out, size_t size);

#endif
