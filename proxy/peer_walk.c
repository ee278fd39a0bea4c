#include "proxy/peer_walk.h"

#include <stdlib.h>

#include "policy/text.h"

static const char peers_sql[] =
    "SELECT id, address, prefix, last, sessions, messages, cleartext_sessions, cleartext_messages,"
    " failed, helo, ccert_status, ccert_fingerprint FROM peer ORDER BY id";
static const char hellos_sql[] =
    "SELECT peer, hello, listener, established, failed, messages, last FROM peer_hello"
    " ORDER BY peer, hello, listener";
static const char cleartexts_sql[] =
    "SELECT peer, listener, sum(cleartext), sum(cleartext_messages) FROM policy_use"
    " WHERE cleartext > 0 GROUP BY peer, listener ORDER BY peer, listener";

/* A query for what is below peers, in the order of peers. */
struct below {
    sqlite3_stmt *query;
    bool has_row; /* QUERY stands on a row that no peer has got yet */
};

/* Queries side by side, all in the order of peers. */
struct walk {
    struct ledger_read *ledger;
    sqlite3_stmt *peers;
    struct below hellos, cleartexts;
    struct walked_hello *list;
    size_t count, capacity;
    struct walked_cleartext *cleartext_list;
    size_t cleartext_count, cleartext_capacity;
};

static void begin(struct walk *walk, struct below *below, const char *sql)
{
    below->query = ledger_read_prepare(walk->ledger, sql);
    below->has_row = ledger_read_next(walk->ledger, below->query);
}

static void take_hello(struct walk *walk, sqlite3_stmt *row)
{
    if (walk->count == walk->capacity) {
        walk->capacity = 2 * walk->capacity + 16;
        walk->list = text_resize(walk->list, walk->capacity, sizeof(*walk->list));
    }
    walk->list[walk->count++] = (struct walked_hello){
        .id = sqlite3_column_int64(row, 1),
        .listener = sqlite3_column_int64(row, 2),
        .established = sqlite3_column_int64(row, 3),
        .failed = sqlite3_column_int64(row, 4),
        .messages = sqlite3_column_int64(row, 5),
        .last = sqlite3_column_int64(row, 6),
    };
}

static void take_cleartext(struct walk *walk, sqlite3_stmt *row)
{
    if (walk->cleartext_count == walk->cleartext_capacity) {
        walk->cleartext_capacity = 2 * walk->cleartext_capacity + 16;
        walk->cleartext_list = text_resize(walk->cleartext_list, walk->cleartext_capacity,
                                           sizeof(*walk->cleartext_list));
    }
    walk->cleartext_list[walk->cleartext_count++] =
        (struct walked_cleartext){.listener = sqlite3_column_int64(row, 1),
                                  .sessions = sqlite3_column_int64(row, 2),
                                  .messages = sqlite3_column_int64(row, 3)};
}

/* Give the rows of the peer ID to TAKE, and pass over those of peers before it. */
static void collect(struct walk *walk, struct below *below, int64_t id,
                    void (*take)(struct walk *walk, sqlite3_stmt *row))
{
    while (below->has_row && sqlite3_column_int64(below->query, 0) <= id) {
        if (sqlite3_column_int64(below->query, 0) == id)
            take(walk, below->query);
        below->has_row = ledger_read_next(walk->ledger, below->query);
    }
}

/* The row that PEERS stands on; false: it is no peer. */
static bool read_peer(struct walk *walk, struct walked_peer *peer)
{
    sqlite3_stmt *row = walk->peers;

    walk->count = walk->cleartext_count = 0;
    collect(walk, &walk->hellos, sqlite3_column_int64(row, 0), take_hello);
    collect(walk, &walk->cleartexts, sqlite3_column_int64(row, 0), take_cleartext);
    *peer = (struct walked_peer){
        .last = sqlite3_column_int64(row, 3),
        .sessions = sqlite3_column_int64(row, 4),
        .messages = sqlite3_column_int64(row, 5),
        .cleartext_sessions = sqlite3_column_int64(row, 6),
        .cleartext_messages = sqlite3_column_int64(row, 7),
        .failed = sqlite3_column_int64(row, 8),
        .helo = ledger_read_text(row, 9),
        .ccert_status = ledger_read_text(row, 10),
        .ccert_fingerprint = ledger_read_text(row, 11),
        .hellos = walk->list,
        .hello_count = walk->count,
        .cleartexts = walk->cleartext_list,
        .cleartext_count = walk->cleartext_count,
    };
    if (!ledger_read_peer_prefix(row, 1, &peer->prefix))
        return false;
    peer->single = peer->prefix.length == (peer->prefix.ipv6 ? 128 : 32);
    return true;
}

bool peer_walk(struct ledger_read *ledger, void (*each)(void *ctx, const struct walked_peer *peer),
               void *ctx)
{
    struct walk walk = {.ledger = ledger, .peers = ledger_read_prepare(ledger, peers_sql)};
    struct walked_peer peer;

    begin(&walk, &walk.hellos, hellos_sql);
    begin(&walk, &walk.cleartexts, cleartexts_sql);
    while (ledger_read_next(ledger, walk.peers))
        if (read_peer(&walk, &peer))
            each(ctx, &peer);
    sqlite3_finalize(walk.peers);
    sqlite3_finalize(walk.hellos.query);
    sqlite3_finalize(walk.cleartexts.query);
    free(walk.list);
    free(walk.cleartext_list);
    return !ledger_read_failed(ledger);
}
