/* Who got a second chance, when, and what came of it. */
#include <stdlib.h>

#include "policy/text.h"

#include "proxy/report_parts.h"
#include "proxy/report_query.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

static bool count_peers(struct ledger_read *read, int64_t since, int64_t *count)
{
    sqlite3_stmt *query = report_query(
        read, since, "SELECT count(DISTINCT peer) FROM chance WHERE last >= ?1", "peer", "");

    if (ledger_read_next(read, query))
        *count = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return !ledger_read_failed(read);
}

bool report_chances_collect(struct ledger_read *read, int64_t since, struct report *report)
{
    sqlite3_stmt *query = report_query(
        read, since,
        "SELECT p.address, p.prefix, p.helo, c.* FROM (SELECT sum(begun), sum(sessions),"
        " sum(established), sum(failed), sum(messages), min(first), max(last) AS latest, peer"
        " FROM chance WHERE last >= ?1",
        "peer",
        "GROUP BY peer ORDER BY latest DESC LIMIT " TEXT_OF(
            REPORT_CHANCES_MAX) ") c JOIN peer p ON p.id = c.peer ORDER BY latest DESC, p.address");

    report->chances = text_alloc(REPORT_CHANCES_MAX, sizeof(report->chances[0]));
    while (report->chance_count < REPORT_CHANCES_MAX && ledger_read_next(read, query)) {
        struct report_chance *chance = &report->chances[report->chance_count++];
        ledger_read_peer_text(query, 0, chance->peer);
        chance->helo = report_column(query, 2);
        chance->counts = (struct report_chances){.begun = sqlite3_column_int64(query, 3),
                                                 .sessions = sqlite3_column_int64(query, 4),
                                                 .established = sqlite3_column_int64(query, 5),
                                                 .failed = sqlite3_column_int64(query, 6),
                                                 .messages = sqlite3_column_int64(query, 7),
                                                 .first = sqlite3_column_int64(query, 8),
                                                 .last = sqlite3_column_int64(query, 9)};
    }
    sqlite3_finalize(query);
    return !ledger_read_failed(read) && count_peers(read, since, &report->chance_peers);
}

void report_chances_free(struct report *report)
{
    for (size_t i = 0; i < report->chance_count; i++)
        free(report->chances[i].helo);
    free(report->chances);
}
