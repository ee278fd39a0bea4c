#include "proxy/report_peers.h"

#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#include "proxy/report_query.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* The queries for a peer's rows: words, sessions, last. ?1 since, ?2 the peer. */
enum { QUERY_TLS, QUERY_FAILURE, QUERY_POLICY, QUERY_CHANCE, QUERY_COUNT };

/* A column by its table, since "text" is also one of the names'. */
#define WORD(column) "(SELECT n.text FROM name n WHERE n.id = " column ")"

static const char *const row_queries[QUERY_COUNT] = {
    [QUERY_TLS] =
        "SELECT " WORD("tls.protocol") "," WORD("tls.cipher") "," WORD("tls.grp") "," WORD(
            "tls.signature") ", sessions, last FROM tls WHERE peer = ?2 AND last >= ?1"
                             " ORDER BY sessions DESC LIMIT " TEXT_OF(LEDGER_CHILDREN_MAX),
    [QUERY_FAILURE] = "SELECT " WORD("failure.kind") "," WORD("failure.text") "," WORD(
        "failure.policy") ", NULL, count, last FROM failure"
                          " WHERE peer = ?2 AND last >= ?1"
                          " ORDER BY last DESC LIMIT " TEXT_OF(LEDGER_CHILDREN_MAX),
    [QUERY_POLICY] = "SELECT " WORD("policy_use.policy") "," WORD("policy_use.level") "," WORD(
        "policy_use.line") "," WORD("policy_use.listener") ", sessions,"
                                                           " last FROM policy_use WHERE peer = ?2 "
                                                           "AND last >= ?1"
                                                           " ORDER BY last DESC LIMIT " TEXT_OF(
                                                               LEDGER_CHILDREN_MAX),
    [QUERY_CHANCE] = "SELECT sum(begun), sum(sessions), sum(established), sum(failed),"
                     " sum(messages), min(first), max(last) FROM chance"
                     " WHERE peer = ?2 AND last >= ?1"};

#define PEER_NUMBER_COLUMN(field) #field ","
#define PEER_TEXT_COLUMN(field) #field ","
static const char peer_query[] =
    "SELECT id, address, prefix, " REPORT_PEER_NUMBERS(PEER_NUMBER_COLUMN)
        REPORT_PEER_TEXTS(PEER_TEXT_COLUMN) "0 FROM peer WHERE last >= ?1";

static const char *const orders[] = {
    [REPORT_BY_ADDRESS] = "ORDER BY address, prefix LIMIT ?2",
    [REPORT_BY_MESSAGES] = "ORDER BY messages DESC, sessions DESC, address, prefix LIMIT ?2",
    [REPORT_BY_FAILURES] = "ORDER BY failed DESC, sessions DESC, address, prefix LIMIT ?2"};

/* A column's text, or NULL if it is NULL. */
static char *optional(sqlite3_stmt *query, int column)
{
    return sqlite3_column_type(query, column) == SQLITE_NULL ? NULL : report_column(query, column);
}

/* The rows that QUERY has of PEER. */
static void take_rows(struct ledger_read *read, sqlite3_stmt *query, int64_t peer,
                      struct report_peer_rows *rows)
{
    if (query == NULL)
        return;
    sqlite3_bind_int64(query, 2, peer);
    while (rows->count < LEDGER_CHILDREN_MAX && ledger_read_next(read, query)) {
        struct report_peer_row *row = &rows->rows[rows->count++];
        for (int i = 0; i < 4; i++)
            row->words[i] = optional(query, i);
        /* A word that is not there has no sense, but is no reason to stop. */
        for (int i = 0; i < 2; i++)
            if (row->words[i] == NULL)
                row->words[i] = text_copy("?");
        row->sessions = sqlite3_column_int64(query, 4);
        row->last = sqlite3_column_int64(query, 5);
    }
    sqlite3_reset(query);
}

/* The second chances of PEER. */
static void take_chances(struct ledger_read *read, sqlite3_stmt *query, int64_t peer,
                         struct report_chances *chances)
{
    if (query == NULL)
        return;
    sqlite3_bind_int64(query, 2, peer);
    if (ledger_read_next(read, query)) /* sums of nothing are NULL, which is 0 */
        *chances = (struct report_chances){.begun = sqlite3_column_int64(query, 0),
                                           .sessions = sqlite3_column_int64(query, 1),
                                           .established = sqlite3_column_int64(query, 2),
                                           .failed = sqlite3_column_int64(query, 3),
                                           .messages = sqlite3_column_int64(query, 4),
                                           .first = sqlite3_column_int64(query, 5),
                                           .last = sqlite3_column_int64(query, 6)};
    sqlite3_reset(query);
}

static void free_rows(struct report_peer_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        for (int word = 0; word < 4; word++)
            free(rows->rows[i].words[word]);
    rows->count = 0;
}

/* Everything about the peer in the row of QUERY. */
static void take_peer(struct ledger_read *read, sqlite3_stmt *query, sqlite3_stmt *const *rows,
                      struct report_peer *peer)
{
    int64_t id = sqlite3_column_int64(query, 0);
    int column = 3;

    ledger_read_peer_text(query, 1, peer->address);
#define TAKE_NUMBER(field) peer->field = sqlite3_column_int64(query, column++);
    REPORT_PEER_NUMBERS(TAKE_NUMBER)
#undef TAKE_NUMBER
#define TAKE_TEXT(field) peer->field = optional(query, column++);
    REPORT_PEER_TEXTS(TAKE_TEXT)
#undef TAKE_TEXT
    take_rows(read, rows[QUERY_TLS], id, &peer->tls);
    if (peer->failed > 0)
        take_rows(read, rows[QUERY_FAILURE], id, &peer->failures);
    take_rows(read, rows[QUERY_POLICY], id, &peer->policies);
    take_chances(read, rows[QUERY_CHANCE], id, &peer->chances);
}

static void release_peer(struct report_peer *peer)
{
#define FREE_TEXT(field) free(peer->field);
    REPORT_PEER_TEXTS(FREE_TEXT)
#undef FREE_TEXT
    free_rows(&peer->tls);
    free_rows(&peer->failures);
    free_rows(&peer->policies);
}

bool report_peers(struct ledger_read *read, int64_t since, enum report_order order, int64_t limit,
                  void (*each)(void *ctx, const struct report_peer *peer), void *ctx)
{
    sqlite3_stmt *rows[QUERY_COUNT];
    struct report_peer *peer = text_alloc(1, sizeof(*peer));
    sqlite3_stmt *query = report_query(read, since, peer_query, "id", orders[order]);

    for (int i = 0; i < QUERY_COUNT; i++) {
        rows[i] = ledger_read_prepare(read, row_queries[i]);
        if (rows[i] != NULL)
            sqlite3_bind_int64(rows[i], 1, since);
    }
    if (query != NULL)
        sqlite3_bind_int64(query, 2, limit > 0 ? limit : -1);
    while (ledger_read_next(read, query)) {
        take_peer(read, query, rows, peer);
        each(ctx, peer);
        release_peer(peer);
    }
    for (int i = 0; i < QUERY_COUNT; i++)
        sqlite3_finalize(rows[i]);
    sqlite3_finalize(query);
    free(peer);
    return !ledger_read_failed(read);
}
