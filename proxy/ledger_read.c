#include "proxy/ledger_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#include "proxy/ledger_schema.h"

struct ledger_read {
    sqlite3 *db;
    struct diag *diag; /* borrowed */
    bool chosen;
    bool failed;
};

/* WHAT was being done, and SQLite complains: once is enough. */
static void complain(struct ledger_read *read, const char *what)
{
    if (!read->failed)
        diag_error(read->diag, "the ledger: %s: %s", what, sqlite3_errmsg(read->db));
    read->failed = true;
}

static bool run(struct ledger_read *read, const char *sql, const char *what)
{
    if (read->failed)
        return false;
    if (sqlite3_exec(read->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        complain(read, what);
    return !read->failed;
}

struct ledger_read *ledger_read_open(const struct config *config, struct diag *diag)
{
    char path[LEDGER_PATH_MAX];
    char why[LEDGER_WHY_MAX];
    struct ledger_read *read = text_alloc(1, sizeof(*read));

    read->diag = diag;
    ledger_path(config, path);
    enum ledger_opened opened = ledger_schema_open_readonly(path, &read->db, why);
    if (opened != LEDGER_OPENED) {
        diag_error(diag, "the ledger %s: %s%s", path, why,
                   opened == LEDGER_MISSING && !config_bool(config, PARAM_gatepost_ledger)
                       ? " (gatepost_ledger is no)"
                       : "");
        free(read);
        return NULL;
    }
    if (run(read, "PRAGMA temp_store = MEMORY; BEGIN", "cannot begin to read it"))
        return read;
    ledger_read_close(read);
    return NULL;
}

void ledger_read_close(struct ledger_read *read)
{
    if (read == NULL)
        return;
    sqlite3_close(read->db);
    free(read);
}

bool ledger_read_failed(const struct ledger_read *read)
{
    return read->failed;
}

bool ledger_read_chosen(const struct ledger_read *read)
{
    return read->chosen;
}

sqlite3_stmt *ledger_read_prepare(struct ledger_read *read, const char *sql)
{
    sqlite3_stmt *query = NULL;

    if (!read->failed && sqlite3_prepare_v2(read->db, sql, -1, &query, NULL) != SQLITE_OK)
        complain(read, "cannot ask it");
    return query;
}

bool ledger_read_next(struct ledger_read *read, sqlite3_stmt *query)
{
    if (read->failed || query == NULL)
        return false;
    int result = sqlite3_step(query);
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        complain(read, "cannot read it");
    return result == SQLITE_ROW;
}

/* The first and the last address of NETWORK, as the database has addresses. Returns the length. */
static int network_range(const struct prefix *network, uint8_t *first, uint8_t *last)
{
    int length = network->ipv6 ? 16 : 4;

    for (int i = 0; i < length; i++) {
        uint64_t half = i < 8 ? network->address.high : network->address.low;
        int kept = network->length - 8 * i; /* bits of this byte that are the network's */
        first[i] = (uint8_t)(half >> (56 - 8 * (i % 8)));
        unsigned rest = kept >= 8 ? 0 : kept <= 0 ? 0xff : 0xffU >> kept;
        last[i] = (uint8_t)(first[i] | rest);
    }
    return length;
}

/* "?1 since, ?2 and ?3 the range, ?4 bits of the network, ?5 whether failing, ?6 the protocol" */
static const char choose_sql[] =
    "INSERT INTO chosen SELECT id FROM peer p WHERE last >= ?1"
    " AND (?2 IS NULL OR (address BETWEEN ?2 AND ?3 AND length(address) = length(?2)"
    " AND prefix >= ?4))"
    " AND (NOT ?5 OR (failed > 0 AND"
    " EXISTS (SELECT 1 FROM failure WHERE peer = p.id AND last >= ?1)))"
    " AND (?6 IS NULL OR (?6 = 'none' AND cleartext_sessions > 0)"
    " OR EXISTS (SELECT 1 FROM tls WHERE peer = p.id AND last >= ?1"
    " AND protocol = (SELECT id FROM name WHERE text = ?6)))";

bool ledger_read_choose(struct ledger_read *read, const struct ledger_filter *filter)
{
    uint8_t range[2][16];

    if (read->chosen && !run(read, "DROP TABLE temp.chosen", "cannot choose peers"))
        return false;
    read->chosen = filter->has_network || filter->failing || filter->protocol != NULL;
    if (!read->chosen)
        return !read->failed;
    if (!run(read, "CREATE TEMP TABLE chosen(peer INTEGER PRIMARY KEY)", "cannot choose peers"))
        return false;
    sqlite3_stmt *query = ledger_read_prepare(read, choose_sql);
    if (query == NULL)
        return false;
    sqlite3_bind_int64(query, 1, filter->since);
    if (filter->has_network) {
        int length = network_range(&filter->network, range[0], range[1]);
        sqlite3_bind_blob(query, 2, range[0], length, SQLITE_STATIC);
        sqlite3_bind_blob(query, 3, range[1], length, SQLITE_STATIC);
        sqlite3_bind_int(query, 4, filter->network.length);
    }
    sqlite3_bind_int(query, 5, filter->failing);
    if (filter->protocol != NULL)
        sqlite3_bind_text(query, 6, filter->protocol, -1, SQLITE_STATIC);
    (void)ledger_read_next(read, query);
    sqlite3_finalize(query);
    return !read->failed;
}

struct observation_text ledger_read_text(sqlite3_stmt *query, int column)
{
    const char *bytes = sqlite3_column_blob(query, column);
    int length = sqlite3_column_bytes(query, column);

    if (bytes == NULL || length <= 0)
        return (struct observation_text){.bytes = "", .length = 0};
    return (struct observation_text){.bytes = bytes, .length = (size_t)length};
}

bool ledger_read_peer_prefix(sqlite3_stmt *query, int column, struct prefix *prefix)
{
    struct observation_text address = ledger_read_text(query, column);
    int64_t length = sqlite3_column_int64(query, column + 1);

    if ((address.length != 4 && address.length != 16) || length < 0 ||
        length > (int64_t)address.length * 8)
        return false;
    *prefix = (struct prefix){.ipv6 = address.length == 16, .length = (uint8_t)length};
    struct prefix_address whole = prefix_address_read((const uint8_t *)address.bytes, prefix->ipv6);
    prefix->address = prefix_address_cut(whole, prefix->length);
    return true;
}

const char *ledger_read_peer_text(sqlite3_stmt *query, int column, char *out)
{
    struct prefix prefix;

    if (!ledger_read_peer_prefix(query, column, &prefix)) {
        snprintf(out, LEDGER_PEER_TEXT_MAX, "?");
        return out;
    }
    prefix_format(&prefix, out);
    if (prefix.length == (prefix.ipv6 ? 128 : 32))
        *strchr(out, '/') = '\0';
    return out;
}
