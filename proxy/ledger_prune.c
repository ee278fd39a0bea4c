#include "proxy/ledger_prune.h"

#include <stdio.h>
#include <string.h>

#define AT_ONCE 8192        /* peers that fall out, in one transaction */
#define SPARE(n) ((n) / 32) /* room that is made beyond what is needed */
#define NETWORKS_MIN 1000
#define SQL_MAX 4096

/* A step down: from single addresses to networks, and on to larger ones. */
struct level {
    int from4, from6; /* prefix lengths */
    int to4, to6;
};
static const struct level levels[] = {{32, 128, 24, 64}, {24, 64, 16, 48}, {16, 48, 0, 0}};

/*
 * The tables below a peer: what tells its rows apart, what of them is added up, and what is the
 * most telling. X(table, key columns, excluded-style sums, sums for the select, weight)
 */
#define CHILDREN(X)                                                                                \
    X("tls", "protocol, cipher, grp, signature", "sessions, resumed, messages, first, last",       \
      "sum(sessions), sum(resumed), sum(messages), min(first), max(last)",                         \
      "sessions = sessions + excluded.sessions, resumed = resumed + excluded.resumed,"             \
      " messages = messages + excluded.messages, first = min(first, excluded.first),"              \
      " last = max(last, excluded.last)",                                                          \
      "sessions")                                                                                  \
    X("failure", "kind, text, policy", "count, first, last", "sum(count), min(first), max(last)",  \
      "count = count + excluded.count, first = min(first, excluded.first),"                        \
      " last = max(last, excluded.last)",                                                          \
      "count")                                                                                     \
    X("policy_use", "listener, policy, line, level",                                               \
      "sessions, established, failed, cleartext, messages, cleartext_messages, first, last",       \
      "sum(sessions), sum(established), sum(failed), sum(cleartext), sum(messages),"               \
      " sum(cleartext_messages), min(first), max(last)",                                           \
      "sessions = sessions + excluded.sessions, established = established + excluded.established," \
      " failed = failed + excluded.failed, cleartext = cleartext + excluded.cleartext,"            \
      " messages = messages + excluded.messages,"                                                  \
      " cleartext_messages = cleartext_messages + excluded.cleartext_messages,"                    \
      " first = min(first, excluded.first), last = max(last, excluded.last)",                      \
      "sessions")                                                                                  \
    X("peer_hello", "hello, listener", "established, failed, messages, first, last",               \
      "sum(established), sum(failed), sum(messages), min(first), max(last)",                       \
      "established = established + excluded.established, failed = failed + excluded.failed,"       \
      " messages = messages + excluded.messages, first = min(first, excluded.first),"              \
      " last = max(last, excluded.last)",                                                          \
      "established + failed")                                                                      \
    X("chance", "listener", "begun, sessions, established, failed, messages, first, last",         \
      "sum(begun), sum(sessions), sum(established), sum(failed), sum(messages), min(first),"       \
      " max(last)",                                                                                \
      "begun = begun + excluded.begun, sessions = sessions + excluded.sessions,"                   \
      " established = established + excluded.established, failed = failed + excluded.failed,"      \
      " messages = messages + excluded.messages, first = min(first, excluded.first),"              \
      " last = max(last, excluded.last)",                                                          \
      "sessions")

struct child {
    const char *table;
    const char *key;
    const char *counts;
    const char *sums;
    const char *update;
    const char *weight;
};

static const struct child children[] = {
#define CHILD(table, key, counts, sums, update, weight) {table, key, counts, sums, update, weight},
    CHILDREN(CHILD)
#undef CHILD
};
#define CHILD_COUNT (sizeof(children) / sizeof(children[0]))

/* Run SQL. */
static bool run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Run SQL with up to two numbers. */
static bool run_with(sqlite3 *db, const char *sql, int64_t first, int64_t second)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_int64(statement, 1, first);
    if (sqlite3_bind_parameter_count(statement) > 1)
        sqlite3_bind_int64(statement, 2, second);
    while (sqlite3_step(statement) == SQLITE_ROW) {
    }
    return sqlite3_finalize(statement) == SQLITE_OK;
}

/* One row with up to two numbers. */
static bool ask(sqlite3 *db, const char *sql, int64_t *first, int64_t *second)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return false;
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    if (found) {
        *first = sqlite3_column_int64(statement, 0);
        if (second != NULL)
            *second = sqlite3_column_int64(statement, 1);
    }
    return sqlite3_finalize(statement) == SQLITE_OK && found;
}

/* SQL function ledger_mask(address, prefix): the address with all bits behind the prefix 0. */
static void mask(sqlite3_context *context, int count, sqlite3_value **values)
{
    uint8_t address[16] = {0};
    const void *bytes = sqlite3_value_blob(values[0]);
    int length = sqlite3_value_bytes(values[0]);
    int prefix = sqlite3_value_int(values[1]);

    (void)count;
    if (bytes == NULL || length > 16 || prefix < 0) {
        sqlite3_result_error(context, "ledger_mask: not an address", -1);
        return;
    }
    memcpy(address, bytes, (size_t)length);
    for (int bit = prefix; bit < 8 * length; bit++)
        address[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
    sqlite3_result_blob(context, address, length, SQLITE_TRANSIENT);
}

bool ledger_prune_prepare(sqlite3 *db)
{
    return sqlite3_create_function(db, "ledger_mask", 2,
                                   SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                   mask, NULL, NULL) == SQLITE_OK &&
           run(db, "CREATE TEMP TABLE fall(peer INTEGER PRIMARY KEY, target INTEGER,"
                   " address BLOB, prefix INTEGER)");
}

/* How many hellos there are. */
static bool count_hellos(sqlite3 *db, struct ledger_extent *extent)
{
    return ask(db, "SELECT count(*), ifnull(sum(length(bytes)), 0) FROM hello", &extent->hellos,
               &extent->hello_bytes);
}

bool ledger_extent_find(sqlite3 *db, struct ledger_extent *extent)
{
    return ask(db, "SELECT count(*) FROM peer WHERE prefix = length(address) * 8", &extent->peers,
               NULL) &&
           count_hellos(db, extent) && ask(db, "SELECT count(*) FROM name", &extent->names, NULL);
}

/* Put the COUNT peers of LEVEL that are to go first into the table fall, with what they fall to. */
static bool choose(sqlite3 *db, const struct level *level, int64_t count)
{
    char sql[SQL_MAX];
    bool single = level == &levels[0];

    snprintf(sql, sizeof(sql),
             "INSERT INTO fall(peer, address, prefix)"
             " SELECT id, ledger_mask(address, CASE length(address) WHEN 4 THEN %d ELSE %d END),"
             " CASE length(address) WHEN 4 THEN %d ELSE %d END FROM peer WHERE %s"
             " ORDER BY %s LIMIT ?1",
             level->to4, level->to6, level->to4, level->to6,
             single                ? "prefix = length(address) * 8"
             : level == &levels[1] ? "prefix IN (24, 64) AND prefix < length(address) * 8"
                                   : "prefix IN (16, 48) AND prefix < length(address) * 8",
             single ? "messages > 0, last" : "last");
    return run_with(db, sql, count, 0);
}

/* Rows of CHILD below peers that fall: add them to the target's, keep the most telling. */
static bool merge_child(sqlite3 *db, const struct child *child)
{
    char sql[SQL_MAX];

    snprintf(sql, sizeof(sql),
             "INSERT INTO %s(peer, %s, %s) SELECT f.target, %s, %s"
             " FROM fall f JOIN %s c ON c.peer = f.peer WHERE true GROUP BY f.target, %s"
             " ON CONFLICT DO UPDATE SET %s",
             child->table, child->key, child->counts, child->key, child->sums, child->table,
             child->key, child->update);
    if (!run(db, sql))
        return false;
    snprintf(sql, sizeof(sql),
             "DELETE FROM %s WHERE (peer, %s) IN (SELECT peer, %s FROM (SELECT peer, %s,"
             " row_number() OVER (PARTITION BY peer ORDER BY %s DESC, last DESC) AS place FROM %s"
             " WHERE peer IN (SELECT target FROM fall)) WHERE place > %d)",
             child->table, child->key, child->key, child->key, child->weight, child->table,
             LEDGER_CHILDREN_MAX);
    return run(db, sql);
}

/* Delete the peers in the table fall, and what is below them. */
static bool delete_fallen(sqlite3 *db)
{
    char sql[SQL_MAX];

    for (size_t i = 0; i < CHILD_COUNT; i++) {
        snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE peer IN (SELECT peer FROM fall)",
                 children[i].table);
        if (!run(db, sql))
            return false;
    }
    return run(db, "DELETE FROM peer WHERE id IN (SELECT peer FROM fall)");
}

/* COUNT peers of LEVEL become part of larger networks. */
static bool fall(sqlite3 *db, const struct level *level, int64_t count)
{
    static const char *const networks =
        "INSERT INTO peer(address, prefix, first, last, sessions, messages, bytes,"
        " cleartext_sessions, cleartext_messages, established, failed, resumed)"
        " SELECT f.address, f.prefix, min(p.first), max(p.last), sum(p.sessions), sum(p.messages),"
        " sum(p.bytes), sum(p.cleartext_sessions), sum(p.cleartext_messages), sum(p.established),"
        " sum(p.failed), sum(p.resumed) FROM fall f JOIN peer p ON p.id = f.peer WHERE true"
        " GROUP BY f.address, f.prefix"
        " ON CONFLICT(address, prefix) DO UPDATE SET first = min(first, excluded.first),"
        " last = max(last, excluded.last), sessions = sessions + excluded.sessions,"
        " messages = messages + excluded.messages, bytes = bytes + excluded.bytes,"
        " cleartext_sessions = cleartext_sessions + excluded.cleartext_sessions,"
        " cleartext_messages = cleartext_messages + excluded.cleartext_messages,"
        " established = established + excluded.established, failed = failed + excluded.failed,"
        " resumed = resumed + excluded.resumed";
    bool good = run(db, "DELETE FROM fall") && choose(db, level, count) && run(db, networks) &&
                run(db, "UPDATE fall SET target = (SELECT id FROM peer"
                        " WHERE address = fall.address AND prefix = fall.prefix)");

    for (size_t i = 0; i < CHILD_COUNT && good; i++)
        good = merge_child(db, &children[i]);
    return good && delete_fallen(db) && run(db, "DELETE FROM fall");
}

/* Bring networks of LEVEL down to MOST. */
static bool prune_networks(sqlite3 *db, const struct level *level, int64_t most)
{
    char sql[SQL_MAX];
    int64_t count;

    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM peer WHERE prefix IN (%d, %d) AND prefix < length(address) * 8",
             level->from4, level->from6);
    if (!ask(db, sql, &count, NULL))
        return false;
    if (count <= most)
        return true;
    count = count - most + SPARE(most);
    return fall(db, level, count < 2 * AT_ONCE ? count : 2 * AT_ONCE);
}

/* Bring single addresses down to the bound. */
static bool prune_peers(sqlite3 *db, int64_t most, struct ledger_extent *extent)
{
    const int64_t networks = most / 10 > NETWORKS_MIN ? most / 10 : NETWORKS_MIN;
    int64_t count = extent->peers - most + SPARE(most);

    if (extent->peers <= most)
        return true;
    count = count < AT_ONCE ? count : AT_ONCE;
    if (!fall(db, &levels[0], count))
        return false;
    extent->peers -= count;
    return prune_networks(db, &levels[1], networks) && prune_networks(db, &levels[2], networks);
}

/* Are there too many hellos? */
static bool beyond(const struct ledger_bounds *bounds, const struct ledger_extent *extent)
{
    return extent->hellos > bounds->max_hellos || extent->hello_bytes > bounds->max_hello_bytes;
}

/* How many hellos have to go, and some more; they are taken to be of one size. */
static int64_t surplus(const struct ledger_bounds *bounds, const struct ledger_extent *extent)
{
    int64_t by_number = extent->hellos - bounds->max_hellos;
    int64_t by_bytes = 0;

    if (extent->hello_bytes > bounds->max_hello_bytes)
        by_bytes =
            extent->hellos * (extent->hello_bytes - bounds->max_hello_bytes) / extent->hello_bytes;
    return (by_number > by_bytes ? by_number : by_bytes) + SPARE(extent->hellos) + 1;
}

/* A part of the hellos goes. */
static bool prune_hellos(sqlite3 *db, const struct ledger_bounds *bounds,
                         struct ledger_extent *extent)
{
    const char *const doomed = "SELECT id FROM hello ORDER BY count, last LIMIT ?1";
    char sql[SQL_MAX];
    bool good;

    if (!beyond(bounds, extent))
        return true;
    if (!count_hellos(db, extent))
        return false;
    if (!beyond(bounds, extent))
        return true;
    const int64_t count = surplus(bounds, extent);
    snprintf(sql, sizeof(sql), "DELETE FROM peer_hello WHERE hello IN (%s)", doomed);
    good = run_with(db, sql, count, 0);
    snprintf(sql, sizeof(sql), "DELETE FROM hello WHERE id IN (%s)", doomed);
    return good && run_with(db, sql, count, 0) && count_hellos(db, extent);
}

bool ledger_prune(sqlite3 *db, const struct ledger_bounds *bounds, struct ledger_extent *extent)
{
    return prune_peers(db, bounds->max_peers, extent) && prune_hellos(db, bounds, extent);
}

bool ledger_prune_age(sqlite3 *db, int64_t before, bool *more)
{
    char sql[SQL_MAX];
    int64_t fallen;

    *more = false;
    if (!run(db, "DELETE FROM fall") ||
        !run_with(db,
                  "INSERT INTO fall(peer) SELECT id FROM peer"
                  " WHERE prefix = length(address) * 8 AND (messages > 0) IN (0, 1) AND last < ?1"
                  " UNION ALL SELECT id FROM peer WHERE prefix < length(address) * 8"
                  " AND prefix IN (0, 16, 24, 48, 64) AND last < ?1 LIMIT ?2",
                  before, AT_ONCE) ||
        !ask(db, "SELECT count(*) FROM fall", &fallen, NULL) || !delete_fallen(db))
        return false;
    *more = fallen == AT_ONCE;
    if (*more)
        return true;
    for (size_t i = 0; i < CHILD_COUNT; i++) {
        snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE last < ?1", children[i].table);
        if (!run_with(db, sql, before, 0))
            return false;
    }
    return run_with(db, "DELETE FROM hello WHERE last < ?1", before, 0) &&
           run_with(db, "DELETE FROM day WHERE (day + 1) * 86400 < ?1", before, 0) &&
           run(db, "DELETE FROM fall");
}
