/* Which lines of the policy table applied to whom, and which to nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#include "proxy/report_parts.h"
#include "proxy/report_query.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

#define MAIN_CONFIGURATION "main configuration"

static const char beginning[] =
    "SELECT w.text, l.text, g.peers, g.total, g.latest, p.address, p.prefix"
    " FROM (SELECT policy, level, count(*) AS peers, sum(sessions) AS total, max(last) AS latest,"
    " peer FROM policy_use WHERE last >= ?1";
static const char end[] = "GROUP BY policy, level ORDER BY total DESC LIMIT " TEXT_OF(
    REPORT_POLICIES_MAX) ") g"
                         " LEFT JOIN name w ON w.id = g.policy LEFT JOIN name l ON l.id = g.level"
                         " LEFT JOIN peer p ON p.id = g.peer"
                         " ORDER BY w.text != '" MAIN_CONFIGURATION "', g.total DESC, w.text";

/* Lines of today's table, looked up among those that were used. */
struct lookup {
    struct report *report;
    struct report_policy **sorted; /* by where */
    size_t unused_capacity;
};

static int by_where(const void *left, const void *right)
{
    const struct report_policy *const *a = left;
    const struct report_policy *const *b = right;

    return strcmp((*a)->where, (*b)->where);
}

/* The first of SORTED whose place is WHERE or comes after it. */
static size_t find_where(const struct lookup *lookup, const char *where)
{
    size_t low = 0;
    size_t high = lookup->report->policy_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(lookup->sorted[middle]->where, where) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Nobody needed LINE. */
static void add_unused(struct lookup *lookup, const char *where, const struct policy_match *line)
{
    struct report *report = lookup->report;

    if (report->unused_count == lookup->unused_capacity) {
        lookup->unused_capacity = lookup->unused_capacity * 2 + 64;
        report->unused =
            text_resize(report->unused, lookup->unused_capacity, sizeof(report->unused[0]));
    }
    report->unused[report->unused_count++] =
        (struct report_unused){.where = text_copy(where),
                               .prefix = text_copy(line->prefix),
                               .note = line->note != NULL ? text_copy(line->note) : NULL};
}

/* LINE is in today's table: used, or not. */
static void take_line(void *ctx, const struct policy_match *line, bool expired)
{
    struct lookup *lookup = ctx;
    char where[512];
    bool used = false;

    if (expired)
        return;
    snprintf(where, sizeof(where), "%s, line %u", line->file, line->line);
    for (size_t i = find_where(lookup, where);
         i < lookup->report->policy_count && strcmp(lookup->sorted[i]->where, where) == 0; i++) {
        used = true;
        if (lookup->sorted[i]->prefix == NULL)
            lookup->sorted[i]->prefix = text_copy(line->prefix);
    }
    if (!used && lookup->report->whole)
        add_unused(lookup, where, line);
}

/* Compare with today's table. */
static void compare_table(const struct policy_table *table, struct report *report)
{
    struct lookup lookup = {.report = report};

    lookup.sorted = text_alloc(report->policy_count + 1, sizeof(struct report_policy *));
    for (size_t i = 0; i < report->policy_count; i++)
        lookup.sorted[i] = &report->policies[i];
    qsort(lookup.sorted, report->policy_count, sizeof(struct report_policy *), by_where);
    policy_table_each(table, take_line, &lookup);
    free(lookup.sorted);
}

bool report_policy_gone(const struct report_policy *policy)
{
    return policy->prefix == NULL && strcmp(policy->where, MAIN_CONFIGURATION) != 0;
}

bool report_policies_collect(struct ledger_read *read, int64_t since,
                             const struct policy_table *table, struct report *report)
{
    sqlite3_stmt *query = report_query(read, since, beginning, "peer", end);

    report->policies = text_alloc(REPORT_POLICIES_MAX, sizeof(report->policies[0]));
    while (report->policy_count < REPORT_POLICIES_MAX && ledger_read_next(read, query)) {
        struct report_policy *policy = &report->policies[report->policy_count++];
        policy->where = report_column(query, 0);
        policy->level = report_column(query, 1);
        policy->peers = sqlite3_column_int64(query, 2);
        policy->sessions = sqlite3_column_int64(query, 3);
        policy->last = sqlite3_column_int64(query, 4);
        ledger_read_peer_text(query, 5, policy->peer);
    }
    sqlite3_finalize(query);
    if (!ledger_read_failed(read))
        compare_table(table, report);
    return !ledger_read_failed(read);
}
