/*
 * ledger_fixture.h: a ledger's database in a directory of its own, and sessions to put into it.
 */
#ifndef GATEPOST_TESTS_UNIT_LEDGER_FIXTURE_H
#define GATEPOST_TESTS_UNIT_LEDGER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/ledger_store.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)

/* A store in a directory of its own. */
struct fixture {
    char directory[64];
    char path[96];
    struct ledger_bounds bounds;
    struct ledger_store *store;
    struct ledger_batch *batch;
};

static inline int set_up(void **state)
{
    const struct siphash_key key = {1, 2};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    snprintf(fixture->directory, sizeof(fixture->directory), "%s", "/tmp/ledger_store_test.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof(fixture->path), "%s/ledger.db", fixture->directory);
    fixture->bounds = (struct ledger_bounds){.max_peers = 1000000,
                                             .max_age = 400 * DAY,
                                             .max_hellos = LEDGER_HELLOS_MAX,
                                             .max_hello_bytes = LEDGER_HELLO_BYTES_MAX};
    fixture->batch = ledger_batch_new(&key);
    assert_non_null(fixture->batch);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    static const char *const names[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm",
                                        "ledger.db.corrupt", "ledger.db.corrupt-wal"};
    struct fixture *fixture = *state;
    char path[128];
    ledger_store_free(fixture->store);
    ledger_batch_free(fixture->batch);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", fixture->directory, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture);
    return 0;
}

/* Open it with the fixture's bounds. */
static inline enum ledger_opened open_store(struct fixture *fixture, char *why)
{
    ledger_store_free(fixture->store);
    fixture->store = ledger_store_new(fixture->path, &fixture->bounds);
    assert_non_null(fixture->store);
    return ledger_store_open(fixture->store, why);
}

static inline void must_open(struct fixture *fixture)
{
    char why[LEDGER_WHY_MAX] = "";
    if (open_store(fixture, why) != LEDGER_OPENED)
        fail_msg("%s", why);
}

static inline void write_out(struct fixture *fixture)
{
    char why[LEDGER_WHY_MAX] = "";
    if (ledger_store_write(fixture->store, fixture->batch, why) != LEDGER_OPENED)
        fail_msg("%s", why);
    assert_int_equal(fixture->batch->observations, 0);
}

static inline void add(struct fixture *fixture, const struct observation *observation)
{
    if (!ledger_batch_has_room(fixture->batch))
        write_out(fixture);
    ledger_batch_add(fixture->batch, observation, NOW);
}

/* One number that SQL asks for, over a connection of its own; -1: no row. */
static inline int64_t ask(const struct fixture *fixture, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    int64_t number = -1;
    assert_int_equal(sqlite3_open_v2(fixture->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

/* Run SQL on the file. */
static inline void tamper(const struct fixture *fixture, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* A session with TLS from 192.0.2.LAST. */
static inline struct observation tls_session(uint8_t last)
{
    struct observation session = {.kind = OBSERVATION_SESSION,
                                  .time_start = (uint64_t)NOW,
                                  .family = 4,
                                  .address = {192, 0, 2, last},
                                  .tls = OBSERVATION_TLS_ESTABLISHED,
                                  .messages = 2,
                                  .bytes = 1000,
                                  .helo = observation_text("mx.example"),
                                  .protocol = observation_text("TLSv1.3"),
                                  .cipher = observation_text("TLS_AES_256_GCM_SHA384"),
                                  .group = observation_text("x25519"),
                                  .signature = observation_text("ECDSA (prime256v1)"),
                                  .policy_where = observation_text("main configuration"),
                                  .policy_file = observation_text("main configuration"),
                                  .policy_level = observation_text("may"),
                                  .digest = {7}};
    return session;
}

/* One that failed. */
static inline struct observation failed_session(uint8_t last, const char *kind, const char *text)
{
    struct observation session = {.kind = OBSERVATION_SESSION,
                                  .time_start = (uint64_t)NOW,
                                  .family = 4,
                                  .address = {192, 0, 2, last},
                                  .tls = OBSERVATION_TLS_FAILED,
                                  .policy_where = observation_text("tls_policy, line 3"),
                                  .policy_file = observation_text("tls_policy"),
                                  .policy_line = observation_text("192.0.2.0/24 encrypt"),
                                  .policy_level = observation_text("encrypt"),
                                  .failure_kind = observation_text(kind),
                                  .failure_text = observation_text(text)};
    return session;
}

/* A scanner's: address NUMBER, nothing else. */
static inline struct observation scan(uint32_t number, int64_t when)
{
    struct observation session = {.kind = OBSERVATION_SESSION,
                                  .time_start = (uint64_t)when,
                                  .family = 4,
                                  .address = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                              (uint8_t)(number >> 8), (uint8_t)number},
                                  .policy_where = observation_text("main configuration"),
                                  .policy_file = observation_text("main configuration"),
                                  .policy_level = observation_text("may")};
    return session;
}

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
