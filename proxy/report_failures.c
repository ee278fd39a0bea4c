/* Who fails, and why. */
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#include "proxy/report_parts.h"
#include "proxy/report_query.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* The columns of GROUPS together with the words: with max() as the only one of its kind, SQLite
 * takes "peer" from the row that has it. */
static const char beginning[] =
    "SELECT k.text, t.text, w.text, g.total, g.peers, g.latest, p.address, p.prefix, p.helo"
    " FROM (SELECT kind, text, policy, sum(count) AS total, count(*) AS peers,"
    " max(last) AS latest, peer FROM failure WHERE last >= ?1";
static const char end[] = "GROUP BY kind, text, policy ORDER BY total DESC LIMIT " TEXT_OF(
    REPORT_FAILURES_MAX) ") g"
                         " LEFT JOIN name k ON k.id = g.kind LEFT JOIN name t ON t.id = g.text"
                         " LEFT JOIN name w ON w.id = g.policy LEFT JOIN peer p ON p.id = g.peer"
                         " ORDER BY g.total DESC, t.text";

static void take_row(sqlite3_stmt *query, struct report_failure *failure)
{
    failure->kind = report_column(query, 0);
    failure->text = report_column(query, 1);
    failure->policy = report_column(query, 2);
    failure->count = sqlite3_column_int64(query, 3);
    failure->peers = sqlite3_column_int64(query, 4);
    failure->last = sqlite3_column_int64(query, 5);
    ledger_read_peer_text(query, 6, failure->peer);
    failure->helo = report_column(query, 8);
}

/* Failures by kind alone. */
static bool collect_kinds(struct ledger_read *read, int64_t since, struct report_shares *kinds)
{
    sqlite3_stmt *query =
        report_query(read, since,
                     "SELECT (SELECT text FROM name WHERE id = kind), sum(count),"
                     " count(DISTINCT peer), kind FROM failure WHERE last >= ?1",
                     "peer", "GROUP BY kind ORDER BY 2 DESC LIMIT " TEXT_OF(REPORT_SHARES_MAX));

    while (kinds->count < REPORT_SHARES_MAX && ledger_read_next(read, query))
        kinds->shares[kinds->count++] =
            (struct report_share){.name = report_column(query, 0),
                                  .sessions = sqlite3_column_int64(query, 1),
                                  .peers = sqlite3_column_int64(query, 2)};
    sqlite3_finalize(query);
    return !ledger_read_failed(read);
}

bool report_failures_collect(struct ledger_read *read, int64_t since, struct report *report)
{
    sqlite3_stmt *query = report_query(read, since, beginning, "peer", end);

    report->failures = text_alloc(REPORT_FAILURES_MAX, sizeof(report->failures[0]));
    while (report->failure_count < REPORT_FAILURES_MAX && ledger_read_next(read, query))
        take_row(query, &report->failures[report->failure_count++]);
    sqlite3_finalize(query);
    return collect_kinds(read, since, &report->kinds);
}
