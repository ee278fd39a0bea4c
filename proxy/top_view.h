/*
 * top_view.h: what "gatepost top" shows, as lines of text: pure, from two pages of metrics to a
 * screen of any size. Whoever has the terminal shows them.
 */
#ifndef GATEPOST_PROXY_TOP_VIEW_H
#define GATEPOST_PROXY_TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/top_data.h"

#define TOP_COLUMNS_MAX 256
#define TOP_LINES_MAX 256

/* How a part of a line is to be shown, if the terminal can. */
enum top_style { TOP_PLAIN, TOP_HEADING, TOP_ALARM };

struct top_line {
    char text[TOP_COLUMNS_MAX]; /* printing ASCII */
    enum top_style styles[2];   /* of its left and right part */
    int split;                  /* where the right part begins */
};

struct top_view {
    struct top_line lines[TOP_LINES_MAX];
    int count;
};

/* What is looked at. */
struct top_picture {
    const struct top_data *before; /* for the rates; may be empty */
    const struct top_data *now;
    const char *problem; /* why NOW is not of now; NULL: it is */
    bool paused;
    bool by_total; /* tables are sorted by total, not by rate */
};

/* Draw PICTURE for a screen of LINES and COLUMNS (both at least 1); what has no room is left out,
 * the least important first. LINES 0: as many as it takes. */
void top_view_draw(struct top_view *view, const struct top_picture *picture, int lines,
                   int columns);

#endif
