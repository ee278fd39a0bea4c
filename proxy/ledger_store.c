#include "proxy/ledger_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number
#define CHILDREN_MAX TEXT_OF(LEDGER_CHILDREN_MAX)

/*
 * Each row is an update, and if there was nothing to update an insertion with the same parameters.
 * X(KIND, update, insertion)
 *
 * ?1 the peer's id; parts from ?2; then first, last, counts. A PEER: ?1 address, ?2 its bits, ?3
 * first, ?4 last, counts from ?5, details from ?13. A HELLO: ?1 digest, ?2 first, ?3 last, ?4
 * count, ?5 bytes. A DAY has no peer.
 */
#define STATEMENTS(X)                                                                              \
    X(PEER,                                                                                        \
      "UPDATE peer SET first = min(first, ?3), last = max(last, ?4), sessions = sessions + ?5,"    \
      " messages = messages + ?6, bytes = bytes + ?7,"                                             \
      " cleartext_sessions = cleartext_sessions + ?8,"                                             \
      " cleartext_messages = cleartext_messages + ?9, established = established + ?10,"            \
      " failed = failed + ?11, resumed = resumed + ?12, helo = ifnull(?13, helo),"                 \
      " ccert_subject = ifnull(?14, ccert_subject),"                                               \
      " ccert_fingerprint = ifnull(?15, ccert_fingerprint),"                                       \
      " ccert_status = ifnull(?16, ccert_status) WHERE address = ?1 AND prefix = ?2"               \
      " RETURNING id",                                                                             \
      "INSERT INTO peer(address, prefix, first, last, sessions, messages, bytes,"                  \
      " cleartext_sessions, cleartext_messages, established, failed, resumed, helo,"               \
      " ccert_subject, ccert_fingerprint, ccert_status)"                                           \
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"             \
      " RETURNING id")                                                                             \
    X(HELLO,                                                                                       \
      "UPDATE hello SET first = min(first, ?2), last = max(last, ?3), count = count + ?4,"         \
      " bytes = ifnull(bytes, ?5) WHERE digest = ?1 RETURNING id",                                 \
      "INSERT INTO hello(digest, first, last, count, bytes) VALUES(?1, ?2, ?3, ?4, ?5)"            \
      " RETURNING id")                                                                             \
    X(TLS,                                                                                         \
      "UPDATE tls SET first = min(first, ?6), last = max(last, ?7), sessions = sessions + ?8,"     \
      " resumed = resumed + ?9, messages = messages + ?10"                                         \
      " WHERE peer = ?1 AND protocol = ?2 AND cipher = ?3 AND grp = ?4 AND signature = ?5"         \
      " RETURNING 0",                                                                              \
      "INSERT INTO tls(peer, protocol, cipher, grp, signature, first, last, sessions, resumed,"    \
      " messages) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10"                                  \
      " WHERE (SELECT count(*) FROM tls WHERE peer = ?1) < " CHILDREN_MAX)                         \
    X(FAILURE,                                                                                     \
      "UPDATE failure SET first = min(first, ?5), last = max(last, ?6), count = count + ?7"        \
      " WHERE peer = ?1 AND kind = ?2 AND text = ?3 AND policy = ?4 RETURNING 0",                  \
      "INSERT INTO failure(peer, kind, text, policy, first, last, count)"                          \
      " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7"                                                         \
      " WHERE (SELECT count(*) FROM failure WHERE peer = ?1) < " CHILDREN_MAX)                     \
    X(POLICY_USE,                                                                                  \
      "UPDATE policy_use SET first = min(first, ?6), last = max(last, ?7),"                        \
      " sessions = sessions + ?8, established = established + ?9, failed = failed + ?10,"          \
      " cleartext = cleartext + ?11, messages = messages + ?12,"                                   \
      " cleartext_messages = cleartext_messages + ?13"                                             \
      " WHERE peer = ?1 AND listener = ?2 AND policy = ?3 AND line = ?4 AND level = ?5"            \
      " RETURNING 0",                                                                              \
      "INSERT INTO policy_use(peer, listener, policy, line, level, first, last, sessions,"         \
      " established, failed, cleartext, messages, cleartext_messages)"                             \
      " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13"                             \
      " WHERE (SELECT count(*) FROM policy_use WHERE peer = ?1) < " CHILDREN_MAX)                  \
    X(PEER_HELLO,                                                                                  \
      "UPDATE peer_hello SET first = min(first, ?4), last = max(last, ?5),"                        \
      " established = established + ?6, failed = failed + ?7, messages = messages + ?8"            \
      " WHERE peer = ?1 AND hello = ?2 AND listener = ?3 RETURNING 0",                             \
      "INSERT INTO peer_hello(peer, hello, listener, first, last, established, failed, messages)"  \
      " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8"                                                     \
      " WHERE (SELECT count(*) FROM peer_hello WHERE peer = ?1) < " CHILDREN_MAX)                  \
    X(CHANCE,                                                                                      \
      "UPDATE chance SET first = min(first, ?3), last = max(last, ?4), begun = begun + ?5,"        \
      " sessions = sessions + ?6, established = established + ?7, failed = failed + ?8,"           \
      " messages = messages + ?9 WHERE peer = ?1 AND listener = ?2 RETURNING 0",                   \
      "INSERT INTO chance(peer, listener, first, last, begun, sessions, established, failed,"      \
      " messages) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9"                                       \
      " WHERE (SELECT count(*) FROM chance WHERE peer = ?1) < " CHILDREN_MAX)                      \
    X(DAY,                                                                                         \
      "UPDATE day SET sessions = sessions + ?7, messages = messages + ?8"                          \
      " WHERE day = ?2 AND kind = ?3 AND value = ?4 RETURNING 0",                                  \
      "INSERT INTO day(day, kind, value, sessions, messages)"                                      \
      " VALUES(?2, ?3, ?4, ?7, ?8)")

struct statement_texts {
    const char *update;
    const char *insert;
    unsigned parts;
    unsigned counts;
};

static const struct statement_texts texts[LEDGER_ROW_KINDS] = {
#define ROW_SHAPE(kind, part_count, count_count)                                                   \
    [LEDGER_ROW_##kind].parts = (part_count), [LEDGER_ROW_##kind].counts = (count_count),
    LEDGER_ROWS(ROW_SHAPE)
#undef ROW_SHAPE
#define ROW_TEXT(kind, update_text, insert_text)                                                   \
    [LEDGER_ROW_##kind].update = (update_text), [LEDGER_ROW_##kind].insert = (insert_text),
        STATEMENTS(ROW_TEXT)
#undef ROW_TEXT
};

struct ledger_store {
    char *path;
    struct ledger_bounds bounds;
    struct ledger_extent extent;
    sqlite3 *db; /* NULL: closed */
    sqlite3_stmt *updates[LEDGER_ROW_KINDS];
    sqlite3_stmt *inserts[LEDGER_ROW_KINDS];
    sqlite3_stmt *name_select;
    sqlite3_stmt *name_insert;
    bool fresh_ids; /* the names' ids are of another database, or of none */
};

struct ledger_store *ledger_store_new(const char *path, const struct ledger_bounds *bounds)
{
    struct ledger_store *store = calloc(1, sizeof(*store));

    if (store == NULL)
        return NULL;
    store->bounds = *bounds;
    store->path = strdup(path);
    if (store->path != NULL)
        return store;
    free(store);
    return NULL;
}

void ledger_store_close(struct ledger_store *store)
{
    for (int kind = 0; kind < LEDGER_ROW_KINDS; kind++) {
        sqlite3_finalize(store->updates[kind]);
        sqlite3_finalize(store->inserts[kind]);
        store->updates[kind] = store->inserts[kind] = NULL;
    }
    sqlite3_finalize(store->name_select);
    sqlite3_finalize(store->name_insert);
    store->name_select = store->name_insert = NULL;
    sqlite3_close(store->db);
    store->db = NULL;
}

void ledger_store_free(struct ledger_store *store)
{
    if (store == NULL)
        return;
    ledger_store_close(store);
    free(store->path);
    free(store);
}

bool ledger_store_is_open(const struct ledger_store *store)
{
    return store->db != NULL;
}

const struct ledger_extent *ledger_store_extent(const struct ledger_store *store)
{
    return &store->extent;
}

/* Something failed while WHAT was done: say so, and close. */
static enum ledger_opened broken(struct ledger_store *store, const char *what, char *why)
{
    int code = sqlite3_errcode(store->db) & 0xff;

    snprintf(why, LEDGER_WHY_MAX, "%s: %s", what, sqlite3_errmsg(store->db));
    ledger_store_close(store);
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? LEDGER_CORRUPT : LEDGER_FAILED;
}

static bool run(const struct ledger_store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool prepare(const struct ledger_store *store, const char *sql, sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) ==
           SQLITE_OK;
}

/* All statements. */
static bool prepare_all(struct ledger_store *store)
{
    bool good = prepare(store, "SELECT id FROM name WHERE text = ?1", &store->name_select) &&
                prepare(store, "INSERT INTO name(text) VALUES(?1)", &store->name_insert);

    for (int kind = 0; kind < LEDGER_ROW_KINDS && good; kind++)
        good = prepare(store, texts[kind].update, &store->updates[kind]) &&
               prepare(store, texts[kind].insert, &store->inserts[kind]);
    return good;
}

enum ledger_opened ledger_store_open(struct ledger_store *store, char *why)
{
    enum ledger_opened opened = ledger_schema_open(store->path, &store->db, why);

    if (opened != LEDGER_OPENED)
        return opened;
    store->fresh_ids = true;
    if (ledger_prune_prepare(store->db) && ledger_extent_find(store->db, &store->extent) &&
        prepare_all(store))
        return LEDGER_OPENED;
    return broken(store, "cannot read it", why);
}

/* Run STATEMENT, whose parameters are bound; *ID is what it returns. 1; 0: no row came of it; -1.
 */
static int step(sqlite3_stmt *statement, int64_t *id)
{
    int result = sqlite3_step(statement);
    int got = result == SQLITE_ROW ? 1 : result == SQLITE_DONE ? 0 : -1;

    if (got == 1) {
        *id = sqlite3_column_int64(statement, 0);
        (void)sqlite3_step(statement); /* to the end: reset tells how that went */
    }
    return sqlite3_reset(statement) == SQLITE_OK && got >= 0 ? got : -1;
}

/* The id of the name NUMBER; it gets one if it has none. */
static bool name_id(struct ledger_store *store, struct ledger_names *names, uint32_t number,
                    int64_t *id)
{
    int64_t *known = ledger_names_id(names, number);
    const char *text = ledger_names_text(names, number);

    if (*known == 0) {
        sqlite3_bind_text(store->name_select, 1, text, -1, SQLITE_STATIC);
        int got = step(store->name_select, known);
        if (got < 0)
            return false;
        if (got == 0 && store->extent.names >= LEDGER_NAMES_MAX && number != LEDGER_NAME_OTHER)
            return name_id(store, names, LEDGER_NAME_OTHER, id);
        if (got == 0) {
            sqlite3_bind_text(store->name_insert, 1, text, -1, SQLITE_STATIC);
            if (step(store->name_insert, known) < 0)
                return false;
            *known = sqlite3_last_insert_rowid(store->db);
            store->extent.names++;
        }
    }
    *id = *known;
    return true;
}

/* Which part of which kind is not a name. */
static bool part_value(struct ledger_store *store, const struct ledger_batch *batch,
                       const struct ledger_row *row, unsigned part, int64_t *value)
{
    uint32_t raw = row->key.parts[part];

    if (row->key.kind == LEDGER_ROW_PEER_HELLO && part == 0)
        *value = batch->rows[raw].id;
    else if (row->key.kind == LEDGER_ROW_DAY && part == 0)
        *value = raw;
    else
        return name_id(store, batch->names, raw, value);
    return true;
}

/* TEXT, or NULL if it is empty. */
static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    if (text[0] != '\0')
        sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, at);
}

static void bind_bytes(sqlite3_stmt *statement, int at, const void *bytes, size_t length)
{
    if (length > 0)
        sqlite3_bind_blob64(statement, at, bytes, length, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, at);
}

/* First, last and the counts of ROW, from parameter AT on. Returns the next. */
static int bind_counts(sqlite3_stmt *statement, int at, const struct ledger_row *row)
{
    sqlite3_bind_int64(statement, at++, row->first);
    sqlite3_bind_int64(statement, at++, row->last);
    for (unsigned i = 0; i < texts[row->key.kind].counts; i++)
        sqlite3_bind_int64(statement, at++, row->counts[i]);
    return at;
}

static void bind_peer(sqlite3_stmt *statement, const struct ledger_batch *batch,
                      const struct ledger_row *row)
{
    const struct ledger_detail *detail = &batch->details[row->detail];

    bind_bytes(statement, 1, row->key.parts, row->key.of);
    sqlite3_bind_int64(statement, 2, (int64_t)row->key.of * 8);
    int at = bind_counts(statement, 3, row);
    bind_bytes(statement, at++, detail->helo, detail->helo_length);
    bind_bytes(statement, at++, detail->subject, detail->subject_length);
    bind_text(statement, at++, detail->fingerprint);
    bind_text(statement, at, detail->status);
}

static void bind_hello(sqlite3_stmt *statement, const struct ledger_batch *batch,
                       const struct ledger_row *row)
{
    const struct ledger_hello none = {0};
    const struct ledger_hello *hello = row->detail > 0 ? &batch->hellos[row->detail - 1] : &none;

    bind_bytes(statement, 1, row->key.parts, sizeof(row->key.parts));
    int at = bind_counts(statement, 2, row);
    bind_bytes(statement, at, hello->bytes, hello->length);
}

/* The parameters of ROW. */
static bool bind_row(struct ledger_store *store, sqlite3_stmt *statement,
                     const struct ledger_batch *batch, const struct ledger_row *row)
{
    int64_t value;

    if (row->key.kind == LEDGER_ROW_PEER) {
        bind_peer(statement, batch, row);
        return true;
    }
    if (row->key.kind == LEDGER_ROW_HELLO) {
        bind_hello(statement, batch, row);
        return true;
    }
    sqlite3_bind_int64(statement, 1,
                       row->key.of == LEDGER_NO_PEER ? 0 : batch->rows[row->key.of].id);
    int at = 2;
    for (unsigned i = 0; i < texts[row->key.kind].parts; i++) {
        if (!part_value(store, batch, row, i, &value))
            return false;
        sqlite3_bind_int64(statement, at++, value);
    }
    bind_counts(statement, at, row);
    return true;
}

/* ROW has been written; ADDED: it was not there before. Bytes of a hello may be counted that were
 * there: before anything is deleted because of that, they are counted anew. */
static void extend(struct ledger_store *store, const struct ledger_batch *batch,
                   const struct ledger_row *row, bool added)
{
    if (row->key.kind == LEDGER_ROW_PEER)
        store->extent.peers += added;
    if (row->key.kind == LEDGER_ROW_HELLO)
        store->extent.hellos += added;
    if (row->key.kind == LEDGER_ROW_HELLO && row->detail > 0)
        store->extent.hello_bytes += (int64_t)batch->hellos[row->detail - 1].length;
}

/* One row. */
static bool write_row(struct ledger_store *store, const struct ledger_batch *batch,
                      struct ledger_row *row)
{
    sqlite3_stmt *update = store->updates[row->key.kind];
    sqlite3_stmt *insert = store->inserts[row->key.kind];

    if (!bind_row(store, update, batch, row))
        return false;
    int got = step(update, &row->id);
    if (got == 0 && (!bind_row(store, insert, batch, row) || step(insert, &row->id) < 0))
        return false;
    if (got >= 0)
        extend(store, batch, row, got == 0);
    return got >= 0;
}

enum ledger_opened ledger_store_write(struct ledger_store *store, struct ledger_batch *batch,
                                      char *why)
{
    if (store->fresh_ids)
        ledger_names_forget_ids(batch->names);
    store->fresh_ids = false;
    bool good = run(store, "BEGIN IMMEDIATE");
    for (uint32_t i = 0; i < batch->row_count && good; i++)
        good = write_row(store, batch, &batch->rows[i]);
    good = good && ledger_prune(store->db, &store->bounds, &store->extent) && run(store, "COMMIT");
    ledger_batch_clear(batch);
    return good ? LEDGER_OPENED : broken(store, "cannot write to it", why);
}

enum ledger_opened ledger_store_age(struct ledger_store *store, int64_t now, bool *more, char *why)
{
    bool good = run(store, "BEGIN IMMEDIATE") &&
                ledger_prune_age(store->db, now - store->bounds.max_age, more) &&
                run(store, "COMMIT") && ledger_extent_find(store->db, &store->extent);

    return good ? LEDGER_OPENED : broken(store, "cannot delete what is old", why);
}

/* Rename what has ENDING behind its name. False with errno: it cannot be done. */
static bool rename_part(const struct ledger_store *store, const char *ending)
{
    char from[LEDGER_PATH_MAX + 16];
    char to[LEDGER_PATH_MAX + 16];

    snprintf(from, sizeof(from), "%s%s", store->path, ending);
    snprintf(to, sizeof(to), "%s.corrupt%s", store->path, ending);
    (void)unlink(to); /* of an earlier one */
    return rename(from, to) == 0 || errno == ENOENT;
}

bool ledger_store_set_aside(const struct ledger_store *store)
{
    char shared[LEDGER_PATH_MAX + 16];

    snprintf(shared, sizeof(shared), "%s-shm", store->path);
    (void)unlink(shared);
    return rename_part(store, "-wal") && rename_part(store, "");
}
