#include "proxy/report_data.h"

#include <stdlib.h>

#include "policy/text.h"

#include "proxy/report_parts.h"
#include "proxy/report_query.h"

/* X(field, expression): over the rows of "peer". */
#define TOTALS(X)                                                                                  \
    X(peers, "sum(prefix = length(address) * 8)")                                                  \
    X(networks, "sum(prefix < length(address) * 8)")                                               \
    X(first, "min(first)")                                                                         \
    X(last, "max(last)")                                                                           \
    X(sessions, "sum(sessions)")                                                                   \
    X(messages, "sum(messages)")                                                                   \
    X(bytes, "sum(bytes)")                                                                         \
    X(cleartext_peers, "sum(cleartext_sessions > 0)")                                              \
    X(cleartext_sessions, "sum(cleartext_sessions)")                                               \
    X(cleartext_messages, "sum(cleartext_messages)")                                               \
    X(established, "sum(established)")                                                             \
    X(resumed, "sum(resumed)")                                                                     \
    X(failed, "sum(failed)")                                                                       \
    X(failing_peers, "sum(failed > 0)")

static bool collect_totals(struct ledger_read *read, int64_t since, struct report_totals *totals)
{
#define TOTAL_EXPRESSION(field, expression) expression ","
    sqlite3_stmt *query = report_query(
        read, since, "SELECT " TOTALS(TOTAL_EXPRESSION) "0 FROM peer WHERE last >= ?1", "id", "");
#undef TOTAL_EXPRESSION
    int column = 0;

    if (ledger_read_next(read, query)) {
#define TOTAL_COLUMN(field, expression) totals->field = sqlite3_column_int64(query, column++);
        TOTALS(TOTAL_COLUMN)
#undef TOTAL_COLUMN
    }
    sqlite3_finalize(query);
    return !ledger_read_failed(read);
}

struct report *report_collect(struct ledger_read *read, const struct ledger_filter *filter,
                              const struct policy_table *table)
{
    struct report *report = text_alloc(1, sizeof(*report));

    report->whole = !ledger_read_chosen(read);
    if (collect_totals(read, filter->since, &report->totals) &&
        report_shares_collect(read, filter->since, report) &&
        report_failures_collect(read, filter->since, report) &&
        report_policies_collect(read, filter->since, table, report) &&
        report_chances_collect(read, filter->since, report) &&
        (!report->whole || report_trend_collect(read, filter->since, report)))
        return report;
    report_free(report);
    return NULL;
}

void report_free(struct report *report)
{
    if (report == NULL)
        return;
    for (int part = 0; part < REPORT_PART_COUNT; part++)
        report_shares_free(&report->parts[part]);
    for (size_t i = 0; i < report->failure_count; i++) {
        free(report->failures[i].kind);
        free(report->failures[i].text);
        free(report->failures[i].policy);
        free(report->failures[i].helo);
    }
    report_policies_free(report);
    report_chances_free(report);
    report_shares_free(&report->kinds);
    report_trend_free(&report->protocols);
    report_trend_free(&report->failed);
    free(report->failures);
    free(report);
}
