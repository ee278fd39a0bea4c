/*
 * ledger_prune.h: how the ledger's database is kept within its bounds.
 *
 * When there are too many single addresses, those that never delivered a message go first, then
 * those that have not come for the longest time; both the oldest first. What was counted of them is
 * added to a row of their network: an IPv4 /24, and when there are too many of these a /16, and in
 * the end one row for all; IPv6 /64, /48, all. Of hellos, those seen least, and of these the
 * oldest. So a scan of the Internet displaces scanners. What has not been seen for max_age is
 * deleted altogether.
 */
#ifndef GATEPOST_PROXY_LEDGER_PRUNE_H
#define GATEPOST_PROXY_LEDGER_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#define LEDGER_CHILDREN_MAX 64 /* rows of one peer, in each of the tables below it */

struct ledger_bounds {
    int64_t max_peers; /* single addresses; networks of one size: a tenth of that */
    int64_t max_age;   /* seconds */
    int64_t max_hellos;
    int64_t max_hello_bytes;
};

/* How much there is. */
struct ledger_extent {
    int64_t peers; /* single addresses */
    int64_t hellos;
    int64_t hello_bytes;
    int64_t names;
};

/* What these functions need of DB that is not in the file. Once, before the others. */
bool ledger_prune_prepare(sqlite3 *db);

/* Count. */
bool ledger_extent_find(sqlite3 *db, struct ledger_extent *extent);

/* Within a transaction: bring what is beyond BOUNDS, by EXTENT, back inside, or a good part of
 * it: call again after the next batch. EXTENT is kept up to date. False: an error of SQLite's. */
bool ledger_prune(sqlite3 *db, const struct ledger_bounds *bounds, struct ledger_extent *extent);

/* Within a transaction: delete what was last seen before BEFORE, or a good part of it (*MORE:
 * there is more). */
bool ledger_prune_age(sqlite3 *db, int64_t before, bool *more);

#endif
