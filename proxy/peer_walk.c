#include "proxy/peer_walk.h"

#include <stdlib.h>

#include "policy/text.h"

static const char peers_sql[] =
    "SELECT id, address, prefix, last, sessions, messages, cleartext_sessions, cleartext_messages,"
    " failed, helo, ccert_status, ccert_fingerprint FROM peer ORDER BY id";
static const char hellos_sql[] =
    "SELECT peer, hello, established, failed, messages, last FROM peer_hello ORDER BY peer, hello";

/* Two queries side by side, both in the order of peers. */
struct walk {
    struct ledger_read *ledger;
    sqlite3_stmt *peers;
    sqlite3_stmt *hellos;
    bool has_hello; /* HELLOS stands on a row that no peer has got yet */
    struct walked_hello *list;
    size_t count, capacity;
};

/* The hellos of the peer ID. */
static void collect(struct walk *walk, int64_t id)
{
    walk->count = 0;
    while (walk->has_hello && sqlite3_column_int64(walk->hellos, 0) <= id) {
        if (sqlite3_column_int64(walk->hellos, 0) == id) {
            if (walk->count == walk->capacity) {
                walk->capacity = 2 * walk->capacity + 16;
                walk->list = text_resize(walk->list, walk->capacity, sizeof(*walk->list));
            }
            walk->list[walk->count++] = (struct walked_hello){
                .id = sqlite3_column_int64(walk->hellos, 1),
                .established = sqlite3_column_int64(walk->hellos, 2),
                .failed = sqlite3_column_int64(walk->hellos, 3),
                .messages = sqlite3_column_int64(walk->hellos, 4),
                .last = sqlite3_column_int64(walk->hellos, 5),
            };
        }
        walk->has_hello = ledger_read_next(walk->ledger, walk->hellos);
    }
}

/* The row that PEERS stands on; false: it is no peer. */
static bool read_peer(struct walk *walk, struct walked_peer *peer)
{
    sqlite3_stmt *row = walk->peers;

    collect(walk, sqlite3_column_int64(row, 0));
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
    };
    if (!ledger_read_peer_prefix(row, 1, &peer->prefix))
        return false;
    peer->single = peer->prefix.length == (peer->prefix.ipv6 ? 128 : 32);
    return true;
}

bool peer_walk(struct ledger_read *ledger, void (*each)(void *ctx, const struct walked_peer *peer),
               void *ctx)
{
    struct walk walk = {.ledger = ledger,
                        .peers = ledger_read_prepare(ledger, peers_sql),
                        .hellos = ledger_read_prepare(ledger, hellos_sql)};
    struct walked_peer peer;

    walk.has_hello = ledger_read_next(ledger, walk.hellos);
    while (ledger_read_next(ledger, walk.peers))
        if (read_peer(&walk, &peer))
            each(ctx, &peer);
    sqlite3_finalize(walk.peers);
    sqlite3_finalize(walk.hellos);
    free(walk.list);
    return !ledger_read_failed(ledger);
}
