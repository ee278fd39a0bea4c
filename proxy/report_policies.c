/*
 * Which lines of the policy table applied to whom, and which of today's to nobody. A line is known
 * by its file and by what it says: its number changes with every line that is added above it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy_settings_text.h"
#include "policy/text.h"

#include "proxy/ledger_names.h"
#include "proxy/report_parts.h"
#include "proxy/report_query.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

#define MAIN_CONFIGURATION "main configuration"
#define SECOND_CHANCE "gatepost_second_chance"

/* With max() as the only one of its kind, SQLite takes "peer" from the row that has it. */
static const char beginning[] =
    "SELECT w.text, n.text, l.text, g.peers, g.total, g.established, g.failed, g.messages,"
    " g.latest, p.address, p.prefix FROM (SELECT policy, line, level,"
    " count(DISTINCT peer) AS peers, sum(sessions) AS total, sum(established) AS established,"
    " sum(failed) AS failed, sum(messages) AS messages, max(last) AS latest, peer"
    " FROM policy_use WHERE last >= ?1";
static const char end[] = "GROUP BY policy, line, level ORDER BY total DESC LIMIT " TEXT_OF(
    REPORT_POLICIES_MAX) ") g"
                         " LEFT JOIN name w ON w.id = g.policy LEFT JOIN name n ON n.id = "
                         "g.line LEFT JOIN name l ON l.id = g.level"
                         " LEFT JOIN peer p ON p.id = g.peer"
                         " ORDER BY w.text != '" MAIN_CONFIGURATION "', w.text != '" SECOND_CHANCE
                         "', g.total DESC, w.text, n.text";

static const struct {
    const char *name;
    const char *words;
} states[] = {
#define STATE(state, name, words) {name, words},
    REPORT_LINES(STATE)
#undef STATE
};

const char *report_line_name(enum report_line state)
{
    return states[state].name;
}

const char *report_line_words(enum report_line state)
{
    return states[state].words;
}

/* Lines of today's table, looked up among those that were used. */
struct lookup {
    struct report *report;
    const struct policy_table *table;
    struct report_policy **sorted; /* by compare */
    size_t unused_capacity;
};

/* Where the pattern of LINE ends. */
static size_t pattern_length(const char *line)
{
    return strcspn(line, " ");
}

/* By file and pattern. */
static int compare_to(const struct report_policy *policy, const char *file, const char *line)
{
    int order = strcmp(policy->file, file);
    size_t left = pattern_length(policy->line);
    size_t right = pattern_length(line);

    if (order == 0)
        order = memcmp(policy->line, line, left < right ? left : right);
    return order != 0 ? order : (left > right) - (left < right);
}

static int compare(const void *left, const void *right)
{
    const struct report_policy *const *a = left;
    const struct report_policy *const *b = right;

    return compare_to(*a, (*b)->file, (*b)->line);
}

/* The first of SORTED that is of this file and pattern, or comes after them. */
static size_t find(const struct lookup *lookup, const char *file, const char *line)
{
    size_t low = 0;
    size_t high = lookup->report->policy_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_to(lookup->sorted[middle], file, line) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* All that applied by FILE and the pattern of LINE, which is in today's table at WHERE. Returns
 * whether there is any. */
static bool note_used(const struct lookup *lookup, const char *file, const char *line,
                      const char *where)
{
    bool used = false;

    for (size_t i = find(lookup, file, line);
         i < lookup->report->policy_count && compare_to(lookup->sorted[i], file, line) == 0; i++) {
        struct report_policy *policy = lookup->sorted[i];
        used = true;
        if (policy->state != REPORT_LINE_GONE)
            continue;
        policy->state = strcmp(policy->line, line) == 0 ? REPORT_LINE_PRESENT : REPORT_LINE_CHANGED;
        free(policy->where);
        policy->where = text_copy(where);
        if (policy->state == REPORT_LINE_CHANGED)
            policy->now = text_copy(line + pattern_length(line) + 1);
    }
    return used;
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

/* TEXT as the ledger has it. */
static void as_recorded(const char *text, char out[LEDGER_NAME_MAX + 1])
{
    snprintf(out, LEDGER_NAME_MAX + 1, "%s", text);
    for (char *at = out; *at != '\0'; at++)
        if (*at < ' ' || *at >= 127)
            *at = '?';
}

/* LINE is in today's table: used, or not. */
static void take_line(void *ctx, const struct policy_match *line, bool expired)
{
    struct lookup *lookup = ctx;
    char where[512], file[LEDGER_NAME_MAX + 1], said[LEDGER_NAME_MAX + 1];
    struct text words = {0};

    if (expired)
        return;
    snprintf(where, sizeof(where), "%s, line %u", line->file, line->line);
    text_format(&words, "%s ", line->prefix);
    policy_settings_text(policy_table_settings(lookup->table, line->settings), &words);
    as_recorded(observation_end(line->file).bytes, file);
    as_recorded(words.data, said);
    text_free(&words);
    bool used = note_used(lookup, file, said, where);
    used = note_used(lookup, where, "", where) || used; /* as version 1 had it */
    if (!used && lookup->report->whole)
        add_unused(lookup, where, line);
}

/* Compare with today's table. */
static void compare_table(const struct policy_table *table, struct report *report)
{
    struct lookup lookup = {.report = report, .table = table};

    lookup.sorted = text_alloc(report->policy_count + 1, sizeof(struct report_policy *));
    for (size_t i = 0; i < report->policy_count; i++)
        lookup.sorted[i] = &report->policies[i];
    qsort(lookup.sorted, report->policy_count, sizeof(struct report_policy *), compare);
    policy_table_each(table, take_line, &lookup);
    free(lookup.sorted);
}

static void take_row(sqlite3_stmt *query, struct report_policy *policy)
{
    policy->file = report_column(query, 0);
    policy->line = report_column(query, 1);
    policy->level = report_column(query, 2);
    policy->where = text_copy(policy->file);
    policy->state =
        strcmp(policy->file, MAIN_CONFIGURATION) == 0 || strcmp(policy->file, SECOND_CHANCE) == 0
            ? REPORT_LINE_MAIN
        : *policy->line == '\0' ? REPORT_LINE_UNKNOWN
                                : REPORT_LINE_GONE;
    policy->peers = sqlite3_column_int64(query, 3);
    policy->sessions = sqlite3_column_int64(query, 4);
    policy->established = sqlite3_column_int64(query, 5);
    policy->failed = sqlite3_column_int64(query, 6);
    policy->messages = sqlite3_column_int64(query, 7);
    policy->last = sqlite3_column_int64(query, 8);
    ledger_read_peer_text(query, 9, policy->peer);
}

bool report_policies_collect(struct ledger_read *read, int64_t since,
                             const struct policy_table *table, struct report *report)
{
    sqlite3_stmt *query = report_query(read, since, beginning, "peer", end);

    report->policies = text_alloc(REPORT_POLICIES_MAX, sizeof(report->policies[0]));
    while (report->policy_count < REPORT_POLICIES_MAX && ledger_read_next(read, query))
        take_row(query, &report->policies[report->policy_count++]);
    sqlite3_finalize(query);
    if (!ledger_read_failed(read))
        compare_table(table, report);
    return !ledger_read_failed(read);
}

void report_policies_free(struct report *report)
{
    for (size_t i = 0; i < report->policy_count; i++) {
        free(report->policies[i].file);
        free(report->policies[i].line);
        free(report->policies[i].where);
        free(report->policies[i].level);
        free(report->policies[i].now);
    }
    for (size_t i = 0; i < report->unused_count; i++) {
        free(report->unused[i].where);
        free(report->unused[i].prefix);
        free(report->unused[i].note);
    }
    free(report->policies);
    free(report->unused);
}
