/* The ledger's second version: listeners, what policy lines said, second chances. */
#include "tests/unit/ledger_fixture.h"

/* What version 1 had is in version 2; what it did not record is empty. */
static void second_version(void **state)
{
    static const char back[] =
        "DROP TABLE chance; DROP TABLE policy_use; DROP TABLE peer_hello;"
        "CREATE TABLE policy_use(peer INTEGER NOT NULL, policy INTEGER NOT NULL,"
        " level INTEGER NOT NULL, sessions INTEGER NOT NULL, last INTEGER NOT NULL,"
        " PRIMARY KEY(peer, policy, level)) WITHOUT ROWID;"
        "CREATE TABLE peer_hello(peer INTEGER NOT NULL, hello INTEGER NOT NULL,"
        " established INTEGER NOT NULL, failed INTEGER NOT NULL, messages INTEGER NOT NULL,"
        " first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY(peer, hello)) WITHOUT ROWID;"
        "CREATE INDEX peer_hello_hello ON peer_hello(hello);"
        "INSERT INTO policy_use SELECT 1, id, id, 7, 1790000000 FROM name"
        " WHERE text = 'main configuration';"
        "INSERT INTO peer_hello VALUES(1, 1, 3, 4, 5, 1780000000, 1790000000);"
        "UPDATE meta SET value = 1 WHERE key = 'version'";
    struct fixture *fixture = *state;
    const struct observation session = tls_session(1);
    sqlite3 *db;
    must_open(fixture);
    add(fixture, &session);
    write_out(fixture);
    ledger_store_close(fixture->store);
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, back, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);

    must_open(fixture);
    assert_int_equal(ask(fixture, "SELECT value FROM meta WHERE key = 'version'"), LEDGER_VERSION);
    assert_int_equal(ask(fixture, "SELECT sessions FROM policy_use u JOIN name n ON n.id = u.line"
                                  " WHERE n.text = '' AND listener = line AND last = 1790000000"),
                     7);
    assert_int_equal(ask(fixture, "SELECT failed FROM peer_hello h JOIN name n ON n.id = h.listener"
                                  " WHERE n.text = '' AND established = 3 AND messages = 5"),
                     4);
    add(fixture, &session);
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT sum(sessions) FROM policy_use"), 8);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM chance"), 0);
}

/* Listeners, lines, cleartext, and second chances with what came of them. */
static void policies(void **state)
{
    struct fixture *fixture = *state;
    struct observation failed = failed_session(1, "protocol_too_old", "offers TLS 1.0 at most");
    struct observation used = tls_session(1);
    struct observation plain = scan(0xc0000201, NOW);
    must_open(fixture);
    failed.chance = OBSERVATION_CHANCE_BEGUN;
    failed.listener = observation_text("25");
    add(fixture, &failed);
    used.chance = OBSERVATION_CHANCE_USED;
    used.listener = observation_text("25");
    add(fixture, &used);
    add(fixture, &used);
    write_out(fixture);
    used.listener = observation_text("2525");
    add(fixture, &used);
    plain.messages = plain.cleartext_messages = 5;
    add(fixture, &plain);
    write_out(fixture);
    assert_int_equal(ask(fixture, "SELECT begun FROM chance JOIN name n ON n.id = listener"
                                  " WHERE n.text = '25' AND sessions = 2 AND established = 2"
                                  " AND failed = 0 AND messages = 4"),
                     1);
    assert_int_equal(ask(fixture, "SELECT sum(sessions) FROM chance"), 3);
    assert_int_equal(ask(fixture, "SELECT count(*) FROM policy_use"), 4);
    assert_int_equal(ask(fixture, "SELECT failed FROM policy_use u JOIN name n ON n.id = u.line"
                                  " WHERE n.text = '192.0.2.0/24 encrypt' AND established = 0"),
                     1);
    assert_int_equal(ask(fixture, "SELECT cleartext_messages FROM policy_use WHERE cleartext = 1"),
                     5);
    assert_int_equal(ask(fixture, "SELECT count(DISTINCT listener) FROM peer_hello"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {STORE_TEST(second_version), STORE_TEST(policies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
