#include "proxy/metrics_text.h"

#include <inttypes.h>

static const char *const type_names[] = {
    [METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"};

void metrics_text_head(FILE *out, const char *name, enum metrics_type type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type_names[type]);
}

/* VALUE between quotes. */
static void put_value(FILE *out, const char *value)
{
    fputc('"', out);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            fputc('\\', out);
        fputc(*value >= 0x20 && *value < 0x7f ? *value : '?', out);
    }
    fputc('"', out);
}

/* "{a="b",c="d"}", or nothing. */
static void put_labels(FILE *out, const struct metrics_label *labels)
{
    if (labels == NULL || labels->name == NULL)
        return;
    for (const struct metrics_label *one = labels; one->name != NULL; one++) {
        fprintf(out, "%c%s=", one == labels ? '{' : ',', one->name);
        put_value(out, one->value);
    }
    fputc('}', out);
}

void metrics_text_sample(FILE *out, const char *name, const struct metrics_label *labels,
                         int64_t value)
{
    fputs(name, out);
    put_labels(out, labels);
    fprintf(out, " %" PRId64 "\n", value);
}

void metrics_text_histogram(FILE *out, const char *name, const struct metrics_histogram *histogram)
{
    uint64_t count = 0;

    for (size_t i = 0; i < METRICS_BOUND_COUNT; i++) {
        count += histogram->buckets[i];
        fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, metrics_bounds[i], count);
    }
    count += histogram->buckets[METRICS_BOUND_COUNT];
    uint64_t sum = histogram->sum;
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
    fprintf(out, "%s_sum %" PRIu64 ".%06" PRIu64 "\n", name, sum / 1000000, sum % 1000000);
    fprintf(out, "%s_count %" PRIu64 "\n", name, count);
}
