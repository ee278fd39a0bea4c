/* Sessions day by day. */
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#include "proxy/report_parts.h"
#include "proxy/report_query.h"

#define DAY_SECONDS 86400
/* More rows than that are not the work of a clock. */
#define ROWS_MAX "1000000"

/* The series NAME of TREND; the last one takes what there is no room for. */
static struct report_series *find_series(struct report_trend *trend, const char *name, size_t days)
{
    for (size_t i = 0; i < trend->count; i++)
        if (strcmp(trend->series[i].name, name) == 0)
            return &trend->series[i];
    if (trend->count == REPORT_SERIES_MAX)
        return &trend->series[REPORT_SERIES_MAX - 1];
    struct report_series *series = &trend->series[trend->count++];
    series->name = text_copy(trend->count == REPORT_SERIES_MAX ? "(other)" : name);
    series->days = text_alloc(days + 1, sizeof(series->days[0]));
    series->total = 0;
    return series;
}

/* Newest protocol first, then what is not TLS. */
static int by_protocol(const void *left, const void *right)
{
    const struct report_series *a = left;
    const struct report_series *b = right;
    bool a_tls = strncmp(a->name, "TLS", 3) == 0;
    bool b_tls = strncmp(b->name, "TLS", 3) == 0;

    return a_tls != b_tls ? (int)b_tls - (int)a_tls : strcmp(b->name, a->name);
}

static int by_total(const void *left, const void *right)
{
    const struct report_series *a = left;
    const struct report_series *b = right;

    return (a->total < b->total) - (a->total > b->total);
}

/* From which day on, and how many. */
static bool find_days(struct ledger_read *read, int64_t since, struct report *report)
{
    sqlite3_stmt *query =
        ledger_read_prepare(read, "SELECT min(day), max(day) FROM day WHERE day >= ?1");

    if (query != NULL)
        sqlite3_bind_int64(query, 1, since / DAY_SECONDS);
    if (ledger_read_next(read, query) && sqlite3_column_type(query, 0) == SQLITE_INTEGER) {
        int64_t first = sqlite3_column_int64(query, 0);
        int64_t last = sqlite3_column_int64(query, 1);
        if (first >= 0 && last < INT32_MAX && last >= first) {
            if (last - first >= REPORT_DAYS_MAX)
                first = last - REPORT_DAYS_MAX + 1;
            report->day_first = first;
            report->day_count = (size_t)(last - first + 1);
        }
    }
    sqlite3_finalize(query);
    return !ledger_read_failed(read);
}

/* One row: which day, kind, value, how many sessions. */
static void take_row(sqlite3_stmt *query, struct report *report)
{
    int64_t day = sqlite3_column_int64(query, 0) - report->day_first;
    bool failed = sqlite3_column_int(query, 1) != 0;

    if (day < 0 || day >= (int64_t)report->day_count)
        return;
    char *name = report_column(query, 2);
    struct report_series *series =
        find_series(failed ? &report->failed : &report->protocols, name, report->day_count);
    series->days[day] += sqlite3_column_int64(query, 3);
    series->total += sqlite3_column_int64(query, 3);
    free(name);
}

bool report_trend_collect(struct ledger_read *read, int64_t since, struct report *report)
{
    if (!find_days(read, since, report) || report->day_count == 0)
        return !ledger_read_failed(read);
    sqlite3_stmt *query = ledger_read_prepare(
        read, "SELECT d.day, k.text = 'failure', v.text, d.sessions FROM day d"
              " JOIN name k ON k.id = d.kind JOIN name v ON v.id = d.value"
              " WHERE d.day >= ?1 AND k.text IN ('protocol', 'failure') LIMIT " ROWS_MAX);
    if (query != NULL)
        sqlite3_bind_int64(query, 1, report->day_first);
    while (ledger_read_next(read, query))
        take_row(query, report);
    sqlite3_finalize(query);
    qsort(report->protocols.series, report->protocols.count, sizeof(struct report_series),
          by_protocol);
    qsort(report->failed.series, report->failed.count, sizeof(struct report_series), by_total);
    return !ledger_read_failed(read);
}

void report_trend_free(struct report_trend *trend)
{
    for (size_t i = 0; i < trend->count; i++) {
        free(trend->series[i].name);
        free(trend->series[i].days);
    }
    trend->count = 0;
}
