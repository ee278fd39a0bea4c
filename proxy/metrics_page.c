#include "proxy/metrics_page.h"

#include <stdlib.h>

#include "tls/context.h"

#include "proxy/log.h"
#include "proxy/metrics_text.h"
#include "proxy/version.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* What the samples of one page are made from: read once, so that they belong together. */
struct page {
    FILE *out;
    const struct metrics_source *source;
    const struct metrics_facts *facts;
    const struct ledger_stats *ledger;
    struct metrics_counters total;
    struct metrics_present present;
};

/* A sample without labels. */
static void put(const struct page *page, const char *name, int64_t value)
{
    metrics_text_sample(page->out, name, NULL, value);
}

/* One with one label. */
static void put_one(const struct page *page, const char *name, const char *label, const char *value,
                    int64_t number)
{
    const struct metrics_label labels[] = {{label, value}, {NULL, NULL}};

    metrics_text_sample(page->out, name, labels, number);
}

/* One with two. */
static void put_two(const struct page *page, const char *name, const struct metrics_label *first,
                    const struct metrics_label *second, int64_t number)
{
    const struct metrics_label labels[] = {*first, *second, {NULL, NULL}};

    metrics_text_sample(page->out, name, labels, number);
}

/* COUNT numbers, each with its label. */
static void put_each(const struct page *page, const char *name, const char *label,
                     const char *const *values, size_t count, const metrics_counter *numbers)
{
    for (size_t i = 0; i < count; i++)
        put_one(page, name, label, values[i], (int64_t)atomic_load(&numbers[i]));
}

/* --- the process, the configuration ---------------------------------------------------------- */

static void write_BUILD_INFO(const struct page *page, const char *name)
{
    put_two(page, name, &(struct metrics_label){"version", GATEPOST_VERSION},
            &(struct metrics_label){"library", tls_library_version()}, 1);
}

static void write_START_TIME(const struct page *page, const char *name)
{
    put(page, name, page->facts->started);
}

static void write_GENERATION(const struct page *page, const char *name)
{
    put(page, name, (int64_t)atomic_load(&page->facts->generation));
}

static void write_RELOADS(const struct page *page, const char *name)
{
    for (size_t i = 0; i < METRICS_RELOAD_COUNT; i++) {
        const struct metrics_label kind = {"kind", metrics_reloads[i]};
        put_two(page, name, &kind, &(struct metrics_label){"result", "ok"},
                (int64_t)atomic_load(&page->facts->reloads[i]));
        put_two(page, name, &kind, &(struct metrics_label){"result", "failed"},
                (int64_t)atomic_load(&page->facts->reloads_failed[i]));
    }
}

static void write_RELOAD_OK(const struct page *page, const char *name)
{
    put(page, name, atomic_load(&page->facts->last_reload_ok));
}

static void write_RELOAD_TIME(const struct page *page, const char *name)
{
    put(page, name, atomic_load(&page->facts->last_reload));
}

static void write_WORKERS(const struct page *page, const char *name)
{
    put_one(page, name, "state", "serving", page->present.workers);
    put_one(page, name, "state", "finishing", page->present.workers_finishing);
}

static void write_RESTARTS(const struct page *page, const char *name)
{
    put_each(page, name, "process", metrics_roles, METRICS_ROLE_COUNT, page->facts->restarts);
}

static void write_CERTIFICATE_EXPIRY(const struct page *page, const char *name)
{
    for (uint32_t i = 0; i < page->present.certificate_count; i++) {
        const struct metrics_certificate *one = &page->present.certificates[i];
        const struct metrics_label labels[] = {
            {"name", one->name}, {"key", one->key}, {NULL, NULL}};
        metrics_text_sample(page->out, name, labels, one->not_after);
    }
}

static void write_LOG_DROPPED(const struct page *page, const char *name)
{
    put(page, name, (int64_t)page->total.log_dropped);
}

/* --- sessions -------------------------------------------------------------------------------- */

static void write_SESSIONS(const struct page *page, const char *name)
{
    put(page, name, (int64_t)page->total.sessions);
}

static void write_SESSIONS_OPEN(const struct page *page, const char *name)
{
    put(page, name, limits_sessions(page->source->limits));
}

static void write_SESSIONS_LIMIT(const struct page *page, const char *name)
{
    put(page, name, page->present.session_limit);
}

static void write_HANDSHAKES_OPEN(const struct page *page, const char *name)
{
    put(page, name, limits_handshakes(page->source->limits));
}

static void write_HANDSHAKES_LIMIT(const struct page *page, const char *name)
{
    put(page, name, page->present.handshake_limit);
}

static void write_STRESS(const struct page *page, const char *name)
{
    put(page, name, limits_stressed(page->source->limits));
}

static void write_STRESS_BEGUN(const struct page *page, const char *name)
{
    uint32_t changes = limits_stress_changes(page->source->limits);

    put(page, name, changes / 2 + changes % 2);
}

static void write_POLICIES(const struct page *page, const char *name)
{
    for (size_t i = 0; i < METRICS_LEVEL_COUNT; i++)
        for (size_t j = 0; j < METRICS_PLACE_COUNT; j++)
            put_two(page, name, &(struct metrics_label){"level", metrics_levels[i]},
                    &(struct metrics_label){"source", metrics_places[j]},
                    (int64_t)page->total.policies[i][j]);
}

static void write_LIMITS(const struct page *page, const char *name)
{
    put_each(page, name, "limit", metrics_limits, METRICS_LIMIT_COUNT, page->total.limits);
}

static void write_CHANCES(const struct page *page, const char *name)
{
    put(page, name, page->present.chances);
}

static void write_CHANCES_BEGUN(const struct page *page, const char *name)
{
    put(page, name, (int64_t)page->present.chances_begun);
}

static void write_CHANCES_USED(const struct page *page, const char *name)
{
    put(page, name, (int64_t)page->present.chances_used);
}

static void write_EXCEPTIONS(const struct page *page, const char *name)
{
    put_one(page, name, "state", "dated", page->present.exceptions);
    put_one(page, name, "state", "expired", page->present.exceptions_expired);
}

static void write_EXCEPTION_EXPIRY(const struct page *page, const char *name)
{
    if (page->present.exception_ends != 0)
        put(page, name, page->present.exception_ends);
}

/* --- TLS ------------------------------------------------------------------------------------- */

/* One protocol: what has occurred. */
static void put_protocol(const struct page *page, const char *name, size_t protocol)
{
    for (size_t i = 0; i < METRICS_CIPHER_COUNT; i++)
        for (size_t j = 0; j < METRICS_GROUP_COUNT; j++) {
            uint64_t count = page->total.handshakes[protocol][i][j];
            const struct metrics_label labels[] = {{"protocol", metrics_protocols[protocol]},
                                                   {"cipher", metrics_ciphers[i]},
                                                   {"group", metrics_groups[j]},
                                                   {NULL, NULL}};
            if (count > 0)
                metrics_text_sample(page->out, name, labels, (int64_t)count);
        }
}

static void write_HANDSHAKES(const struct page *page, const char *name)
{
    for (size_t i = 0; i < METRICS_PROTOCOL_COUNT; i++)
        put_protocol(page, name, i);
}

static void write_RESUMED(const struct page *page, const char *name)
{
    put_each(page, name, "protocol", metrics_protocols, METRICS_PROTOCOL_COUNT,
             page->total.resumptions);
}

static void write_CCERTS(const struct page *page, const char *name)
{
    put_each(page, name, "status", metrics_peers, METRICS_PEER_COUNT, page->total.peers);
}

static void write_FAILURES(const struct page *page, const char *name)
{
    for (size_t i = TLS_FAILURE_NONE + 1; i < TLS_FAILURE_COUNT; i++)
        put_one(page, name, "reason", tls_failure_name((enum tls_failure)i),
                (int64_t)page->total.failures[i]);
}

static void write_HANDSHAKE_TIME(const struct page *page, const char *name)
{
    metrics_text_histogram(page->out, name, &page->total.handshake);
}

/* --- messages and backends ------------------------------------------------------------------- */

static void write_MESSAGES(const struct page *page, const char *name)
{
    put_each(page, name, "transport", metrics_transports, METRICS_TRANSPORT_COUNT,
             page->total.messages);
}

static void write_MESSAGE_BYTES(const struct page *page, const char *name)
{
    put_each(page, name, "transport", metrics_transports, METRICS_TRANSPORT_COUNT,
             page->total.bytes);
}

static void write_BACKEND_CONNECTIONS(const struct page *page, const char *name)
{
    put(page, name, (int64_t)page->total.backend_connections);
}

static void write_BACKEND_FAILURES(const struct page *page, const char *name)
{
    put(page, name, (int64_t)page->total.backend_failures);
}

static void write_BACKEND_UP(const struct page *page, const char *name)
{
    for (uint32_t i = 0; i < page->present.backend_count; i++) {
        const struct metrics_backend *one = &page->present.backends[i];
        put_two(page, name, &(struct metrics_label){"listener", one->listener},
                &(struct metrics_label){"backend", one->name}, one->serves);
    }
}

static void write_BACKEND_CONNECT_TIME(const struct page *page, const char *name)
{
    metrics_text_histogram(page->out, name, &page->total.backend_connect);
}

static void write_BACKEND_REPLY_TIME(const struct page *page, const char *name)
{
    metrics_text_histogram(page->out, name, &page->total.backend_reply);
}

/* --- the ledger ------------------------------------------------------------------------------ */

static void write_LEDGER_UP(const struct page *page, const char *name)
{
    if (page->ledger != NULL)
        put(page, name, !atomic_load(&page->ledger->failing));
}

static void write_LEDGER_RECORDS(const struct page *page, const char *name)
{
    if (page->ledger != NULL)
        put(page, name, (int64_t)atomic_load(&page->ledger->recorded));
}

static void write_LEDGER_LOST(const struct page *page, const char *name)
{
    if (page->ledger == NULL)
        return;
    put_one(page, name, "reason", "dropped", (int64_t)page->total.ledger_dropped);
    put_one(page, name, "reason", "database", (int64_t)atomic_load(&page->ledger->lost));
    put_one(page, name, "reason", "malformed", (int64_t)atomic_load(&page->ledger->malformed));
}

static void write_LEDGER_ERRORS(const struct page *page, const char *name)
{
    if (page->ledger != NULL)
        put(page, name, (int64_t)atomic_load(&page->ledger->errors));
}

static void write_LEDGER_PEERS(const struct page *page, const char *name)
{
    if (page->ledger != NULL)
        put(page, name, (int64_t)atomic_load(&page->ledger->peers));
}

static void write_LEDGER_HELLOS(const struct page *page, const char *name)
{
    if (page->ledger != NULL)
        put(page, name, (int64_t)atomic_load(&page->ledger->hellos));
}

/* --------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum metrics_type type;
    const char *help;
    void (*write)(const struct page *page, const char *name);
} metrics[] = {
#define METRIC(id, metric, kind, labels, words) {metric, METRICS_##kind, words, write_##id},
#include "proxy/metrics.def"
#undef METRIC
};

void metrics_page_write(const struct metrics_source *source, FILE *out)
{
    struct page *page = malloc(sizeof(*page));

    if (page == NULL)
        log_fatal("out of memory for metrics");
    page->out = out;
    page->source = source;
    page->facts = source->facts;
    page->ledger = source->ledger;
    metrics_memory_total(source->counters, &page->total);
    metrics_facts_get(source->facts, &page->present);
    for (size_t i = 0; i < LENGTH(metrics); i++) {
        metrics_text_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
        metrics[i].write(page, metrics[i].name);
    }
    free(page);
}
