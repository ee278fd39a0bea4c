/*
 * report_svg.h: plots, as SVG inside the HTML report. Each has a title and a description that says
 * in words what is to be seen; colours are classes of the page (report_page.h).
 */
#ifndef GATEPOST_PROXY_REPORT_SVG_H
#define GATEPOST_PROXY_REPORT_SVG_H

#include <stdint.h>
#include <stdio.h>

#include "proxy/report_data.h"

/* ID is for the page's own references, and unique in it. */
struct report_plot {
    FILE *out;
    const char *id;
    const char *title;
    const char *unit;                    /* what is counted: "sessions" */
    const struct report_shares *colours; /* whose colours the series have; NULL: their own */
};

/* TREND as bars on top of each other, one a day, or one a week if there are many days. */
void report_svg_trend(const struct report_plot *plot, const struct report_trend *trend,
                      int64_t day_first, size_t day_count);

/* The first ten of SHARES as bars from the left. */
void report_svg_bars(const struct report_plot *plot, const struct report_shares *shares);

#endif
