#include "proxy/report_svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#include "proxy/report_escape.h"

/* In units of the drawing, about a pixel on a phone. */
#define WIDTH 400
#define LEFT 44 /* of the trend: room for numbers */
#define TOP 10
#define HEIGHT 160
#define ROW 36 /* of a bar with its label */
#define BARS_MAX 10
#define DAYS_SINGLE 100 /* more: a bar a week */
#define COLOURS 12

/* Which colour the series or share NAME has, which is the one at INDEX: protocols always the same,
 * and others the same in all plots that are told to. */
static unsigned find_colour(const struct report_plot *plot, const char *name, size_t index)
{
    static const char *const fixed[] = {"TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1", "none"};

    for (unsigned i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (strcmp(name, fixed[i]) == 0)
            return i;
    for (size_t i = 0; plot->colours != NULL && i < plot->colours->count; i++)
        if (strcmp(name, plot->colours->shares[i].name) == 0)
            index = i;
    return (unsigned)((index + 5) % COLOURS);
}

/* The beginning of a drawing that is HEIGHT high, up to and with the title. */
static void begin(const struct report_plot *plot, int height)
{
    fprintf(plot->out,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s-t %s-d\">"
            "<title id=\"%s-t\">",
            WIDTH, height, plot->id, plot->id, plot->id);
    report_escape_html(plot->out, plot->title);
    fprintf(plot->out, "</title><desc id=\"%s-d\">", plot->id);
}

/* One part of the description: "TLSv1.3: 12,345 sessions. " */
static void describe(const struct report_plot *plot, const char *name, int64_t number)
{
    char text[REPORT_NUMBER_MAX];

    report_escape_html(plot->out, name);
    fprintf(plot->out, ": %s %s. ", report_number(number, text), plot->unit);
}

void report_svg_bars(const struct report_plot *plot, const struct report_shares *shares)
{
    size_t count = shares->count;
    char text[REPORT_NUMBER_MAX];
    int64_t most = 1;

    if (count > BARS_MAX)
        count = BARS_MAX;
    begin(plot, (int)count * ROW + 4);
    for (size_t i = 0; i < count; i++) {
        if (shares->shares[i].sessions > most)
            most = shares->shares[i].sessions;
        describe(plot, shares->shares[i].name, shares->shares[i].sessions);
    }
    fputs("</desc>", plot->out);
    for (size_t i = 0; i < count; i++) {
        const struct report_share *share = &shares->shares[i];
        int y = (int)i * ROW;
        double width = (WIDTH - 2) * (double)share->sessions / (double)most;
        fprintf(plot->out, "<text x=\"0\" y=\"%d\">", y + 12);
        report_escape_html(plot->out, share->name);
        fprintf(plot->out, "</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", WIDTH,
                y + 12, report_number(share->sessions, text));
        fprintf(plot->out,
                "<rect class=\"s%u\" x=\"0\" y=\"%d\" width=\"%.1f\" height=\"13\" rx=\"2\"/>",
                find_colour(plot, share->name, i), y + 18, width < 2 ? 2 : width);
    }
    fputs("</svg>\n", plot->out);
}

/* How many days a bar stands for, how many bars, and how high the highest is. */
struct scale {
    size_t days;
    size_t bars;
    int64_t most;
};

/* What SERIES has in the bar BAR. */
static int64_t bar_value(const struct report_series *series, const struct scale *scale, size_t bar,
                         size_t day_count)
{
    int64_t sum = 0;

    for (size_t day = bar * scale->days; day < (bar + 1) * scale->days && day < day_count; day++)
        sum += series->days[day];
    return sum;
}

/* A round number that is not below NUMBER, and but for 1 with a round half. */
static int64_t round_up(int64_t number)
{
    static const int64_t rounds[] = {1, 2, 4, 6, 8, 10, 12, 16};

    for (int64_t unit = 1; unit < INT64_MAX / 1000; unit *= 10)
        for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++)
            if (unit * rounds[i] >= number)
                return unit * rounds[i];
    return INT64_MAX;
}

static struct scale find_scale(const struct report_trend *trend, size_t day_count)
{
    struct scale scale = {.days = day_count > DAYS_SINGLE ? 7 : 1};

    scale.bars = (day_count + scale.days - 1) / scale.days;
    for (size_t bar = 0; bar < scale.bars; bar++) {
        int64_t sum = 0;
        for (size_t i = 0; i < trend->count; i++)
            sum += bar_value(&trend->series[i], &scale, bar, day_count);
        if (sum > scale.most)
            scale.most = sum;
    }
    scale.most = round_up(scale.most);
    return scale;
}

/* Lines and numbers behind the bars, dates below. */
static void draw_axes(const struct report_plot *plot, const struct scale *scale, int64_t day_first,
                      size_t day_count)
{
    char text[REPORT_DATE_MAX];

    for (int i = 0; i <= 2; i++) {
        int y = TOP + HEIGHT - i * HEIGHT / 2;
        double value = (double)scale->most * i / 2;
        fprintf(plot->out, "<path class=\"axis\" d=\"M%d %dH%d\"/>", LEFT, y, WIDTH);
        if (scale->most > 1 || i != 1)
            fprintf(plot->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", LEFT - 4,
                    y + 4, report_amount((int64_t)value, text));
    }
    fprintf(plot->out, "<text x=\"%d\" y=\"%d\">%s</text>", LEFT, TOP + HEIGHT + 16,
            report_date(day_first * 86400, text));
    if (day_count > 1)
        fprintf(plot->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", WIDTH,
                TOP + HEIGHT + 16, report_date((day_first + (int64_t)day_count - 1) * 86400, text));
}

/* All bars of one series are one path. BASES: how high each bar is already. */
static void draw_series(const struct report_plot *plot, const struct report_series *series,
                        const struct scale *scale, size_t day_count, double *bases)
{
    double step = (double)(WIDTH - LEFT) / (double)scale->bars;
    double width = fmin(step * 0.86, 40);

    for (size_t bar = 0; bar < scale->bars; bar++) {
        double high =
            HEIGHT * (double)bar_value(series, scale, bar, day_count) / (double)scale->most;
        if (high <= 0)
            continue;
        fprintf(plot->out, "M%.1f %.1fh%.1fv-%.1fh-%.1fz",
                LEFT + (double)bar * step + (step - width) / 2, TOP + HEIGHT - bases[bar], width,
                high, width);
        bases[bar] += high;
    }
}

/* Which colour is what. */
static void draw_legend(const struct report_plot *plot, const struct report_trend *trend)
{
    fputs("<ul class=\"legend\">", plot->out);
    for (size_t i = 0; i < trend->count; i++) {
        fprintf(plot->out,
                "<li><svg viewBox=\"0 0 8 8\" aria-hidden=\"true\"><rect class=\"s%u\" width=\"8\" "
                "height=\"8\"/></svg>",
                find_colour(plot, trend->series[i].name, i));
        report_escape_html(plot->out, trend->series[i].name);
        fputs("</li>", plot->out);
    }
    fputs("</ul>\n", plot->out);
}

void report_svg_trend(const struct report_plot *plot, const struct report_trend *trend,
                      int64_t day_first, size_t day_count)
{
    struct scale scale = find_scale(trend, day_count);
    double *bases = text_alloc(scale.bars + 1, sizeof(*bases));

    begin(plot, TOP + HEIGHT + 22);
    fprintf(plot->out, "One bar a %s. In all, ", scale.days > 1 ? "week" : "day");
    for (size_t i = 0; i < trend->count; i++)
        describe(plot, trend->series[i].name, trend->series[i].total);
    fputs("</desc>", plot->out);
    draw_axes(plot, &scale, day_first, day_count);
    for (size_t i = 0; i < trend->count; i++) {
        fprintf(plot->out, "<path class=\"s%u\" d=\"", find_colour(plot, trend->series[i].name, i));
        draw_series(plot, &trend->series[i], &scale, day_count, bases);
        fputs("\"/>", plot->out);
    }
    fputs("</svg>\n", plot->out);
    draw_legend(plot, trend);
    free(bases);
}
