#include "proxy/metrics_publish.h"

#include <stdio.h>
#include <string.h>

#include "policy/policy_table.h"

#include "proxy/metrics_page.h"
#include "proxy/monotonic.h"
#include "proxy/status_report.h"

#define STATE_SECONDS 1.

/* Workers that serve and that finish. */
static void put_workers(const struct metrics_publish *publish, struct metrics_present *present)
{
    const struct generation *current = *publish->current;

    present->workers = present->workers_finishing = 0;
    for (size_t i = 0; current != NULL && i < current->child_count; i++)
        present->workers += current->children[i].ready;
    for (const struct generation *one = *publish->leaving; one != NULL; one = one->next)
        for (size_t i = 0; i < one->child_count; i++)
            present->workers_finishing += one->children[i].pid != 0;
}

/* All backends of all listeners. */
static void put_backends(const struct generation *generation, struct metrics_present *present)
{
    present->backend_count = 0;
    for (size_t i = 0; i < generation->plan.service_count; i++) {
        const struct service *service = generation->plan.services[i];
        const struct backend_list *list = &service->upstream->list;
        for (size_t j = 0; j < list->count && present->backend_count < METRICS_BACKENDS_MAX; j++) {
            struct metrics_backend *one = &present->backends[present->backend_count++];
            snprintf(one->listener, sizeof(one->listener), "%s", service->name);
            snprintf(one->name, sizeof(one->name), "%s", list->backends[j].name);
            one->serves = !backend_is_failing(&list->backends[j]);
        }
    }
}

/* What the generation's first worker has written down. */
static void put_certificates(const struct generation *generation, struct metrics_present *present)
{
    const struct metrics_certificates *certificates = generation->plan.certificates;

    present->certificate_count = 0;
    if (certificates == NULL)
        return;
    uint32_t count = certificates->count;
    if (count > METRICS_CERTIFICATES_MAX)
        count = METRICS_CERTIFICATES_MAX;
    memcpy(present->certificates, certificates->list, count * sizeof(certificates->list[0]));
    present->certificate_count = count;
}

struct exceptions {
    struct metrics_present *present;
    time_t now;
};

/* A line of a policy table. */
static void count_exception(void *ctx, const struct policy_match *line, bool expired)
{
    const struct exceptions *exceptions = ctx;
    struct metrics_present *present = exceptions->present;

    if (line->until == 0)
        return;
    if (expired || line->until <= exceptions->now) {
        present->exceptions_expired++;
        return;
    }
    present->exceptions++;
    if (present->exception_ends == 0 || line->until < present->exception_ends)
        present->exception_ends = line->until;
}

/* A table may have a million lines: only when one of them has ended, or it is another table. */
static void put_exceptions(struct metrics_publish *publish, const struct generation *generation)
{
    struct metrics_present *present = &publish->present;
    struct exceptions exceptions = {.present = present, .now = time(NULL)};

    if (publish->counted == generation &&
        (present->exception_ends == 0 || present->exception_ends > exceptions.now))
        return;
    publish->counted = generation;
    present->exceptions = present->exceptions_expired = 0;
    present->exception_ends = 0;
    for (size_t i = 0; i < generation->plan.service_count; i++)
        if (generation->plan.services[i]->owns_table)
            policy_table_each(generation->plan.services[i]->table, count_exception, &exceptions);
}

/* What is so now, also if nobody looks at metrics. */
static const struct metrics_present *present_now(struct metrics_publish *publish)
{
    struct metrics_present *present = &publish->present;
    const struct generation *generation = *publish->current;

    put_workers(publish, present);
    if (generation == NULL)
        return present;
    const struct second_chance_counts chances = second_chance_count(
        worker_slots_chance(generation->plan.slots), &generation->plan.services[0]->chance_rules,
        (uint32_t)monotonic_seconds());
    present->chances = chances.present;
    present->chances_begun = chances.begun;
    present->chances_used = chances.used;
    present->session_limit = generation->plan.totals.sessions;
    present->handshake_limit = generation->plan.totals.handshakes;
    put_backends(generation, present);
    put_certificates(generation, present);
    put_exceptions(publish, generation);
    return present;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct metrics_publish *publish = timer->data;

    (void)loop;
    (void)events;
    metrics_facts_set(publish->facts, present_now(publish));
}

void metrics_publish_begin(struct metrics_publish *publish)
{
    ev_init(&publish->timer, on_timer);
    publish->timer.repeat = STATE_SECONDS;
    publish->timer.data = publish;
    atomic_store(&publish->facts->last_reload_ok, true);
}

void metrics_publish_serving(struct metrics_publish *publish, bool first, enum metrics_reload kind)
{
    struct metrics_facts *facts = publish->facts;
    const struct generation *generation = *publish->current;

    publish->counted = NULL;
    atomic_fetch_add(&facts->generation, 1);
    atomic_store(&facts->last_reload, (int64_t)time(NULL));
    atomic_store(&facts->last_reload_ok, true);
    if (!first)
        atomic_fetch_add(&facts->reloads[kind], 1);
    metrics_facts_set(facts, present_now(publish));
    if (generation != NULL && generation->plan.metrics_sockets.count > 0)
        ev_timer_again(publish->loop, &publish->timer);
    else
        ev_timer_stop(publish->loop, &publish->timer);
}

void metrics_publish_failed(struct metrics_publish *publish, enum metrics_reload kind)
{
    atomic_store(&publish->facts->last_reload_ok, false);
    atomic_fetch_add(&publish->facts->reloads_failed[kind], 1);
}

void metrics_publish_look(struct metrics_publish *publish)
{
    uint64_t counters[RATES_COUNTERS];

    metrics_memory_total(worker_slots_metrics(publish->slots), &publish->total);
    status_report_counters(&publish->total, counters);
    rates_note(&publish->rates, monotonic_time(), counters);
}

/* What there is to be said. */
static struct status_report make_report(struct metrics_publish *publish)
{
    metrics_publish_look(publish);
    return (struct status_report){.total = &publish->total,
                                  .present = present_now(publish),
                                  .facts = publish->facts,
                                  .rates = &publish->rates,
                                  .clock = monotonic_time(),
                                  .now = time(NULL),
                                  .open = limits_sessions(worker_slots_counters(publish->slots))};
}

void metrics_publish_print(struct metrics_publish *publish, FILE *out)
{
    const struct status_report report = make_report(publish);

    status_report_print(&report, out);
}

void metrics_publish_json(struct metrics_publish *publish, struct json *json)
{
    const struct status_report report = make_report(publish);

    status_report_json(&report, json);
}

void metrics_publish_page(struct metrics_publish *publish, const struct ledger_stats *ledger,
                          FILE *out)
{
    const struct metrics_source source = {.counters = worker_slots_metrics(publish->slots),
                                          .facts = publish->facts,
                                          .limits = worker_slots_counters(publish->slots),
                                          .ledger = ledger};

    metrics_facts_set(publish->facts, present_now(publish));
    metrics_page_write(&source, out);
}
