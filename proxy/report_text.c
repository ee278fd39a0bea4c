/* The report for a terminal: the shape of pflogsumm's, 100 columns. */
#include <string.h>

#include "proxy/report_escape.h"
#include "proxy/report_write.h"

#define SHARES_SHOWN 12
#define FAILURES_SHOWN 20
#define POLICIES_SHOWN 40
#define CHANCES_SHOWN 20
#define DAYS_SHOWN 14
#define SERIES_SHOWN 6
#define PEERS_SHOWN 20
#define HELO_WIDTH 40

/* A date, for the columns. */
static void put_date(FILE *out, int64_t when)
{
    char date[REPORT_DATE_MAX];

    fprintf(out, "  %s", report_date(when, date));
}

static void put_number(FILE *out, int64_t number, int width)
{
    char text[REPORT_NUMBER_MAX];

    fprintf(out, "%*s", width, report_number(number, text));
}

/* "  and N more" */
static void put_more(FILE *out, size_t count, size_t shown)
{
    if (count > shown)
        fprintf(out, "  ... and %zu more (--json has them)\n", count - shown);
}

/* One total, with what it is a part of. */
static void put_total(FILE *out, int64_t number, const char *what, int64_t whole)
{
    put_number(out, number, 15);
    fprintf(out, "  %s", what);
    if (whole > 0)
        fprintf(out, " (%.1f%%)", report_percent(number, whole));
    fputc('\n', out);
}

static void put_totals(const struct report_view *view)
{
    const struct report_totals *totals = &view->report->totals;
    FILE *out = view->out;
    char words[256];
    char date[REPORT_DATE_MAX];

    report_filter_text(&view->options->filter, words, sizeof(words));
    fputs("Clients of ", out);
    report_escape_terminal(out, view->host, 0);
    fprintf(out, "%s%s\n\n", words[0] != '\0' ? ", " : "", words);
    if (totals->sessions == 0) {
        fputs("  nobody has come\n", out);
        return;
    }
    fprintf(out, "  seen from %s", report_date(totals->first, date));
    fprintf(out, " to %s\n\n", report_date(totals->last, date));
    put_total(out, totals->peers, "addresses", 0);
    if (totals->networks > 0)
        put_total(out, totals->networks, "networks, of addresses no longer kept one by one", 0);
    put_total(out, totals->sessions, "sessions", 0);
    put_total(out, totals->established, "with TLS", totals->sessions);
    put_total(out, totals->resumed, "of these resumed", totals->established);
    put_total(out, totals->cleartext_sessions, "without TLS", totals->sessions);
    put_total(out, totals->failed, "failed handshakes", totals->sessions);
    put_total(out, totals->failing_peers, "addresses that failed", totals->peers);
    put_total(out, totals->messages, "messages", 0);
    put_total(out, totals->cleartext_messages, "of these without TLS", totals->messages);
    fprintf(out, "%15s  bytes of mail\n", report_amount(totals->bytes, date));
}

static void put_shares(FILE *out, const char *title, const struct report_shares *shares,
                       int64_t sessions)
{
    if (shares->count == 0)
        return;
    fprintf(out, "\n%-36s %10s %13s %7s %13s\n", title, "addresses", "sessions", "%", "messages");
    for (size_t i = 0; i < shares->count && i < SHARES_SHOWN; i++) {
        const struct report_share *share = &shares->shares[i];
        size_t length = strlen(share->name);
        fputs("  ", out);
        report_escape_terminal(out, share->name, 34);
        fprintf(out, "%*s", length < 34 ? (int)(34 - length) : 0, "");
        put_number(out, share->peers, 11);
        put_number(out, share->sessions, 14);
        fprintf(out, " %7.2f", report_percent(share->sessions, sessions));
        put_number(out, share->messages, 14);
        fputc('\n', out);
    }
    put_more(out, shares->count, SHARES_SHOWN);
}

static void put_failures(FILE *out, const struct report *report)
{
    if (report->failure_count == 0)
        return;
    fprintf(out, "\nWhy handshakes failed\n%9s %10s  %-10s\n", "times", "addresses", "last");
    for (size_t i = 0; i < report->failure_count && i < FAILURES_SHOWN; i++) {
        const struct report_failure *failure = &report->failures[i];
        put_number(out, failure->count, 9);
        put_number(out, failure->peers, 11);
        put_date(out, failure->last);
        fputs("  ", out);
        report_escape_terminal(out, failure->text, 0);
        fprintf(out, "\n%34s[", "");
        report_escape_terminal(out, failure->kind, 0);
        fputs("] under ", out);
        report_escape_terminal(out, failure->policy, 0);
        fprintf(out, "\n%34s%s ", "", failure->peers > 1 ? "last" : "from");
        report_escape_terminal(out, failure->peer, 0);
        if (failure->helo[0] != '\0') {
            fputs(" helo=", out);
            report_escape_terminal(out, failure->helo, HELO_WIDTH);
        }
        fputc('\n', out);
    }
    put_more(out, report->failure_count, FAILURES_SHOWN);
}

static void put_policies(FILE *out, const struct report *report)
{
    if (report->policy_count == 0)
        return;
    fprintf(out, "\nWhich lines of the policy applied\n%9s %10s  %-10s\n", "sessions", "addresses",
            "last");
    for (size_t i = 0; i < report->policy_count && i < POLICIES_SHOWN; i++) {
        const struct report_policy *policy = &report->policies[i];
        put_number(out, policy->sessions, 9);
        put_number(out, policy->peers, 11);
        put_date(out, policy->last);
        fputs("  ", out);
        report_escape_terminal(out, policy->where, 0);
        fputs(": ", out);
        report_escape_terminal(out, *policy->line != '\0' ? policy->line : policy->level, 0);
        if (*report_line_words(policy->state) != '\0') {
            fprintf(out, " (%s", report_line_words(policy->state));
            report_escape_terminal(out, policy->now != NULL ? policy->now : "", 0);
            fputc(')', out);
        }
        fprintf(out, "\n%34s", "");
        put_number(out, policy->messages, 0);
        fputs(" messages, ", out);
        put_number(out, policy->failed, 0);
        fprintf(out, " failed, %s ", policy->peers > 1 ? "last" : "for");
        report_escape_terminal(out, policy->peer, 0);
        fputc('\n', out);
    }
    put_more(out, report->policy_count, POLICIES_SHOWN);
}

static void put_chances(FILE *out, const struct report *report)
{
    if (report->chance_count == 0)
        return;
    fprintf(out, "\nSecond chances%24s %9s %9s %9s %9s  %-10s  %-10s\n", "begun", "sessions",
            "with TLS", "failed", "messages", "first", "last");
    for (size_t i = 0; i < report->chance_count && i < CHANCES_SHOWN; i++) {
        const struct report_chance *chance = &report->chances[i];
        fprintf(out, "  %-27s", chance->peer);
        put_number(out, chance->counts.begun, 9);
        put_number(out, chance->counts.sessions, 10);
        put_number(out, chance->counts.established, 10);
        put_number(out, chance->counts.failed, 10);
        put_number(out, chance->counts.messages, 10);
        put_date(out, chance->counts.first);
        put_date(out, chance->counts.last);
        fputs("  ", out);
        report_escape_terminal(out, chance->helo, HELO_WIDTH);
        fputc('\n', out);
    }
    put_more(out, (size_t)report->chance_peers, CHANCES_SHOWN);
}

static void put_unused(FILE *out, const struct report *report)
{
    if (report->unused_count == 0)
        return;
    fputs("\nLines that applied to nobody\n", out);
    for (size_t i = 0; i < report->unused_count && i < POLICIES_SHOWN; i++) {
        const struct report_unused *unused = &report->unused[i];
        fputs("  ", out);
        report_escape_terminal(out, unused->where, 0);
        fputs(": ", out);
        report_escape_terminal(out, unused->prefix, 0);
        if (unused->note != NULL) {
            fputs("  # ", out);
            report_escape_terminal(out, unused->note, 60);
        }
        fputc('\n', out);
    }
    put_more(out, report->unused_count, POLICIES_SHOWN);
}

/* All of TREND on DAY. */
static int64_t day_total(const struct report_trend *trend, size_t day)
{
    int64_t total = 0;

    for (size_t i = 0; i < trend->count; i++)
        total += trend->series[i].days[day];
    return total;
}

static void put_days(FILE *out, const struct report *report)
{
    const struct report_trend *trend = &report->protocols;
    char date[REPORT_DATE_MAX];

    if (report->day_count == 0)
        return;
    fprintf(out, "\n%-14s", "Sessions a day");
    for (size_t i = 0; i < trend->count && i < SERIES_SHOWN; i++) {
        size_t length = strlen(trend->series[i].name);
        fprintf(out, "%*s", length < 12 ? (int)(12 - length) : 0, "");
        report_escape_terminal(out, trend->series[i].name, 11);
    }
    fprintf(out, "%12s\n", "failed");
    size_t first = report->day_count > DAYS_SHOWN ? report->day_count - DAYS_SHOWN : 0;
    for (size_t day = first; day < report->day_count; day++) {
        fprintf(out, "  %-12s", report_date((report->day_first + (int64_t)day) * 86400, date));
        for (size_t i = 0; i < trend->count && i < SERIES_SHOWN; i++)
            put_number(out, trend->series[i].days[day], 12);
        put_number(out, day_total(&report->failed, day), 12);
        fputc('\n', out);
    }
}

/* A peer in a line, and another for each thing that went wrong. */
static void put_peer(void *ctx, const struct report_peer *peer)
{
    const struct report_view *view = ctx;
    FILE *out = view->out;

    fprintf(out, "  %-24s", peer->address);
    put_number(out, peer->messages, 12);
    put_number(out, peer->sessions, 12);
    put_number(out, peer->failed, 9);
    put_date(out, peer->last);
    const char *protocol = peer->cleartext_sessions > 0 ? "none" : "-";
    if (peer->tls.count > 0)
        protocol = peer->tls.rows[0].words[0];
    fputs("  ", out);
    report_escape_terminal(out, protocol, 8);
    fprintf(out, "%*s", 9 - (int)strnlen(protocol, 8), "");
    report_escape_terminal(out, peer->helo != NULL ? peer->helo : "", HELO_WIDTH);
    fputc('\n', out);
    size_t reasons = view->options->filter.failing ? peer->failures.count : 1;
    for (size_t i = 0; i < peer->failures.count && i < reasons; i++) {
        const struct report_peer_row *row = &peer->failures.rows[i];
        fprintf(out, "      %lld x ", (long long)row->sessions);
        report_escape_terminal(out, row->words[1], 0);
        if (row->words[2] != NULL) {
            fputs(" [", out);
            report_escape_terminal(out, row->words[2], 0);
            fputc(']', out);
        }
        fputc('\n', out);
    }
}

bool report_text_write(const struct report_view *view)
{
    const struct report *report = view->report;
    int64_t limit = view->options->limit > 0 ? view->options->limit : PEERS_SHOWN;
    int64_t rows = report->totals.peers + report->totals.networks;
    struct report_view own = *view;
    char number[REPORT_NUMBER_MAX];

    put_totals(view);
    for (enum report_part part = 0; part < REPORT_PART_COUNT; part++)
        put_shares(view->out, report_part_title(part), &report->parts[part],
                   report->totals.established +
                       (part == REPORT_PROTOCOL ? report->totals.cleartext_sessions : 0));
    put_failures(view->out, report);
    put_policies(view->out, report);
    put_chances(view->out, report);
    put_unused(view->out, report);
    put_days(view->out, report);
    if (rows == 0)
        return true;
    fprintf(view->out, "\n%-26s%12s%12s%9s  %-10s  %-8s %s\n",
            view->options->filter.failing ? "Peers, most failures first" : "Peers, most mail first",
            "messages", "sessions", "failed", "last", "protocol", "helo");
    bool good = report_peers(view->read, view->options->filter.since, report_view_order(view),
                             limit, put_peer, &own);
    if (rows > limit)
        fprintf(view->out, "  ... and %s more (--limit, --csv, --json)\n",
                report_number(rows - limit, number));
    return good;
}
