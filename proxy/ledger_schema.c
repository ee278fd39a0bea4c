#include "proxy/ledger_schema.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define APPLICATION_ID 0x67617465 /* "gate" */
#define BUSY_MS 2000              /* how long to wait for a reader or writer */
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* Step I makes version I + 1. A step that has been released is never changed. */
static const char *const schema_steps[LEDGER_VERSION] = {
    /* address: 4 or 16 bytes; prefix: 32 or 128 is one peer, less is what fell out of bounds */
    "CREATE TABLE peer(id INTEGER PRIMARY KEY, address BLOB NOT NULL, prefix INTEGER NOT NULL,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL, sessions INTEGER NOT NULL DEFAULT 0,"
    " messages INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
    " cleartext_sessions INTEGER NOT NULL DEFAULT 0,"
    " cleartext_messages INTEGER NOT NULL DEFAULT 0,"
    " established INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,"
    " resumed INTEGER NOT NULL DEFAULT 0, helo BLOB, ccert_subject BLOB, ccert_fingerprint TEXT,"
    " ccert_status TEXT, UNIQUE(address, prefix));"
    /* who is to go first when there are too many: single addresses that never delivered anything,
     * and those that have not come for the longest time */
    "CREATE INDEX peer_idle ON peer(messages > 0, last) WHERE prefix = length(address) * 8;"
    "CREATE INDEX peer_net ON peer(prefix, last) WHERE prefix < length(address) * 8;"
    /* words that many rows share */
    "CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
    "CREATE TABLE tls(peer INTEGER NOT NULL, protocol INTEGER NOT NULL, cipher INTEGER NOT NULL,"
    " grp INTEGER NOT NULL, signature INTEGER NOT NULL, sessions INTEGER NOT NULL,"
    " resumed INTEGER NOT NULL, messages INTEGER NOT NULL, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, PRIMARY KEY(peer, protocol, cipher, grp, signature)) WITHOUT ROWID;"
    "CREATE TABLE failure(peer INTEGER NOT NULL, kind INTEGER NOT NULL, text INTEGER NOT NULL,"
    " policy INTEGER NOT NULL, count INTEGER NOT NULL, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, PRIMARY KEY(peer, kind, text, policy)) WITHOUT ROWID;"
    "CREATE TABLE policy_use(peer INTEGER NOT NULL, policy INTEGER NOT NULL,"
    " level INTEGER NOT NULL, sessions INTEGER NOT NULL, last INTEGER NOT NULL,"
    " PRIMARY KEY(peer, policy, level)) WITHOUT ROWID;"
    /* bytes NULL: not known (yet), or too long */
    "CREATE TABLE hello(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, bytes BLOB,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL);"
    "CREATE INDEX hello_last ON hello(last);"
    "CREATE TABLE peer_hello(peer INTEGER NOT NULL, hello INTEGER NOT NULL,"
    " established INTEGER NOT NULL, failed INTEGER NOT NULL, messages INTEGER NOT NULL,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY(peer, hello)) WITHOUT ROWID;"
    "CREATE INDEX peer_hello_hello ON peer_hello(hello);"
    /* day: unix time / 86400; kind: 'protocol' ('none': no TLS), 'cipher', 'group', 'failure' */
    "CREATE TABLE day(day INTEGER NOT NULL, kind INTEGER NOT NULL, value INTEGER NOT NULL,"
    " sessions INTEGER NOT NULL, messages INTEGER NOT NULL,"
    " PRIMARY KEY(day, kind, value)) WITHOUT ROWID;",
    /* listener: gatepost_listen's element. policy: the file of the table alone, and what its line
     * says, since the numbers of lines change. '': not recorded by version 1. */
    "INSERT OR IGNORE INTO name(text) VALUES('');"
    "ALTER TABLE policy_use RENAME TO old_policy_use;"
    "CREATE TABLE policy_use(peer INTEGER NOT NULL, listener INTEGER NOT NULL,"
    " policy INTEGER NOT NULL, line INTEGER NOT NULL, level INTEGER NOT NULL,"
    " sessions INTEGER NOT NULL, established INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " cleartext INTEGER NOT NULL, messages INTEGER NOT NULL, cleartext_messages INTEGER NOT NULL,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " PRIMARY KEY(peer, listener, policy, line, level)) WITHOUT ROWID;"
    "INSERT INTO policy_use SELECT peer, n.id, policy, n.id, level, sessions, 0, 0, 0, 0, 0, last,"
    " last FROM old_policy_use, name n WHERE n.text = '';"
    "DROP TABLE old_policy_use;"
    "ALTER TABLE peer_hello RENAME TO old_peer_hello;"
    "DROP INDEX peer_hello_hello;"
    "CREATE TABLE peer_hello(peer INTEGER NOT NULL, hello INTEGER NOT NULL,"
    " listener INTEGER NOT NULL, established INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " PRIMARY KEY(peer, hello, listener)) WITHOUT ROWID;"
    "INSERT INTO peer_hello SELECT peer, hello, n.id, established, failed, messages, first, last"
    " FROM old_peer_hello, name n WHERE n.text = '';"
    "DROP TABLE old_peer_hello;"
    "CREATE INDEX peer_hello_hello ON peer_hello(hello);"
    /* gatepost_second_chance: who got it how often, and what came of the sessions under it */
    "CREATE TABLE chance(peer INTEGER NOT NULL, listener INTEGER NOT NULL, begun INTEGER NOT NULL,"
    " sessions INTEGER NOT NULL, established INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " PRIMARY KEY(peer, listener)) WITHOUT ROWID;"};

/* Say WHY, and return OPENED. */
static __attribute__((format(printf, 3, 4))) enum ledger_opened
because(enum ledger_opened opened, char *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, LEDGER_WHY_MAX, format, args);
    va_end(args);
    return opened;
}

/* What SQLite's complaint about DB comes to, while WHAT was done. */
static enum ledger_opened complaint(sqlite3 *db, const char *what, char *why)
{
    int code = sqlite3_errcode(db) & 0xff;
    bool corrupt = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;

    return because(corrupt ? LEDGER_CORRUPT : LEDGER_FAILED, why, "%s: %s", what,
                   sqlite3_errmsg(db));
}

const char *ledger_path(const struct config *config, char *out)
{
    snprintf(out, LEDGER_PATH_MAX, "%s/" LEDGER_DIRECTORY "/" LEDGER_FILE,
             config_str(config, PARAM_gatepost_state_directory));
    return out;
}

/* The number that SQL asks for; false: it cannot be answered. */
static bool ask_number(sqlite3 *db, const char *sql, int *number)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return false;
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    if (found)
        *number = sqlite3_column_int(statement, 0);
    return sqlite3_finalize(statement) == SQLITE_OK && found;
}

/* Which version DB has; 0: it is empty. */
static enum ledger_opened find_version(sqlite3 *db, int *version, char *why)
{
    int application;
    int tables;

    if (!ask_number(db, "PRAGMA application_id", &application) ||
        !ask_number(db, "SELECT count(*) FROM sqlite_schema", &tables))
        return complaint(db, "cannot read it", why);
    *version = 0;
    if (application == 0 && tables == 0)
        return LEDGER_OPENED;
    if (application != APPLICATION_ID)
        return because(LEDGER_CORRUPT, why, "it is a database, but not a ledger");
    if (!ask_number(db, "SELECT value FROM meta WHERE key = 'version'", version))
        return complaint(db, "cannot read its version", why);
    if (*version < 1)
        return because(LEDGER_CORRUPT, why, "its version is not a number");
    return LEDGER_OPENED;
}

/* Run SQL; false: it failed. */
static bool run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Within a transaction: all steps from VERSION on, and the new version. */
static bool run_steps(sqlite3 *db, const char *const *steps, int version, int count)
{
    char sql[256];
    bool good = true;

    if (version == 0) {
        snprintf(sql, sizeof(sql),
                 "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
                 "INSERT INTO meta VALUES('version', 0), ('created', %lld);",
                 (long long)time(NULL));
        good = run(db, "PRAGMA application_id = " TEXT_OF(APPLICATION_ID)) && run(db, sql);
    }
    for (int i = version; i < count && good; i++)
        good = run(db, steps[i]);
    snprintf(sql, sizeof(sql), "UPDATE meta SET value = %d WHERE key = 'version'", count);
    return good && run(db, sql);
}

enum ledger_opened ledger_schema_migrate(sqlite3 *db, const char *const *steps, int count,
                                         char *why)
{
    int version = 0;

    if (!run(db, "BEGIN IMMEDIATE"))
        return complaint(db, "cannot begin", why);
    enum ledger_opened opened = find_version(db, &version, why);
    if (opened == LEDGER_OPENED && version > count)
        opened = because(LEDGER_NEWER, why, "its version is %d, and this gatepost knows %d",
                         version, count);
    if (opened == LEDGER_OPENED && version < count && !run_steps(db, steps, version, count))
        opened = complaint(db, "cannot make its tables", why);
    if (opened == LEDGER_OPENED && !run(db, "COMMIT"))
        opened = complaint(db, "cannot make its tables", why);
    if (opened != LEDGER_OPENED)
        (void)run(db, "ROLLBACK");
    return opened;
}

/* Open the file. *DB is set whatever comes of it, and to be closed. */
static enum ledger_opened open_file(const char *path, int flags, sqlite3 **db, char *why)
{
    if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return complaint(*db, "cannot open it", why);
    sqlite3_busy_timeout(*db, BUSY_MS);
    /* The file may be anything: no function of its own choice, no text trusted to be well formed.
     */
    sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return LEDGER_OPENED;
}

/* Close *DB unless it is good. */
static enum ledger_opened finish(enum ledger_opened opened, sqlite3 **db)
{
    if (opened != LEDGER_OPENED) {
        sqlite3_close(*db);
        *db = NULL;
    }
    return opened;
}

enum ledger_opened ledger_schema_open(const char *path, sqlite3 **db, char *why)
{
    enum ledger_opened opened =
        open_file(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, db, why);

    /* Readers go on while it is written, and a crash of the machine costs the last moments only. */
    if (opened == LEDGER_OPENED &&
        !run(*db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                  "PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 8388608;"
                  "PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 2048"))
        opened = complaint(*db, "cannot read it", why);
    if (opened == LEDGER_OPENED)
        opened = ledger_schema_migrate(*db, schema_steps, LEDGER_VERSION, why);
    return finish(opened, db);
}

enum ledger_opened ledger_schema_open_readonly(const char *path, sqlite3 **db, char *why)
{
    struct stat status;
    int version = 0;

    *db = NULL;
    if (stat(path, &status) != 0)
        return because(LEDGER_MISSING, why, "%s", "there is none yet");
    enum ledger_opened opened = open_file(path, SQLITE_OPEN_READONLY, db, why);
    if (opened == LEDGER_OPENED)
        opened = find_version(*db, &version, why);
    if (opened == LEDGER_OPENED && version == 0)
        opened = because(LEDGER_MISSING, why, "%s", "it is empty");
    else if (opened == LEDGER_OPENED && version > LEDGER_VERSION)
        opened = because(LEDGER_NEWER, why, "its version is %d, and this gatepost knows %d",
                         version, LEDGER_VERSION);
    else if (opened == LEDGER_OPENED && version < LEDGER_VERSION)
        opened =
            because(LEDGER_OLDER, why, "its version is %d; a running gatepost brings it up to %d",
                    version, LEDGER_VERSION);
    return finish(opened, db);
}
