#include "proxy/stress_report.h"

#include "proxy/log.h"

#define QUIET_SECONDS 1.

/* Say what has changed since it was said last. */
static void report_changes(struct stress_report *report)
{
    const struct limits *limits = worker_slots_counters(report->slots);
    uint32_t changes = limits_stress_changes(limits);
    bool was = report->reported % 2 != 0;
    bool is = changes % 2 != 0;

    if (changes == report->reported)
        return;
    report->reported = changes;
    if (is && !was)
        log_warning("stress mode begins: %u of %u sessions, %u of %u TLS handshakes; to avoid this "
                    "condition, increase gatepost_session_limit or gatepost_handshake_limit",
                    limits_sessions(limits), report->totals.sessions, limits_handshakes(limits),
                    report->totals.handshakes);
    else if (was && !is)
        log_info("stress mode ends: %u of %u sessions, %u of %u TLS handshakes",
                 limits_sessions(limits), report->totals.sessions, limits_handshakes(limits),
                 report->totals.handshakes);
    else
        log_warning("stress mode %s again", is ? "ended and began" : "began and ended");
    ev_timer_set(&report->quiet, QUIET_SECONDS, 0.);
    ev_timer_start(report->loop, &report->quiet);
}

static void on_quiet(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    report_changes(timer->data);
}

void stress_report_begin(struct stress_report *report)
{
    ev_init(&report->quiet, on_quiet);
    report->quiet.data = report;
    report->reported = limits_stress_changes(worker_slots_counters(report->slots));
}

void stress_report_look(struct stress_report *report)
{
    if (!ev_is_active(&report->quiet))
        report_changes(report);
}

/* What is said about stress mode: the operator may have decided. */
static const char *describe(const struct stress_report *report)
{
    if (report->totals.stress.enter_sessions == 0)
        return "fixed";
    return limits_stressed(worker_slots_counters(report->slots)) ? "yes" : "no";
}

/* How often it has begun. */
static uint32_t times(const struct limits *limits)
{
    uint32_t changes = limits_stress_changes(limits);

    return changes / 2 + changes % 2;
}

void stress_report_print(const struct stress_report *report, FILE *out)
{
    const struct limits *limits = worker_slots_counters(report->slots);

    fprintf(out,
            "load: %u of %u sessions, %u of %u TLS handshakes, stress mode %s, times so far %u\n",
            limits_sessions(limits), report->totals.sessions, limits_handshakes(limits),
            report->totals.handshakes, describe(report), times(limits));
}

void stress_report_json(const struct stress_report *report, struct json *json)
{
    const struct limits *limits = worker_slots_counters(report->slots);

    json_object(json, "load");
    json_number(json, "sessions", limits_sessions(limits));
    json_number(json, "session_limit", report->totals.sessions);
    json_number(json, "handshakes", limits_handshakes(limits));
    json_number(json, "handshake_limit", report->totals.handshakes);
    json_string(json, "stress", describe(report));
    json_number(json, "stress_times", times(limits));
    json_end_object(json);
}
