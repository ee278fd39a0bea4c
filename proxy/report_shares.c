/* Which protocols, ciphers, groups and signatures are in use, and by how many peers. */
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#include "proxy/report_parts.h"
#include "proxy/report_query.h"

#define NO_TLS_ID (-1)
#define REST_ID (-2)

/* The share of the name NAME_ID; the last one takes what there is no room for. */
static struct report_share *find_share(struct report_shares *shares, int64_t name_id)
{
    for (size_t i = 0; i < shares->count; i++)
        if (shares->shares[i].name_id == name_id)
            return &shares->shares[i];
    if (shares->count == REPORT_SHARES_MAX)
        return &shares->shares[REPORT_SHARES_MAX - 1];
    struct report_share *share = &shares->shares[shares->count++];
    *share = (struct report_share){.name_id = name_id};
    if (shares->count == REPORT_SHARES_MAX)
        share->name_id = REST_ID;
    return share;
}

/* The names of all shares. */
static bool find_names(struct ledger_read *read, struct report_shares *shares)
{
    sqlite3_stmt *query = ledger_read_prepare(read, "SELECT text FROM name WHERE id = ?1");

    for (size_t i = 0; i < shares->count && query != NULL; i++) {
        struct report_share *share = &shares->shares[i];
        sqlite3_bind_int64(query, 1, share->name_id);
        if (share->name_id == REST_ID)
            share->name = text_copy("(other)");
        else if (share->name_id == NO_TLS_ID)
            share->name = text_copy("none");
        else
            share->name = ledger_read_next(read, query) ? report_column(query, 0) : text_copy("?");
        sqlite3_reset(query);
    }
    sqlite3_finalize(query);
    return !ledger_read_failed(read);
}

static int by_sessions(const void *left, const void *right)
{
    const struct report_share *a = left;
    const struct report_share *b = right;

    return (a->sessions < b->sessions) - (a->sessions > b->sessions);
}

void report_shares_sort(struct report_shares *shares)
{
    qsort(shares->shares, shares->count, sizeof(shares->shares[0]), by_sessions);
}

/* Sessions without TLS count among the protocols. */
static void add_cleartext(struct report *report)
{
    const struct report_totals *totals = &report->totals;

    if (totals->cleartext_sessions == 0)
        return;
    struct report_share *share = find_share(&report->parts[REPORT_PROTOCOL], NO_TLS_ID);
    share->peers += totals->cleartext_peers;
    share->sessions += totals->cleartext_sessions;
    share->messages += totals->cleartext_messages;
}

bool report_shares_collect(struct ledger_read *read, int64_t since, struct report *report)
{
    /* In the order of the primary key, so that a peer's rows come together. */
    sqlite3_stmt *query = report_query(read, since,
                                       "SELECT peer, protocol, cipher, grp, signature, sessions,"
                                       " messages FROM tls WHERE last >= ?1",
                                       "peer", "ORDER BY peer");

    while (ledger_read_next(read, query)) {
        int64_t peer = sqlite3_column_int64(query, 0);
        for (int part = 0; part < REPORT_PART_COUNT; part++) {
            struct report_share *share =
                find_share(&report->parts[part], sqlite3_column_int64(query, 1 + part));
            share->peers += share->last_peer != peer;
            share->last_peer = peer;
            share->sessions += sqlite3_column_int64(query, 5);
            share->messages += sqlite3_column_int64(query, 6);
        }
    }
    sqlite3_finalize(query);
    add_cleartext(report);
    for (int part = 0; part < REPORT_PART_COUNT; part++) {
        if (!find_names(read, &report->parts[part]))
            return false;
        report_shares_sort(&report->parts[part]);
    }
    return !ledger_read_failed(read);
}

void report_shares_free(struct report_shares *shares)
{
    for (size_t i = 0; i < shares->count; i++)
        free(shares->shares[i].name);
    shares->count = 0;
}
