/*
 * ledger_schema.h: the tables of the ledger's database, their version, and how an older one is
 * brought up to it. Times are unix seconds.
 *
 * The file is ledger.db in a directory of its own below gatepost_state_directory, which belongs to
 * gatepost_user: what that user writes is material to judge for others that read it. Readers open
 * it with ledger_schema_open_readonly and escape what they show.
 */
#ifndef GATEPOST_PROXY_LEDGER_SCHEMA_H
#define GATEPOST_PROXY_LEDGER_SCHEMA_H

#include <stddef.h>

#include <sqlite3.h>

#include "policy/config.h"

#define LEDGER_VERSION 2
#define LEDGER_DIRECTORY "ledger" /* below gatepost_state_directory */
#define LEDGER_FILE "ledger.db"
#define LEDGER_PATH_MAX 4096

enum ledger_opened {
    LEDGER_OPENED,
    LEDGER_NEWER,   /* made by a later gatepost; left as it is */
    LEDGER_CORRUPT, /* not a database, not a ledger, or damaged */
    LEDGER_MISSING, /* read-only: there is none (yet) */
    LEDGER_OLDER,   /* read-only: a running gatepost brings it up to this version */
    LEDGER_FAILED   /* anything else: no room, no permission, locked; may be better later */
};

#define LEDGER_WHY_MAX 512

/* OUT (LEDGER_PATH_MAX bytes): the database's path under CONFIG. Returns OUT. */
const char *ledger_path(const struct config *config, char *out);

/* Open or make the database PATH for writing (WAL), and bring it up to LEDGER_VERSION. *DB is set
 * for LEDGER_OPENED only; otherwise WHY (LEDGER_WHY_MAX bytes) says what is wrong. */
enum ledger_opened ledger_schema_open(const char *path, sqlite3 **db, char *why);

/* Open the database PATH for reading only, at exactly LEDGER_VERSION. Waits up to two seconds for
 * a writer. */
enum ledger_opened ledger_schema_open_readonly(const char *path, sqlite3 **db, char *why);

/* Bring DB from the version that it has up to COUNT: step I makes version I + 1 out of I. All or
 * nothing. LEDGER_NEWER: it has a higher one. */
enum ledger_opened ledger_schema_migrate(sqlite3 *db, const char *const *steps, int count,
                                         char *why);

#endif
