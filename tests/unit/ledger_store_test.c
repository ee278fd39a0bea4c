/* The ledger's database: counts, bounds, networks that take up what fell out, age, versions,
 * damage. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/ledger_fixture.h"

/* The same counts, whether they come in one batch or in many, and over a restart. */
static void counts(void **state)
{
    struct fixture *fixture = *state;
    struct observation session = tls_session(1);
    const struct observation failed = failed_session(1, "no_shared_cipher", "offers RC4 only");
    must_open(fixture);
    for (int i = 0; i < 6; i++) {
        session.resumed = i >= 4;
        session.time_start = (uint64_t)(NOW + i);
        add(fixture, &session);
        if (i % 2 == 1)
            write_out(fixture);
        if (i == 3)
            must_open(fixture);
    }
    add(fixture, &failed);
    add(fixture, &failed);
    struct observation plain = scan(0xc0000201, NOW - 5);
    plain.messages = plain.cleartext_messages = 3;
    plain.helo = (struct observation_text){"\xff\0<b>", 5};
    add(fixture, &plain);
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM peer"), 1);
    assert_int_equal(ask(fixture,
                         "SELECT count(*) FROM peer WHERE address = x'c0000201' AND prefix = 32"
                         " AND sessions = 9 AND established = 6 AND failed = 2 AND resumed = 2"
                         " AND messages = 15 AND bytes = 6000 AND cleartext_sessions = 1"
                         " AND cleartext_messages = 3 AND helo = x'ff003c623e'"
                         " AND first = 1799999995 AND last = 1800000005"),
                     1);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM tls JOIN name p ON p.id = protocol"
                                  " JOIN name g ON g.id = grp JOIN name s ON s.id = signature"
                                  " WHERE p.text = 'TLSv1.3' AND g.text = 'x25519' AND sessions = 6"
                                  " AND resumed = 2 AND messages = 12 AND first = 1800000000"
                                  " AND last = 1800000005 AND s.text = 'ECDSA (prime256v1)'"),
                     1);
    assert_int_equal(ask(fixture,
                         "SELECT count FROM failure JOIN name k ON k.id = kind JOIN name p ON"
                         " p.id = policy WHERE k.text = 'no_shared_cipher'"
                         " AND p.text = 'tls_policy, line 3'"),
                     2);
    assert_int_equal(ask(fixture, "SELECT count FROM hello WHERE substr(digest, 1, 1) = x'07'"), 6);
    assert_int_equal(ask(fixture, "SELECT established FROM peer_hello"), 6);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM policy_use"), 2);
    assert_int_equal(ask(fixture, "SELECT sessions FROM day JOIN name v ON v.id = value"
                                  " WHERE v.text = 'TLSv1.3' AND day = 20833"),
                     6);
    assert_int_equal(ask(fixture, "SELECT messages FROM day JOIN name v ON v.id = value"
                                  " WHERE v.text = 'none'"),
                     3);
}

/* The bytes of a hello may come before or after the sessions that it belongs to. */
static void hellos(void **state)
{
    struct fixture *fixture = *state;
    const struct observation session = tls_session(1);
    struct observation hello = {.kind = OBSERVATION_HELLO,
                                .time_start = (uint64_t)NOW,
                                .digest = {7},
                                .hello = (const uint8_t *)"the bytes",
                                .hello_length = 9};
    must_open(fixture);
    add(fixture, &session);
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT bytes IS NULL FROM hello"), 1);
    add(fixture, &hello);
    write_out(fixture);
    hello.hello = (const uint8_t *)"different";
    add(fixture, &hello);
    add(fixture, &hello);
    add(fixture, &session);
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM hello WHERE bytes = CAST('the bytes' AS"
                                  " BLOB) AND count = 2"),
                     1);
    hello.digest[0] = 8;
    add(fixture, &hello);
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT count FROM hello WHERE substr(digest, 1, 1) = x'08'"), 0);
}

/* Times that cannot be are now; what is not printable in a word is not kept. */
static void nonsense(void **state)
{
    struct fixture *fixture = *state;
    static const uint64_t times[] = {0, UINT64_MAX, (uint64_t)NOW + 10 * 86400, 1000000000};
    struct observation session = failed_session(1, "o\x01ther", "\xff<b>\n");
    must_open(fixture);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        session.time_start = times[i];
        session.bytes = UINT64_MAX;
        add(fixture, &session);
    }
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM peer WHERE first = 1800000000"
                                  " AND last = 1800000000 AND bytes = 4 * (1 << 40)"),
                     1);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM name WHERE text IN ('o?ther', '?<b>?')"),
                     2);
}

/* One peer has only so many rows in each table, and there are only so many words. */
static void rows_of_one_peer(void **state)
{
    struct fixture *fixture = *state;
    must_open(fixture);
    for (int i = 0; i < LEDGER_NAMES_MAX + 500; i++) {
        char text[32];
        snprintf(text, sizeof(text), "reason %d", i);
        struct observation session = failed_session(1, "other", text);
        session.digest[0] = (uint8_t)i;
        session.digest[1] = (uint8_t)(i >> 8);
        session.digest[2] = 1;
        add(fixture, &session);
    }
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM failure"), LEDGER_CHILDREN_MAX);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM peer_hello"), LEDGER_CHILDREN_MAX);
    assert_int_equal(ask(fixture, "SELECT failed FROM peer"), LEDGER_NAMES_MAX + 500);
    assert_true(ask(fixture, "SELECT count(*) FROM name") <= LEDGER_NAMES_MAX);
    must_open(fixture);
    for (int i = 0; i < 100; i++) { /* nor are there more after a restart */
        char text[32];
        snprintf(text, sizeof(text), "new reason %d", i);
        struct observation session = failed_session(2, "other", text);
        add(fixture, &session);
    }
    write_out(fixture);
    assert_true(ask(fixture, "SELECT count(*) FROM name") <= LEDGER_NAMES_MAX);
}

/* Size of the database, or of the file beside it that SUFFIX names. */
static int64_t file_size(const struct fixture *fixture, const char *suffix)
{
    struct stat status;
    char name[128];
    snprintf(name, sizeof(name), "%s%s", fixture->path, suffix);
    return stat(name, &status) == 0 ? status.st_size : 0;
}

/*
 * A scan from ever new addresses: no more rows than the bounds, no session forgotten, and those
 * that deliver stay, however long ago they came.
 */
static void scan_displaces_scanners(void **state)
{
    enum { PEERS = 1500, SCANNERS = 40000, MAX_BYTES = 8 << 20, MAX_LOG = 24 << 20 };
    struct fixture *fixture = *state;
    fixture->bounds.max_peers = PEERS;
    must_open(fixture);
    for (uint8_t i = 0; i < 200; i++) {
        struct observation session = tls_session(i);
        session.time_start = (uint64_t)(NOW - 20 * DAY);
        add(fixture, &session);
    }
    for (uint32_t i = 0; i < SCANNERS; i++) {
        const struct observation session = scan(i * 28633 + 0x01000000, NOW - DAY + i % 1000);
        add(fixture, &session);
    }
    write_out(fixture);
    assert_true(ask(fixture, "SELECT count(*) FROM peer WHERE prefix = 32") <= PEERS);
    assert_true(ask(fixture, "SELECT count(*) FROM peer WHERE prefix = 24") <= 1100);
    assert_true(ask(fixture, "SELECT count(*) FROM peer WHERE prefix = 16") <= 1100);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM peer WHERE prefix = 0"), 1);
    assert_int_equal(ask(fixture, "SELECT sum(sessions) FROM peer"), SCANNERS + 200);
    assert_int_equal(ask(fixture, "SELECT sum(sessions) FROM policy_use"), SCANNERS + 200);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM peer WHERE prefix = 32 AND messages > 0"),
                     200);
    assert_int_equal(ask(fixture, "SELECT sum(messages) FROM peer"), 400);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM policy_use WHERE peer NOT IN"
                                  " (SELECT id FROM peer)"),
                     0);
    assert_true(file_size(fixture, "") < MAX_BYTES);
    assert_true(file_size(fixture, "-wal") < MAX_LOG);
    assert_int_equal(ledger_store_extent(fixture->store)->peers,
                     ask(fixture, "SELECT count(*) FROM peer WHERE prefix = length(address) * 8"));
}

/* Networks add up what their members had, for IPv6 too. */
static void networks_add_up(void **state)
{
    struct fixture *fixture = *state;
    struct observation session = tls_session(0);
    fixture->bounds.max_peers = 100;
    must_open(fixture);
    session.family = 6;
    memcpy(session.address, "\x20\x01\x0d\xb8\0\1\0\2", 8);
    for (int i = 0; i < 3000; i++) {
        session.address[14] = (uint8_t)(i >> 8);
        session.address[15] = (uint8_t)i;
        add(fixture, &session);
    }
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM peer WHERE prefix = 64"), 1);
    assert_true(ask(fixture, "SELECT count(*) FROM peer WHERE prefix = 128") <= 100);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM peer p JOIN tls t ON t.peer = p.id"
                                  " JOIN peer_hello h ON h.peer = p.id WHERE p.prefix = 64"
                                  " AND p.address = x'20010db8000100020000000000000000'"
                                  " AND t.sessions = p.sessions AND h.established = p.sessions"
                                  " AND t.messages = 2 * p.sessions AND p.sessions >= 2900"),
                     1);
    assert_int_equal(ask(fixture, "SELECT sum(sessions) FROM tls"), 3000);
    assert_int_equal(ask(fixture, "SELECT count FROM hello"), 3000);
}

/* Hellos are bounded in number and in bytes; those seen often stay. */
static void hellos_are_bounded(void **state)
{
    static uint8_t bytes[1000];
    struct fixture *fixture = *state;
    struct observation common = tls_session(1);
    fixture->bounds.max_hellos = 500;
    fixture->bounds.max_hello_bytes = 200 * 1000;
    must_open(fixture);
    add(fixture, &common);
    add(fixture, &common);
    for (uint32_t i = 0; i < 20000; i++) {
        struct observation hello = {.kind = OBSERVATION_HELLO,
                                    .time_start = (uint64_t)NOW,
                                    .hello = bytes,
                                    .hello_length = sizeof(bytes)};
        memcpy(hello.digest, &i, sizeof(i));
        hello.digest[15] = 1;
        add(fixture, &hello);
    }
    write_out(fixture);
    write_out(fixture);
    assert_true(ask(fixture, "SELECT count(*) FROM hello") <= 500);
    assert_true(ask(fixture, "SELECT sum(length(bytes)) FROM hello") <= 456 * 1000);
    assert_int_equal(ask(fixture, "SELECT count FROM hello WHERE substr(digest, 1, 1) = x'07'"
                                  " AND length(digest) = 16 AND count > 0"),
                     2);
}

/* What has not been seen for max_age is gone, with everything below it. */
static void old_peers_are_deleted(void **state)
{
    struct fixture *fixture = *state;
    char why[LEDGER_WHY_MAX] = "";
    bool more = true;
    must_open(fixture);
    struct observation old = tls_session(1);
    struct observation recent = tls_session(2);
    recent.digest[0] = 9;
    recent.time_start = (uint64_t)(NOW + 10 * DAY);
    ledger_batch_add(fixture->batch, &old, NOW);
    ledger_batch_add(fixture->batch, &recent, NOW + 10 * DAY);
    write_out(fixture);
    while (more)
        assert_int_equal(ledger_store_age(fixture->store, NOW + 405 * DAY, &more, why),
                         LEDGER_OPENED);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM peer WHERE address = x'c0000202'"), 1);
    static const char *const tables[] = {"peer", "tls", "policy_use", "hello", "peer_hello"};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
        assert_int_equal(ask(fixture, sql), 1);
    }
    assert_int_equal(ask(fixture, "SELECT count(DISTINCT day) FROM day"), 1);
}

/* Steps that are missing are made; what is there stays. */
static void migration(void **state)
{
    static const char *const steps[] = {"CREATE TABLE one(n); INSERT INTO one VALUES(1);",
                                        "ALTER TABLE one ADD COLUMN m DEFAULT 5;",
                                        "UPDATE one SET n = n + 10;"};
    const char *const broken[] = {steps[0], steps[1], steps[2],
                                  "UPDATE one SET n = 99; SELECT nothing;"};
    struct fixture *fixture = *state;
    char why[LEDGER_WHY_MAX];
    sqlite3 *db;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(ledger_schema_migrate(db, steps, 1, why), LEDGER_OPENED);
    assert_int_equal(ask(fixture, "SELECT value FROM meta WHERE key = 'version'"), 1);
    assert_int_equal(ledger_schema_migrate(db, steps, 3, why), LEDGER_OPENED);
    assert_int_equal(ask(fixture, "SELECT n + m FROM one"), 16);
    assert_int_equal(ledger_schema_migrate(db, steps, 3, why), LEDGER_OPENED);
    assert_int_equal(ask(fixture, "SELECT n FROM one"), 11);
    assert_int_equal(ledger_schema_migrate(db, steps, 2, why), LEDGER_NEWER);
    assert_non_null(strstr(why, "version is 3"));
    assert_int_equal(ledger_schema_migrate(db, broken, 4, why), LEDGER_FAILED);
    assert_int_equal(ask(fixture, "SELECT value FROM meta WHERE key = 'version'"), 3);
    assert_int_equal(ask(fixture, "SELECT n FROM one"), 11);
    sqlite3_close(db);
}

/* Files that are no ledger, or a damaged one. */
static void damage(void **state)
{
    struct fixture *fixture = *state;
    char why[LEDGER_WHY_MAX];
    const struct observation session = tls_session(1);
    must_open(fixture);
    add(fixture, &session);
    write_out(fixture);
    ledger_store_close(fixture->store);

    FILE *file = fopen(fixture->path, "r+b");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("garbage", file);
    fclose(file);
    assert_int_equal(open_store(fixture, why), LEDGER_CORRUPT);
    assert_false(ledger_store_is_open(fixture->store));
    assert_true(ledger_store_set_aside(fixture->store));
    must_open(fixture);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM peer"), 0);

    /* Damage that shows only when it is used. */
    add(fixture, &session);
    write_out(fixture);
    ledger_store_close(fixture->store);
    file = fopen(fixture->path, "r+b");
    assert_non_null(file);
    fseek(file, 4096, SEEK_SET);
    for (int i = 0; i < 40000; i++)
        fputc(0xa5, file);
    fclose(file);
    enum ledger_opened opened = open_store(fixture, why);
    if (opened == LEDGER_OPENED) {
        add(fixture, &session);
        opened = ledger_store_write(fixture->store, fixture->batch, why);
    }
    assert_int_equal(opened, LEDGER_CORRUPT);
    assert_false(ledger_store_is_open(fixture->store));
    assert_true(ledger_store_set_aside(fixture->store));
    must_open(fixture);
}

static void not_a_ledger(void **state)
{
    struct fixture *fixture = *state;
    char why[LEDGER_WHY_MAX];
    sqlite3 *db;
    tamper(fixture, "CREATE TABLE something(n)");
    assert_int_equal(open_store(fixture, why), LEDGER_CORRUPT);
    assert_non_null(strstr(why, "not a ledger"));
    assert_int_equal(ledger_schema_open_readonly(fixture->path, &db, why), LEDGER_CORRUPT);
    assert_null(db);
}

static void other_versions(void **state)
{
    struct fixture *fixture = *state;
    char why[LEDGER_WHY_MAX];
    sqlite3 *db;
    assert_int_equal(ledger_schema_open_readonly(fixture->path, &db, why), LEDGER_MISSING);
    must_open(fixture);
    assert_int_equal(ledger_schema_open_readonly(fixture->path, &db, why), LEDGER_OPENED);
    assert_int_not_equal(sqlite3_exec(db, "DELETE FROM name", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    ledger_store_close(fixture->store);
    tamper(fixture, "UPDATE meta SET value = 3 WHERE key = 'version'");
    assert_int_equal(open_store(fixture, why), LEDGER_NEWER);
    assert_int_equal(ledger_schema_open_readonly(fixture->path, &db, why), LEDGER_NEWER);
    tamper(fixture, "UPDATE meta SET value = 'x' WHERE key = 'version'");
    assert_int_equal(open_store(fixture, why), LEDGER_CORRUPT);
    tamper(fixture, "DELETE FROM meta");
    assert_int_not_equal(open_store(fixture, why), LEDGER_OPENED);
}

/* No room: the batch is lost, what was there is not, and it goes on when there is room. */
static void no_room(void **state)
{
    struct fixture *fixture = *state;
    char why[LEDGER_WHY_MAX];
    struct rlimit old;
    const struct observation first = tls_session(1);
    must_open(fixture);
    add(fixture, &first);
    write_out(fixture);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const rlim_t used = (rlim_t)(file_size(fixture, "") + file_size(fixture, "-wal"));
    const struct rlimit little = {used, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    for (uint32_t i = 0; i < 2000; i++) {
        const struct observation session = scan(i << 8, NOW);
        add(fixture, &session);
    }
    assert_int_equal(ledger_store_write(fixture->store, fixture->batch, why), LEDGER_FAILED);
    assert_false(ledger_store_is_open(fixture->store));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    must_open(fixture);
    assert_int_equal(ask(fixture, "SELECT sum(sessions) FROM peer"), 1);
    add(fixture, &first);
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT sum(sessions) FROM peer"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(counts),          STORE_TEST(hellos),
        STORE_TEST(nonsense),        STORE_TEST(rows_of_one_peer),
        STORE_TEST(networks_add_up), STORE_TEST(scan_displaces_scanners),
        STORE_TEST(migration),       STORE_TEST(hellos_are_bounded),

        STORE_TEST(damage),          STORE_TEST(old_peers_are_deleted),
        STORE_TEST(not_a_ledger),    STORE_TEST(other_versions),
        STORE_TEST(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
