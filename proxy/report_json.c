/* The whole report, and all peers. Times are unix seconds. */
#include "proxy/json.h"
#include "proxy/report_escape.h"
#include "proxy/report_write.h"

static void put_totals(struct json *json, const struct report_totals *totals)
{
    json_object(json, "totals");
    json_number(json, "peers", totals->peers);
    json_number(json, "networks", totals->networks);
    json_number(json, "first", totals->first);
    json_number(json, "last", totals->last);
    json_number(json, "sessions", totals->sessions);
    json_number(json, "messages", totals->messages);
    json_number(json, "bytes", totals->bytes);
    json_number(json, "cleartext_peers", totals->cleartext_peers);
    json_number(json, "cleartext_sessions", totals->cleartext_sessions);
    json_number(json, "cleartext_messages", totals->cleartext_messages);
    json_number(json, "established", totals->established);
    json_number(json, "resumed", totals->resumed);
    json_number(json, "failed", totals->failed);
    json_number(json, "failing_peers", totals->failing_peers);
    json_end_object(json);
}

static void put_shares(struct json *json, const char *name, const struct report_shares *shares,
                       bool failures)
{
    json_array(json, name);
    for (size_t i = 0; i < shares->count; i++) {
        const struct report_share *share = &shares->shares[i];
        json_object(json, NULL);
        json_string(json, "name", share->name);
        json_number(json, "peers", share->peers);
        json_number(json, failures ? "count" : "sessions", share->sessions);
        if (!failures)
            json_number(json, "messages", share->messages);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_failures(struct json *json, const struct report *report)
{
    json_array(json, "failures");
    for (size_t i = 0; i < report->failure_count; i++) {
        const struct report_failure *failure = &report->failures[i];
        json_object(json, NULL);
        json_string(json, "kind", failure->kind);
        json_string(json, "reason", failure->text);
        json_string(json, "policy", failure->policy);
        json_number(json, "count", failure->count);
        json_number(json, "peers", failure->peers);
        json_number(json, "last", failure->last);
        json_string(json, "last_peer", failure->peer);
        json_string(json, "last_helo", failure->helo);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_policies(struct json *json, const struct report *report)
{
    json_array(json, "policies");
    for (size_t i = 0; i < report->policy_count; i++) {
        const struct report_policy *policy = &report->policies[i];
        json_object(json, NULL);
        json_string(json, "policy", policy->where);
        json_string(json, "level", policy->level);
        json_string(json, "line", *policy->line != '\0' ? policy->line : NULL);
        json_string(json, "state", report_line_name(policy->state));
        json_string(json, "now", policy->now);
        json_number(json, "peers", policy->peers);
        json_number(json, "sessions", policy->sessions);
        json_number(json, "established", policy->established);
        json_number(json, "failed", policy->failed);
        json_number(json, "messages", policy->messages);
        json_number(json, "last", policy->last);
        json_string(json, "last_peer", policy->peer);
        json_end_object(json);
    }
    json_end_array(json);
    if (!report->whole)
        return;
    json_array(json, "unused_policies");
    for (size_t i = 0; i < report->unused_count; i++) {
        json_object(json, NULL);
        json_string(json, "policy", report->unused[i].where);
        json_string(json, "prefix", report->unused[i].prefix);
        json_string(json, "note", report->unused[i].note);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_chance_counts(struct json *json, const struct report_chances *counts)
{
    json_number(json, "begun", counts->begun);
    json_number(json, "sessions", counts->sessions);
    json_number(json, "established", counts->established);
    json_number(json, "failed", counts->failed);
    json_number(json, "messages", counts->messages);
    json_number(json, "first", counts->first);
    json_number(json, "last", counts->last);
}

static void put_chances(struct json *json, const struct report *report)
{
    json_number(json, "second_chance_peers", report->chance_peers);
    json_array(json, "second_chances");
    for (size_t i = 0; i < report->chance_count; i++) {
        json_object(json, NULL);
        json_string(json, "peer", report->chances[i].peer);
        json_string(json, "helo", report->chances[i].helo);
        put_chance_counts(json, &report->chances[i].counts);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_day_values(struct json *json, const char *name, const struct report_trend *trend,
                           size_t day)
{
    json_object(json, name);
    for (size_t i = 0; i < trend->count; i++)
        if (trend->series[i].days[day] != 0)
            json_number(json, trend->series[i].name, trend->series[i].days[day]);
    json_end_object(json);
}

static void put_days(struct json *json, const struct report *report)
{
    char date[REPORT_DATE_MAX];

    json_array(json, "days");
    for (size_t day = 0; day < report->day_count; day++) {
        json_object(json, NULL);
        json_string(json, "date", report_date((report->day_first + (int64_t)day) * 86400, date));
        put_day_values(json, "protocols", &report->protocols, day);
        put_day_values(json, "failures", &report->failed, day);
        json_end_object(json);
    }
    json_end_array(json);
}

/* The rows of a peer, their words under NAMES. */
static void put_rows(struct json *json, const char *name, const char *const names[4],
                     const struct report_peer_rows *rows, const char *count)
{
    json_array(json, name);
    for (size_t i = 0; i < rows->count; i++) {
        json_object(json, NULL);
        for (int word = 0; word < 4; word++)
            if (names[word] != NULL)
                json_string(json, names[word], rows->rows[i].words[word]);
        json_number(json, count, rows->rows[i].sessions);
        json_number(json, "last", rows->rows[i].last);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_peer(void *ctx, const struct report_peer *peer)
{
    static const char *const tls_names[4] = {"protocol", "cipher", "group", "signature"};
    static const char *const failure_names[4] = {"kind", "reason", "policy"};
    static const char *const policy_names[4] = {"policy", "level", "line", "listener"};
    struct json *json = ctx;

    json_object(json, NULL);
    json_string(json, "address", peer->address);
#define PUT_NUMBER(field) json_number(json, #field, peer->field);
    REPORT_PEER_NUMBERS(PUT_NUMBER)
#undef PUT_NUMBER
#define PUT_TEXT(field) json_string(json, #field, peer->field);
    REPORT_PEER_TEXTS(PUT_TEXT)
#undef PUT_TEXT
    put_rows(json, "tls", tls_names, &peer->tls, "sessions");
    put_rows(json, "failures", failure_names, &peer->failures, "count");
    put_rows(json, "policies", policy_names, &peer->policies, "sessions");
    if (peer->chances.last != 0) {
        json_object(json, "second_chance");
        put_chance_counts(json, &peer->chances);
        json_end_object(json);
    }
    json_end_object(json);
}

bool report_json_write(const struct report_view *view)
{
    const struct report *report = view->report;
    const struct report_options *options = view->options;
    struct json json = {.out = view->out};
    char words[256];

    json_object(&json, NULL);
    json_string(&json, "host", view->host);
    json_number(&json, "time", view->now);
    json_string(&json, "filter", report_filter_text(&options->filter, words, sizeof(words)));
    put_totals(&json, &report->totals);
    for (enum report_part part = 0; part < REPORT_PART_COUNT; part++)
        put_shares(&json, report_part_key(part), &report->parts[part], false);
    put_shares(&json, "failure_kinds", &report->kinds, true);
    put_failures(&json, report);
    put_policies(&json, report);
    put_chances(&json, report);
    if (report->whole)
        put_days(&json, report);
    json_array(&json, "peers");
    enum report_order order = options->limit > 0 ? report_view_order(view) : REPORT_BY_ADDRESS;
    bool good =
        report_peers(view->read, options->filter.since, order, options->limit, put_peer, &json);
    json_end_array(&json);
    json_end_object(&json);
    return good;
}
