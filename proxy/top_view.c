#include "proxy/top_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/report_escape.h"

#define TWO_COLUMNS 72 /* from here on, tables stand side by side */
#define GAP 2
#define TABLES 6
#define ROWS_MAX 64

/* One row of a table. */
struct row {
    char label[TOP_LABEL_MAX];
    double total;
    double rate;
};

/* A table before it is drawn. */
struct table {
    const char *title;
    const char *metric;
    const char *label;
    struct row rows[ROWS_MAX];
    int count;
    bool states; /* of backends: up or not, instead of numbers */
};

static const struct {
    const char *title;
    const char *metric;
    const char *label;
    bool states;
} tables[TABLES] = {
    {"PROTOCOL", "gatepost_handshakes_total", "protocol", false},
    {"BACKEND", "gatepost_backend_up", "backend", true},
    {"TLS FAILURE", "gatepost_handshake_failures_total", "reason", false},
    {"CIPHER", "gatepost_handshakes_total", "cipher", false},
    {"LIMIT HIT", "gatepost_limits_hit_total", "limit", false},
    {"GROUP", "gatepost_handshakes_total", "group", false},
};

/* --- numbers --------------------------------------------------------------------------------- */

/* How long between the pages; 0: there is only one. */
static double interval(const struct top_picture *picture)
{
    double passed = picture->now->when - picture->before->when;

    return picture->before->count > 0 && passed > 0. ? passed : 0.;
}

/* What TOTAL, which was EARLIER, makes in a second. A daemon that was restarted begins anew. */
static double rate_of(const struct top_picture *picture, double total, double earlier)
{
    double passed = interval(picture);

    return passed > 0. && total >= earlier ? (total - earlier) / passed : 0.;
}

/* The sum of a metric, a second. */
static double rate(const struct top_picture *picture, const char *metric, const char *label,
                   const char *value)
{
    return rate_of(picture, top_data_sum(picture->now, metric, label, value),
                   top_data_sum(picture->before, metric, label, value));
}

/* The mean of a histogram since the page before; -1: there was nothing. */
static double mean(const struct top_picture *picture, const char *metric)
{
    char key[TOP_KEY_MAX];

    snprintf(key, sizeof(key), "%s_count", metric);
    double count = top_data_get(picture->now, key) - top_data_get(picture->before, key);
    snprintf(key, sizeof(key), "%s_sum", metric);
    double sum = top_data_get(picture->now, key) - top_data_get(picture->before, key);
    return interval(picture) > 0. && count > 0. ? sum / count : -1.;
}

/* "12 ms" of seconds, or "-", into OUT. */
static const char *duration(double seconds, char out[32])
{
    if (seconds < 0.)
        return "-";
    if (seconds < 1.)
        snprintf(out, 32, "%.1f ms", seconds * 1000.);
    else
        snprintf(out, 32, "%.1f s", seconds);
    return out;
}

/* A number as a whole one. */
static int64_t whole(double number)
{
    return number > 9e18 ? INT64_MAX : number < -9e18 ? INT64_MIN : (int64_t)number;
}

/* A rate in at most 7 columns, into OUT. */
static const char *speed(double per_second, char out[32])
{
    if (per_second == 0.)
        return "-";
    if (per_second < 1000.)
        snprintf(out, 32, "%.1f", per_second);
    else
        report_amount(whole(per_second), out);
    return out;
}

/* --- lines ----------------------------------------------------------------------------------- */

/* The next line, in STYLE, cut to COLUMNS. */
static void __attribute__((format(printf, 4, 5)))
add(struct top_view *view, int columns, enum top_style style, const char *format, ...)
{
    va_list args;

    if (view->count == TOP_LINES_MAX)
        return;
    struct top_line *line = &view->lines[view->count++];
    *line = (struct top_line){.styles = {style, TOP_PLAIN}, .split = columns};
    va_start(args, format);
    vsnprintf(line->text, sizeof(line->text), format, args);
    va_end(args);
    if (columns < TOP_COLUMNS_MAX)
        line->text[columns] = '\0';
}

/* The head: what it is and how long it has been running. */
static void add_head(struct top_view *view, const struct top_picture *picture, int columns)
{
    char clock[16] = "";
    time_t now = time(NULL);
    struct tm parts;
    int64_t up = now - whole(top_data_get(picture->now, "gatepost_start_time_seconds"));

    if (localtime_r(&now, &parts) != NULL)
        strftime(clock, sizeof(clock), "%T", &parts);
    if (picture->problem != NULL)
        add(view, columns, TOP_ALARM, "gatepost %s %s", clock, picture->problem);
    else
        add(view, columns, TOP_HEADING, "gatepost %s up %lldd %02d:%02d%s", clock,
            (long long)up / 86400, (int)(up / 3600 % 24), (int)(up / 60 % 60),
            picture->paused ? " PAUSED" : "");
}

/* Sessions and messages. */
static void add_traffic(struct top_view *view, const struct top_picture *picture, int columns)
{
    const struct top_data *now = picture->now;
    char sessions[32], messages[32], bytes[32];
    double mail = rate(picture, "gatepost_messages_total", NULL, NULL);
    double tls = rate(picture, "gatepost_messages_total", "transport", "tls");
    bool stress = top_data_get(now, "gatepost_stress") > 0.;

    add(view, columns, stress ? TOP_ALARM : TOP_PLAIN,
        "sessions %.0f open, %s/s, %.0f in handshake%s, limit %.0f",
        top_data_get(now, "gatepost_sessions_open"),
        speed(rate(picture, "gatepost_sessions_total", NULL, NULL), sessions),
        top_data_get(now, "gatepost_handshakes_open"), stress ? ", STRESS" : "",
        top_data_get(now, "gatepost_sessions_limit"));
    add(view, columns, TOP_PLAIN, "messages %s/s, %.0f%% TLS, %s bytes/s", speed(mail, messages),
        mail > 0. ? 100. * tls / mail : 0.,
        speed(rate(picture, "gatepost_message_bytes_total", NULL, NULL), bytes));
}

/* Handshakes and backends. */
static void add_times(struct top_view *view, const struct top_picture *picture, int columns)
{
    char good[32], bad[32], first[32], second[32], third[32];
    double done = rate(picture, "gatepost_handshakes_total", NULL, NULL);
    double resumed = rate(picture, "gatepost_handshakes_resumed_total", NULL, NULL);

    add(view, columns, TOP_PLAIN, "TLS %s/s, %s/s fail, %.0f%% resumed, in %s", speed(done, good),
        speed(rate(picture, "gatepost_handshake_failures_total", NULL, NULL), bad),
        done > 0. ? 100. * resumed / done : 0.,
        duration(mean(picture, "gatepost_handshake_duration_seconds"), first));
    add(view, columns, TOP_PLAIN, "backend ready in %s, answers in %s",
        duration(mean(picture, "gatepost_backend_connect_duration_seconds"), second),
        duration(mean(picture, "gatepost_backend_reply_duration_seconds"), third));
}

/* Processes and reloads. */
static void add_processes(struct top_view *view, const struct top_picture *picture, int columns)
{
    const struct top_data *now = picture->now;
    bool refused =
        picture->now->count > 0 && top_data_get(now, "gatepost_last_reload_successful") == 0.;

    add(view, columns, refused ? TOP_ALARM : TOP_PLAIN,
        "workers %.0f, %.0f finish, %.0f replaced; reloads %.0f%s",
        top_data_get(now, "gatepost_workers{state=\"serving\"}"),
        top_data_get(now, "gatepost_workers{state=\"finishing\"}"),
        top_data_sum(now, "gatepost_process_restarts_total", NULL, NULL),
        top_data_sum(now, "gatepost_reloads_total", "result", "ok"),
        refused ? ", LAST REFUSED" : "");
}

/* --- tables ---------------------------------------------------------------------------------- */

/* The row for LABEL, made if it is missing; NULL: there is no room. */
static struct row *row_for(struct table *table, const char *label)
{
    for (int i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].label, label) == 0)
            return &table->rows[i];
    if (table->count == ROWS_MAX)
        return NULL;
    struct row *row = &table->rows[table->count++];
    *row = (struct row){0};
    snprintf(row->label, sizeof(row->label), "%s", label);
    return row;
}

/* Greatest first: what there is most of, or what there is most of just now. */
static int by_total(const void *a, const void *b)
{
    const struct row *first = a, *second = b;

    return first->total < second->total   ? 1
           : first->total > second->total ? -1
                                          : strcmp(first->label, second->label);
}

static int by_rate(const void *a, const void *b)
{
    const struct row *first = a, *second = b;

    return first->rate < second->rate ? 1 : first->rate > second->rate ? -1 : by_total(a, b);
}

/* The worst first. */
static int by_state(const void *a, const void *b)
{
    return by_total(b, a);
}

/* What is in TABLE: what has never happened is left out. */
static void fill(struct table *table, const struct top_picture *picture)
{
    const struct top_data *now = picture->now;
    char label[TOP_LABEL_MAX];

    for (size_t i = 0; i < now->count; i++) {
        const struct top_series *one = &now->series[i];
        if (!top_data_is(one->key, table->metric) ||
            !top_data_label(one->key, table->label, label) || (one->value == 0. && !table->states))
            continue;
        struct row *row = row_for(table, label[0] != '\0' ? label : "none");
        if (row == NULL)
            continue;
        /* a backend of several listeners is as it is for the worst off */
        if (table->states)
            row->total = row->rate == 0. || one->value < row->total ? one->value : row->total;
        else
            row->total += one->value;
        row->rate += table->states
                         ? 1.
                         : rate_of(picture, one->value, top_data_get(picture->before, one->key));
    }
    qsort(table->rows, (size_t)table->count, sizeof(table->rows[0]),
          table->states       ? by_state
          : picture->by_total ? by_total
                              : by_rate);
}

/* Write line NUMBER of TABLE (0: its heading) into OUT, WIDTH columns wide. Returns its style. */
static enum top_style put_row(const struct table *table, int number, char *out, int width)
{
    int name = width > 16 ? width - 16 : width;
    char rate_text[32], total_text[32];
    char line[2 * TOP_COLUMNS_MAX];

    if (number == 0 && table->states)
        snprintf(line, sizeof(line), "%-*.*s %15s", name, name, table->title, "state");
    else if (number == 0)
        snprintf(line, sizeof(line), "%-*.*s %7s %7s", name, name, table->title, "per s", "total");
    else if (table->states)
        snprintf(line, sizeof(line), "%-*.*s %15s", name, name, table->rows[number - 1].label,
                 table->rows[number - 1].total > 0. ? "serves" : "DOES NOT SERVE");
    else
        snprintf(line, sizeof(line), "%-*.*s %7s %7s", name, name, table->rows[number - 1].label,
                 speed(table->rows[number - 1].rate, rate_text),
                 report_amount(whole(table->rows[number - 1].total), total_text));
    snprintf(out, (size_t)width + 1, "%-*.*s", width, width, line);
    if (number == 0)
        return TOP_HEADING;
    return table->states && table->rows[number - 1].total == 0. ? TOP_ALARM : TOP_PLAIN;
}

/* One table, or two side by side (RIGHT not NULL), under a blank line. */
static void add_tables(struct top_view *view, const struct table *left, const struct table *right,
                       int columns)
{
    int width = right != NULL ? (columns - GAP) / 2 : columns;
    int rows = left->count;

    if (right != NULL && right->count > rows)
        rows = right->count;
    add(view, columns, TOP_PLAIN, "%s", "");
    for (int i = 0; i <= rows && view->count < TOP_LINES_MAX; i++) {
        struct top_line *line = &view->lines[view->count++];
        *line = (struct top_line){.split = right != NULL ? width + GAP : columns};
        memset(line->text, ' ', (size_t)columns);
        if (i <= left->count) {
            line->styles[0] = put_row(left, i, line->text, width);
            if (right != NULL)
                line->text[width] = ' ';
        }
        if (right != NULL && i <= right->count)
            line->styles[1] = put_row(right, i, line->text + width + GAP, columns - width - GAP);
        line->text[columns] = '\0';
    }
}

/* All tables, the most important first. */
static void add_all_tables(struct top_view *view, const struct top_picture *picture, int columns)
{
    struct table *filled = calloc(TABLES, sizeof(*filled));

    if (filled == NULL)
        abort();
    for (int i = 0; i < TABLES; i++) {
        filled[i].title = tables[i].title;
        filled[i].metric = tables[i].metric;
        filled[i].label = tables[i].label;
        filled[i].states = tables[i].states;
        fill(&filled[i], picture);
    }
    for (int i = 0; i < TABLES; i += columns >= TWO_COLUMNS ? 2 : 1)
        add_tables(view, &filled[i], columns >= TWO_COLUMNS ? &filled[i + 1] : NULL, columns);
    free(filled);
}

void top_view_draw(struct top_view *view, const struct top_picture *picture, int lines, int columns)
{
    if (columns >= TOP_COLUMNS_MAX)
        columns = TOP_COLUMNS_MAX - 1;
    view->count = 0;
    add_head(view, picture, columns);
    add_traffic(view, picture, columns);
    add_times(view, picture, columns);
    add_processes(view, picture, columns);
    add_all_tables(view, picture, columns);
    if (lines > 0 && view->count > lines)
        view->count = lines;
}
