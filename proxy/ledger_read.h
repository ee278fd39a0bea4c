/*
 * ledger_read.h: the ledger's database as commands read it: one consistent view of it, from opening
 * to closing, while the daemon goes on writing.
 *
 * What is in it was written by the least trusted of gatepost's users out of what strangers said:
 * texts may hold any byte, and are to be escaped for whatever they are shown in. Errors are
 * reported once, when they happen, and every function after that does nothing.
 */
#ifndef GATEPOST_PROXY_LEDGER_READ_H
#define GATEPOST_PROXY_LEDGER_READ_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/prefix.h"

#include "proxy/observation.h"

struct ledger_read;

/* Open the ledger of CONFIG, whatever gatepost_ledger says. NULL: there is none, or it cannot be
 * read; DIAG heard why. DIAG is used until ledger_read_close. */
struct ledger_read *ledger_read_open(const struct config *config, struct diag *diag);
void ledger_read_close(struct ledger_read *read);

/* Has anything failed? It has been reported. */
bool ledger_read_failed(const struct ledger_read *read);

/* Whom a command is about. {0}: everybody. */
struct ledger_filter {
    int64_t since;    /* unix seconds: seen then or later */
    bool has_network; /* only addresses (and aggregates) inside NETWORK */
    struct prefix network;
    bool failing;         /* only those whose handshake has failed (since SINCE) */
    const char *protocol; /* only those that used it (since SINCE), such as "TLSv1.2"; "none":
                           * cleartext; NULL: any */
};

/*
 * Whom the queries that follow are about. Returns false after an error.
 *
 * "chosen(peer)" is then a table for queries: ids of the peers that the filter lets through.
 * Without a filter it would be all, is not made, and ledger_read_chosen says so: a query that is
 * always restricted would cost a million look-ups for nothing.
 */
bool ledger_read_choose(struct ledger_read *read, const struct ledger_filter *filter);

/* Is there a table "chosen"? */
bool ledger_read_chosen(const struct ledger_read *read);

/* Prepare SQL. NULL after an error. The caller finalizes it (NULL is fine) before closing. */
sqlite3_stmt *ledger_read_prepare(struct ledger_read *read, const char *sql);

/* The next row of QUERY (NULL: there is none). False: no more, or an error. */
bool ledger_read_next(struct ledger_read *read, sqlite3_stmt *query);

/* A column as bytes: borrowed until the next row. Never NULL; length 0: empty or NULL. */
struct observation_text ledger_read_text(sqlite3_stmt *query, int column);

#define LEDGER_PEER_TEXT_MAX PREFIX_TEXT_SIZE

/* The two columns from COLUMN on, peer.address and peer.prefix, as "192.0.2.1" or "192.0.2.0/24"
 * into OUT (LEDGER_PEER_TEXT_MAX bytes). "?" if they are neither. Returns OUT. */
const char *ledger_read_peer_text(sqlite3_stmt *query, int column, char *out);

/* The same as numbers: false if they are not an address and a length. */
bool ledger_read_peer_prefix(sqlite3_stmt *query, int column, struct prefix *prefix);

#endif
