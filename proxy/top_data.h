/*
 * top_data.h: what "gatepost top" knows: the page of "status --metrics", taken apart. A pure and
 * bounded parser of the text format; what it does not understand is left out.
 */
#ifndef GATEPOST_PROXY_TOP_DATA_H
#define GATEPOST_PROXY_TOP_DATA_H

#include <stdbool.h>
#include <stddef.h>

#define TOP_SERIES_MAX 2048
#define TOP_KEY_MAX 384
#define TOP_LABEL_MAX 160

struct top_series {
    char *key; /* "name{label="value",...}", as it came. Owned. */
    double value;
};

/* One page. Zeroed: nothing is known. */
struct top_data {
    double when; /* seconds, of a clock that does not jump */
    struct top_series *series;
    size_t count;
};

/* Take LENGTH bytes of TEXT apart into DATA, which is overwritten. Free with top_data_free. */
void top_data_parse(struct top_data *data, const char *text, size_t length);
void top_data_free(struct top_data *data);

/* The value of the series with exactly this KEY; 0 if there is none. */
double top_data_get(const struct top_data *data, const char *key);

/* Is KEY a series of the metric NAME? And its LABEL into VALUE (TOP_LABEL_MAX bytes), of printing
 * ASCII; false: it has no such label. */
bool top_data_is(const char *key, const char *name);
bool top_data_label(const char *key, const char *label, char *value);

/* The sum of all series of NAME, of those that have LABEL with VALUE (LABEL NULL: of all). */
double top_data_sum(const struct top_data *data, const char *name, const char *label,
                    const char *value);

#endif
