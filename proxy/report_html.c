/* The report as one page that needs nothing else: no other file, no script to read it. */
#include <string.h>

#include "proxy/report_escape.h"
#include "proxy/report_page.h"
#include "proxy/report_svg.h"
#include "proxy/report_write.h"

#define PEERS_SHOWN 500
#define LINES_SHOWN 1000

/* How a column looks and is sorted. */
enum column_kind { COLUMN_TEXT, COLUMN_ADDRESS, COLUMN_WIDE, COLUMN_HELO, COLUMN_NUMBER };

struct column {
    const char *title;
    enum column_kind kind;
};

static const char *const column_classes[] = {[COLUMN_TEXT] = "",
                                             [COLUMN_ADDRESS] = " class=\"a\"",
                                             [COLUMN_WIDE] = " class=\"w\"",
                                             [COLUMN_HELO] = " class=\"h\"",
                                             [COLUMN_NUMBER] = " class=\"n\""};

/* The beginning of a table, up to its first row. TITLE is for those who do not see it. */
static void begin_table(FILE *out, const char *title, const struct column *columns, size_t count)
{
    fprintf(out,
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">"
            "<table class=\"sort\"><thead><tr>",
            title);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "<th scope=\"col\"%s>%s</th>",
                columns[i].kind == COLUMN_NUMBER ? " class=\"n\"" : "", columns[i].title);
    fputs("</tr></thead><tbody>\n", out);
}

static void end_table(FILE *out)
{
    fputs("</tbody></table></div>\n", out);
}

/* A cell with a text that may be anything. */
static void put_cell(FILE *out, enum column_kind kind, const char *text)
{
    fprintf(out, "<td%s>", column_classes[kind]);
    report_escape_html(out, text != NULL ? text : "");
    fputs("</td>", out);
}

static void put_number(FILE *out, int64_t number)
{
    char text[REPORT_NUMBER_MAX];

    fprintf(out, "<td class=\"n\" data-v=\"%lld\">%s</td>", (long long)number,
            report_number(number, text));
}

static void put_date(FILE *out, int64_t when)
{
    char text[REPORT_DATE_MAX];

    fprintf(out, "<td class=\"n\" data-v=\"%lld\">%s</td>", (long long)when,
            report_date(when, text));
}

/* "The first N of M are shown." */
static void put_shown(FILE *out, int64_t count, int64_t shown)
{
    char numbers[2][REPORT_NUMBER_MAX];

    if (count > shown)
        fprintf(out, "<p class=\"dim\">The first %s of %s.</p>\n", report_number(shown, numbers[0]),
                report_number(count, numbers[1]));
}

static void put_head(const struct report_view *view)
{
    FILE *out = view->out;

    fprintf(out,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
            "style-src 'unsafe-inline'; script-src 'sha256-%s'; base-uri 'none'; "
            "form-action 'none'\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"robots\" content=\"noindex\">\n<title>Clients of ",
            report_page_script_hash);
    report_escape_html(out, view->host);
    fprintf(out, "</title>\n<style>\n%s</style></head>\n<body>\n<header><h1>Clients of ",
            report_page_style);
    report_escape_html(out, view->host);
    fputs("</h1>\n", out);
}

/* One number with what it is. */
static void put_total(FILE *out, const char *what, int64_t number, int64_t whole, bool bad)
{
    char text[REPORT_NUMBER_MAX];

    fprintf(out, "<div><dt>%s", what);
    if (whole > 0)
        fprintf(out, " (%.1f %%)", report_percent(number, whole));
    fprintf(out, "</dt><dd%s>%s</dd></div>", bad && number > 0 ? " class=\"bad\"" : "",
            report_number(number, text));
}

static void put_totals(const struct report_view *view)
{
    const struct report_totals *totals = &view->report->totals;
    FILE *out = view->out;
    char words[256];
    char date[REPORT_DATE_MAX];

    fprintf(out, "<p class=\"dim\">gatepost report of %s", report_date(view->now, date));
    report_filter_text(&view->options->filter, words, sizeof(words));
    if (words[0] != '\0')
        fprintf(out, ", %s", words);
    if (totals->sessions > 0) {
        fprintf(out, "; seen from %s", report_date(totals->first, date));
        fprintf(out, " to %s", report_date(totals->last, date));
    }
    fputs("</p></header>\n<main>\n<dl class=\"totals\">", out);
    put_total(out, "addresses", totals->peers, 0, false);
    if (totals->networks > 0)
        put_total(out, "networks of forgotten addresses", totals->networks, 0, false);
    put_total(out, "sessions", totals->sessions, 0, false);
    put_total(out, "with TLS", totals->established, totals->sessions, false);
    put_total(out, "without TLS", totals->cleartext_sessions, totals->sessions, false);
    put_total(out, "failed handshakes", totals->failed, totals->sessions, true);
    put_total(out, "addresses that failed", totals->failing_peers, totals->peers, true);
    put_total(out, "messages", totals->messages, 0, false);
    put_total(out, "messages without TLS", totals->cleartext_messages, totals->messages, false);
    fputs("</dl>\n", out);
}

/* A plot with its heading. */
static void put_bars(FILE *out, const char *id, const char *title, const char *unit,
                     const struct report_shares *shares)
{
    const struct report_plot plot = {.out = out, .id = id, .title = title, .unit = unit};

    if (shares->count == 0)
        return;
    fprintf(out, "<figure><h3>%s</h3>\n", title);
    report_svg_bars(&plot, shares);
    fputs("</figure>\n", out);
}

static void put_trend(FILE *out, const char *id, const char *title, const char *unit,
                      const struct report_trend *trend, const struct report *report)
{
    const struct report_plot plot = {
        .out = out, .id = id, .title = title, .unit = unit, .colours = &report->kinds};

    if (trend->count == 0)
        return;
    fprintf(out, "<figure><h3>%s</h3>\n", title);
    report_svg_trend(&plot, trend, report->day_first, report->day_count);
    fputs("</figure>\n", out);
}

static void put_plots(const struct report_view *view)
{
    const struct report *report = view->report;
    FILE *out = view->out;

    fputs("<h2>At a glance</h2>\n<div class=\"plots\">\n", out);
    put_trend(out, "trend", "Protocols over time", "sessions", &report->protocols, report);
    put_trend(out, "failed", "Failed handshakes over time", "handshakes", &report->failed, report);
    put_bars(out, "protocols", "Protocols", "sessions", &report->parts[REPORT_PROTOCOL]);
    put_bars(out, "ciphers", "Ciphers", "sessions", &report->parts[REPORT_CIPHER]);
    put_bars(out, "groups", "Key exchange groups", "sessions", &report->parts[REPORT_GROUP]);
    put_bars(out, "reasons", "Failures by reason", "handshakes", &report->kinds);
    fputs("</div>\n", out);
}

static void put_failures(FILE *out, const struct report *report)
{
    static const struct column columns[] = {{"Reason", COLUMN_WIDE},       {"Kind", COLUMN_TEXT},
                                            {"Policy", COLUMN_WIDE},       {"Times", COLUMN_NUMBER},
                                            {"Addresses", COLUMN_NUMBER},  {"Last", COLUMN_NUMBER},
                                            {"Last from", COLUMN_ADDRESS}, {"HELO", COLUMN_HELO}};

    if (report->failure_count == 0)
        return;
    fputs("<h2>Who fails, and why</h2>\n", out);
    begin_table(out, "Failures", columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < report->failure_count; i++) {
        const struct report_failure *failure = &report->failures[i];
        fputs("<tr>", out);
        put_cell(out, COLUMN_WIDE, failure->text);
        put_cell(out, COLUMN_TEXT, failure->kind);
        put_cell(out, COLUMN_WIDE, failure->policy);
        put_number(out, failure->count);
        put_number(out, failure->peers);
        put_date(out, failure->last);
        put_cell(out, COLUMN_ADDRESS, failure->peer);
        put_cell(out, COLUMN_HELO, failure->helo);
        fputs("</tr>\n", out);
    }
    end_table(out);
}

static void put_policies(FILE *out, const struct report *report)
{
    static const struct column columns[] = {
        {"Where", COLUMN_WIDE},      {"What it said", COLUMN_WIDE}, {"Today", COLUMN_WIDE},
        {"Sessions", COLUMN_NUMBER}, {"Addresses", COLUMN_NUMBER},  {"Failed", COLUMN_NUMBER},
        {"Messages", COLUMN_NUMBER}, {"Last", COLUMN_NUMBER},       {"Last for", COLUMN_ADDRESS}};
    size_t shown = report->policy_count;

    if (report->policy_count == 0)
        return;
    fputs("<h2>Which lines of the policy applied</h2>\n", out);
    begin_table(out, "Policy lines", columns, sizeof(columns) / sizeof(columns[0]));
    if (shown > LINES_SHOWN)
        shown = LINES_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        const struct report_policy *policy = &report->policies[i];
        fputs("<tr>", out);
        put_cell(out, COLUMN_WIDE, policy->where);
        put_cell(out, COLUMN_WIDE, *policy->line != '\0' ? policy->line : policy->level);
        put_cell(out, COLUMN_WIDE,
                 policy->now != NULL ? policy->now : report_line_words(policy->state));
        put_number(out, policy->sessions);
        put_number(out, policy->peers);
        put_number(out, policy->failed);
        put_number(out, policy->messages);
        put_date(out, policy->last);
        put_cell(out, COLUMN_ADDRESS, policy->peer);
        fputs("</tr>\n", out);
    }
    end_table(out);
    put_shown(out, (int64_t)report->policy_count, (int64_t)shown);
}

static void put_chances(FILE *out, const struct report *report)
{
    static const struct column columns[] = {
        {"Address", COLUMN_ADDRESS}, {"HELO", COLUMN_HELO},       {"Begun", COLUMN_NUMBER},
        {"Sessions", COLUMN_NUMBER}, {"With TLS", COLUMN_NUMBER}, {"Failed", COLUMN_NUMBER},
        {"Messages", COLUMN_NUMBER}, {"First", COLUMN_NUMBER},    {"Last", COLUMN_NUMBER}};

    if (report->chance_count == 0)
        return;
    fputs("<h2>Second chances</h2>\n", out);
    begin_table(out, "Second chances", columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < report->chance_count; i++) {
        const struct report_chance *chance = &report->chances[i];
        fputs("<tr>", out);
        put_cell(out, COLUMN_ADDRESS, chance->peer);
        put_cell(out, COLUMN_HELO, chance->helo);
        put_number(out, chance->counts.begun);
        put_number(out, chance->counts.sessions);
        put_number(out, chance->counts.established);
        put_number(out, chance->counts.failed);
        put_number(out, chance->counts.messages);
        put_date(out, chance->counts.first);
        put_date(out, chance->counts.last);
        fputs("</tr>\n", out);
    }
    end_table(out);
    put_shown(out, report->chance_peers, (int64_t)report->chance_count);
}

static void put_unused(FILE *out, const struct report *report)
{
    static const struct column columns[] = {
        {"Line", COLUMN_WIDE}, {"Prefix", COLUMN_ADDRESS}, {"Note", COLUMN_WIDE}};
    size_t shown = report->unused_count;

    if (report->unused_count == 0)
        return;
    fputs("<h2>Lines that applied to nobody</h2>\n", out);
    begin_table(out, "Unused policy lines", columns, sizeof(columns) / sizeof(columns[0]));
    if (shown > LINES_SHOWN)
        shown = LINES_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        fputs("<tr>", out);
        put_cell(out, COLUMN_WIDE, report->unused[i].where);
        put_cell(out, COLUMN_ADDRESS, report->unused[i].prefix);
        put_cell(out, COLUMN_WIDE, report->unused[i].note);
        fputs("</tr>\n", out);
    }
    end_table(out);
    put_shown(out, (int64_t)report->unused_count, (int64_t)shown);
}

static void put_shares(const struct report_view *view)
{
    static const struct column columns[] = {{"Name", COLUMN_TEXT},
                                            {"Addresses", COLUMN_NUMBER},
                                            {"Sessions", COLUMN_NUMBER},
                                            {"Messages", COLUMN_NUMBER}};
    FILE *out = view->out;

    fputs("<h2>What is in use</h2>\n<div class=\"plots\">\n", out);
    for (enum report_part part = 0; part < REPORT_PART_COUNT; part++) {
        const struct report_shares *shares = &view->report->parts[part];
        if (shares->count == 0)
            continue;
        fprintf(out, "<section><h3>%s</h3>\n", report_part_title(part));
        begin_table(out, report_part_title(part), columns, sizeof(columns) / sizeof(columns[0]));
        for (size_t i = 0; i < shares->count; i++) {
            fputs("<tr>", out);
            put_cell(out, COLUMN_TEXT, shares->shares[i].name);
            put_number(out, shares->shares[i].peers);
            put_number(out, shares->shares[i].sessions);
            put_number(out, shares->shares[i].messages);
            fputs("</tr>\n", out);
        }
        end_table(out);
        fputs("</section>\n", out);
    }
    fputs("</div>\n", out);
}

static void put_peer(void *ctx, const struct report_peer *peer)
{
    FILE *out = ctx;
    const struct report_peer_row *tls = peer->tls.count > 0 ? &peer->tls.rows[0] : NULL;
    const struct report_peer_row *failure =
        peer->failures.count > 0 ? &peer->failures.rows[0] : NULL;
    const struct report_peer_row *policy =
        peer->policies.count > 0 ? &peer->policies.rows[0] : NULL;
    const char *without = peer->cleartext_sessions > 0 ? "none" : "";

    fputs("<tr>", out);
    put_cell(out, COLUMN_ADDRESS, peer->address);
    put_cell(out, COLUMN_HELO, peer->helo);
    put_number(out, peer->messages);
    put_number(out, peer->sessions);
    put_number(out, peer->failed);
    put_date(out, peer->last);
    put_cell(out, COLUMN_TEXT, tls != NULL ? tls->words[0] : without);
    put_cell(out, COLUMN_TEXT, tls != NULL ? tls->words[1] : "");
    put_cell(out, COLUMN_HELO, peer->ccert_subject);
    put_cell(out, COLUMN_WIDE, failure != NULL ? failure->words[1] : "");
    put_cell(out, COLUMN_WIDE, policy != NULL ? policy->words[0] : "");
    fputs("</tr>\n", out);
}

static bool put_peers(const struct report_view *view)
{
    static const struct column columns[] = {
        {"Address", COLUMN_ADDRESS},         {"HELO", COLUMN_HELO},
        {"Messages", COLUMN_NUMBER},         {"Sessions", COLUMN_NUMBER},
        {"Failed", COLUMN_NUMBER},           {"Last", COLUMN_NUMBER},
        {"Protocol", COLUMN_TEXT},           {"Cipher", COLUMN_TEXT},
        {"Client certificate", COLUMN_HELO}, {"Last failure", COLUMN_WIDE},
        {"Last policy", COLUMN_WIDE}};
    const struct report_options *options = view->options;
    int64_t limit = options->limit > 0 ? options->limit : PEERS_SHOWN;

    fprintf(view->out, "<h2>Clients, %s first</h2>\n",
            options->filter.failing ? "most failures" : "most mail");
    begin_table(view->out, "Clients", columns, sizeof(columns) / sizeof(columns[0]));
    bool good = report_peers(view->read, options->filter.since, report_view_order(view), limit,
                             put_peer, view->out);
    end_table(view->out);
    put_shown(view->out, view->report->totals.peers + view->report->totals.networks, limit);
    return good;
}

bool report_html_write(const struct report_view *view)
{
    put_head(view);
    put_totals(view);
    put_plots(view);
    put_failures(view->out, view->report);
    put_policies(view->out, view->report);
    put_chances(view->out, view->report);
    put_unused(view->out, view->report);
    bool good = put_peers(view);
    put_shares(view);
    fprintf(view->out, "</main>\n<script>%s</script>\n</body></html>\n", report_page_script);
    return good;
}
