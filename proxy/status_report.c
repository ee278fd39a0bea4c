#include "proxy/status_report.h"

#include <inttypes.h>

#include "proxy/report_escape.h"

#define DAY 86400

/* One label of a list and its number. */
typedef const char *label_of(size_t index);

/* The sum of COUNT numbers. */
static uint64_t sum(const metrics_counter *numbers, size_t count)
{
    uint64_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += numbers[i];
    return total;
}

/* Handshakes with each protocol. */
static void by_protocol(const struct metrics_counters *total,
                        metrics_counter sums[METRICS_PROTOCOL_COUNT])
{
    for (size_t i = 0; i < METRICS_PROTOCOL_COUNT; i++)
        sums[i] = sum(&total->handshakes[i][0][0], METRICS_CIPHER_COUNT * METRICS_GROUP_COUNT);
}

/* All handshakes that were completed. */
static uint64_t handshakes(const struct metrics_counters *total)
{
    return sum(&total->handshakes[0][0][0],
               METRICS_PROTOCOL_COUNT * METRICS_CIPHER_COUNT * METRICS_GROUP_COUNT);
}

void status_report_counters(const struct metrics_counters *total, uint64_t counters[RATES_COUNTERS])
{
    counters[STATUS_RATE_SESSIONS] = total->sessions;
    counters[STATUS_RATE_HANDSHAKES] = handshakes(total);
    counters[STATUS_RATE_FAILURES] = sum(total->failures, TLS_FAILURE_COUNT);
    counters[STATUS_RATE_MESSAGES] = sum(total->messages, METRICS_TRANSPORT_COUNT);
}

/* How much a second of late. */
static double rate(const struct status_report *report, enum status_rate which)
{
    uint64_t counters[RATES_COUNTERS];

    status_report_counters(report->total, counters);
    return rates_get(report->rates, report->clock, which, counters[which]);
}

static const char *protocol_label(size_t index)
{
    return metrics_protocols[index];
}

static const char *limit_label(size_t index)
{
    return metrics_limits[index];
}

static const char *reason_label(size_t index)
{
    return tls_failure_name((enum tls_failure)index);
}

static const char *role_label(size_t index)
{
    return metrics_roles[index];
}

/* " (TLSv1.3 900, TLSv1.2 100)": those that are not 0; nothing if all are. */
static void print_parts(FILE *out, const metrics_counter *numbers, size_t count, label_of *label)
{
    const char *before = " (";

    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, before, label(i), (uint64_t)numbers[i]);
        before = ", ";
    }
    if (*before == ',')
        fputc(')', out);
}

static void print_sessions(const struct status_report *report, FILE *out)
{
    const struct metrics_counters *total = report->total;

    fprintf(out,
            "sessions: %u open, %" PRIu64 " since the start, %.1f a second in the last minute\n",
            report->open, (uint64_t)total->sessions, rate(report, STATUS_RATE_SESSIONS));
    fprintf(out,
            "messages: %" PRIu64 ", %" PRIu64 " of them over TLS, %" PRIu64
            " bytes, %.1f a second in the last minute\n",
            sum(total->messages, METRICS_TRANSPORT_COUNT),
            (uint64_t)total->messages[METRICS_TRANSPORT_TLS],
            sum(total->bytes, METRICS_TRANSPORT_COUNT), rate(report, STATUS_RATE_MESSAGES));
}

static void print_tls(const struct status_report *report, FILE *out)
{
    const struct metrics_counters *total = report->total;
    metrics_counter protocols[METRICS_PROTOCOL_COUNT];

    by_protocol(total, protocols);
    fprintf(out, "TLS handshakes: %" PRIu64, handshakes(total));
    print_parts(out, protocols, METRICS_PROTOCOL_COUNT, protocol_label);
    fprintf(out, ", %" PRIu64 " resumed, %.1f a second in the last minute\n",
            sum(total->resumptions, METRICS_PROTOCOL_COUNT), rate(report, STATUS_RATE_HANDSHAKES));
    fprintf(out, "TLS failures: %" PRIu64, sum(total->failures, TLS_FAILURE_COUNT));
    print_parts(out, total->failures, TLS_FAILURE_COUNT, reason_label);
    fprintf(out, ", %.1f a second in the last minute\n", rate(report, STATUS_RATE_FAILURES));
}

static void print_processes(const struct status_report *report, FILE *out)
{
    const struct metrics_facts *facts = report->facts;
    char text[32] = "";
    time_t when = (time_t)atomic_load(&facts->last_reload);
    struct tm parts;

    if (localtime_r(&when, &parts) != NULL)
        strftime(text, sizeof(text), "%F %T", &parts);
    fprintf(out, "processes: %u workers serve, %u finish, %" PRIu64 " replaced",
            report->present->workers, report->present->workers_finishing,
            sum(facts->restarts, METRICS_ROLE_COUNT));
    print_parts(out, facts->restarts, METRICS_ROLE_COUNT, role_label);
    fprintf(out, "\nreloads: %" PRIu64 ", %" PRIu64 " refused, present configuration since %s%s\n",
            sum(facts->reloads, METRICS_RELOAD_COUNT),
            sum(facts->reloads_failed, METRICS_RELOAD_COUNT), text,
            atomic_load(&facts->last_reload_ok) ? "" : ", the last reload was refused");
}

/* When certificates end; the texts are from a worker. */
static void print_certificates(const struct status_report *report, FILE *out)
{
    for (uint32_t i = 0; i < report->present->certificate_count; i++) {
        const struct metrics_certificate *one = &report->present->certificates[i];
        time_t when = (time_t)one->not_after;
        struct tm parts;
        char date[32] = "";
        if (gmtime_r(&when, &parts) != NULL)
            strftime(date, sizeof(date), "%F", &parts);
        fputs("certificate ", out);
        report_escape_terminal(out, one->name, 0);
        fputs(", ", out);
        report_escape_terminal(out, one->key, 0);
        fprintf(out, ": %s on %s, %s%lld days\n", when > report->now ? "expires" : "EXPIRED", date,
                when > report->now ? "in " : "", (long long)(when - report->now) / DAY);
    }
}

void status_report_print(const struct status_report *report, FILE *out)
{
    const struct metrics_counters *total = report->total;

    print_sessions(report, out);
    print_tls(report, out);
    fprintf(out, "limits hit: %" PRIu64, sum(total->limits, METRICS_LIMIT_COUNT));
    print_parts(out, total->limits, METRICS_LIMIT_COUNT, limit_label);
    fputc('\n', out);
    print_processes(report, out);
    print_certificates(report, out);
}

/* An object with a member for each number that is not 0. */
static void json_parts(struct json *json, const char *name, const metrics_counter *numbers,
                       size_t count, label_of *label)
{
    json_object(json, name);
    for (size_t i = 0; i < count; i++)
        if (numbers[i] != 0)
            json_number(json, label(i), (long long)numbers[i]);
    json_end_object(json);
}

/* Counts of sessions. */
static void json_totals(const struct status_report *report, struct json *json)
{
    const struct metrics_counters *total = report->total;
    metrics_counter protocols[METRICS_PROTOCOL_COUNT];

    by_protocol(total, protocols);
    json_object(json, "totals");
    json_number(json, "sessions", (long long)total->sessions);
    json_number(json, "sessions_open", report->open);
    json_number(json, "messages", (long long)sum(total->messages, METRICS_TRANSPORT_COUNT));
    json_number(json, "messages_tls", (long long)total->messages[METRICS_TRANSPORT_TLS]);
    json_number(json, "message_bytes", (long long)sum(total->bytes, METRICS_TRANSPORT_COUNT));
    json_number(json, "handshakes", (long long)handshakes(total));
    json_number(json, "handshakes_resumed",
                (long long)sum(total->resumptions, METRICS_PROTOCOL_COUNT));
    json_parts(json, "protocols", protocols, METRICS_PROTOCOL_COUNT, protocol_label);
    json_number(json, "handshake_failures", (long long)sum(total->failures, TLS_FAILURE_COUNT));
    json_parts(json, "failures", total->failures, TLS_FAILURE_COUNT, reason_label);
    json_parts(json, "limits", total->limits, METRICS_LIMIT_COUNT, limit_label);
    json_end_object(json);
}

/* How many in a minute, since JSON here knows whole numbers only. */
static void json_rates(const struct status_report *report, struct json *json)
{
    json_object(json, "last_minute");
    json_number(json, "sessions", (long long)(rate(report, STATUS_RATE_SESSIONS) * 60. + .5));
    json_number(json, "handshakes", (long long)(rate(report, STATUS_RATE_HANDSHAKES) * 60. + .5));
    json_number(json, "handshake_failures",
                (long long)(rate(report, STATUS_RATE_FAILURES) * 60. + .5));
    json_number(json, "messages", (long long)(rate(report, STATUS_RATE_MESSAGES) * 60. + .5));
    json_end_object(json);
}

void status_report_json(const struct status_report *report, struct json *json)
{
    const struct metrics_facts *facts = report->facts;

    json_totals(report, json);
    json_rates(report, json);
    json_object(json, "reloads");
    json_number(json, "ok", (long long)sum(facts->reloads, METRICS_RELOAD_COUNT));
    json_number(json, "failed", (long long)sum(facts->reloads_failed, METRICS_RELOAD_COUNT));
    json_bool(json, "last_ok", atomic_load(&facts->last_reload_ok));
    json_number(json, "last", (long long)atomic_load(&facts->last_reload));
    json_number(json, "generation", (long long)atomic_load(&facts->generation));
    json_end_object(json);
    json_parts(json, "replaced", facts->restarts, METRICS_ROLE_COUNT, role_label);
    json_array(json, "certificates");
    for (uint32_t i = 0; i < report->present->certificate_count; i++) {
        const struct metrics_certificate *one = &report->present->certificates[i];
        json_object(json, NULL);
        json_string(json, "name", one->name);
        json_string(json, "key", one->key);
        json_number(json, "expires", (long long)one->not_after);
        json_end_object(json);
    }
    json_end_array(json);
}
