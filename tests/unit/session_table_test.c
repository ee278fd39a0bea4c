/*
 * session_table_test.c: sessions are found while they last, by client and if need be by server; go
 * with their worker; and a table that is full, or being written, never tells of another's session.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/session_table.h"

/* An address that differs with NUMBER. */
static struct client_address address(uint32_t number, uint16_t port)
{
    struct client_address made = {.family = AF_INET, .port = port};

    memcpy(made.bytes, &number, sizeof(number));
    return made;
}

/* A session's facts, with CIPHER to be known by. */
static struct session_facts facts_of(uint32_t number, uint16_t port, uint16_t server_port,
                                     const char *cipher)
{
    struct session_facts facts = {
        .client = address(number, port), .server = address(0xffffffff, server_port), .tls = true};

    snprintf(facts.cipher, sizeof(facts.cipher), "%s", cipher);
    return facts;
}

/* What is known of a client, as a text. */
static const char *look(const struct session_table *table, uint32_t number, uint16_t port,
                        uint16_t server_port)
{
    static struct session_facts facts;
    struct client_address client = address(number, port);
    struct client_address server = address(0xffffffff, server_port);

    switch (session_table_find(table, &client, &server, &facts)) {
    case SESSION_KNOWN:
        return facts.cipher;
    case SESSION_UNKNOWN:
        return "unknown";
    case SESSION_AMBIGUOUS:
        break;
    }
    return "ambiguous";
}

static uint32_t add(struct session_table *table, unsigned slot, uint32_t number, uint16_t port,
                    uint16_t server_port, const char *cipher)
{
    struct session_facts facts = facts_of(number, port, server_port, cipher);

    return session_table_add(table, slot, &facts);
}

static void test_life(void **state)
{
    struct session_table *table = session_table_new(100, 2);

    (void)state;
    assert_non_null(table);
    assert_string_equal(look(table, 1, 1000, 25), "unknown");
    uint32_t one = add(table, 0, 1, 1000, 25, "one");
    assert_int_not_equal(one, 0);
    assert_string_equal(look(table, 1, 1000, 25), "one");
    assert_string_equal(look(table, 1, 1000, 26), "one"); /* the only one there is */
    assert_string_equal(look(table, 1, 1001, 25), "unknown");
    assert_string_equal(look(table, 2, 1000, 25), "unknown");
    session_table_remove(table, 1, one); /* not that worker's */
    assert_string_equal(look(table, 1, 1000, 25), "one");
    session_table_remove(table, 0, one);
    assert_string_equal(look(table, 1, 1000, 25), "unknown");
    session_table_remove(table, 0, 0);
    session_table_free(table);
}

/* One port of a client's, two of ours. */
static void test_two_servers(void **state)
{
    struct session_table *table = session_table_new(100, 2);

    (void)state;
    uint32_t one = add(table, 0, 1, 1000, 25, "one");
    add(table, 1, 1, 1000, 465, "two");
    assert_string_equal(look(table, 1, 1000, 25), "one");
    assert_string_equal(look(table, 1, 1000, 465), "two");
    assert_string_equal(look(table, 1, 1000, 10025), "ambiguous");
    session_table_remove(table, 0, one);
    assert_string_equal(look(table, 1, 1000, 10025), "two");
    session_table_free(table);
}

static void test_dead_worker(void **state)
{
    struct session_table *table = session_table_new(100, 2);

    (void)state;
    for (uint16_t port = 1; port <= 50; port++)
        add(table, port % 2, 1, port, 25, "alive");
    session_table_recover(table, 1);
    for (uint16_t port = 1; port <= 50; port++)
        assert_string_equal(look(table, 1, port, 25), port % 2 ? "unknown" : "alive");
    session_table_free(table);
}

/* As many as it was made for, and more, until there is no room; what is in it stays right. */
static void test_full(void **state)
{
    struct session_table *table = session_table_new(1000, 1);
    static uint32_t handles[20000];
    char name[16];
    uint32_t refused = 0;

    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "%u", i);
        handles[i] = add(table, 0, i, 25, 25, name);
        refused += handles[i] == 0;
        assert_true(i >= 1000 || handles[i] != 0);
    }
    assert_true(refused > 0);
    for (uint32_t i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "%u", i);
        assert_string_equal(look(table, i, 25, 25), handles[i] != 0 ? name : "unknown");
        session_table_remove(table, 0, handles[i]);
    }
    for (uint32_t i = 0; i < 20000; i++)
        assert_string_equal(look(table, i, 25, 25), "unknown");
    session_table_free(table);
}

/* Processes that write, remove and are killed at any point, and one that reads: what it reads of a
 * client is what was written of that client, whole. */
static void test_processes(void **state)
{
    struct session_table *table = session_table_new(8, 4);
    pid_t writers[3];

    (void)state;
    for (int round = 0; round < 30; round++) {
        for (unsigned slot = 0; slot < 3; slot++) {
            writers[slot] = fork();
            if (writers[slot] != 0)
                continue;
            for (uint32_t i = 0;; i++) {
                char name[48];
                snprintf(name, sizeof(name), "client-%u-%s", i % 3, "0123456789012345678901234567");
                session_table_remove(table, slot,
                                     add(table, slot, i % 3, 25, (uint16_t)slot, name));
            }
        }
        for (int i = 0; i < 20000; i++) {
            char prefix[16];
            snprintf(prefix, sizeof(prefix), "client-%d-", i % 3);
            const char *found = look(table, (uint32_t)(i % 3), 25, (uint16_t)(i % 4));
            if (strcmp(found, "unknown") != 0 && strcmp(found, "ambiguous") != 0) {
                assert_memory_equal(found, prefix, strlen(prefix));
                assert_int_equal(strlen(found), 9 + 28);
            }
        }
        for (unsigned slot = 0; slot < 3; slot++) {
            kill(writers[slot], SIGKILL);
            assert_int_equal(waitpid(writers[slot], NULL, 0), writers[slot]);
            session_table_recover(table, slot);
        }
        for (uint32_t client = 0; client < 3; client++)
            assert_string_equal(look(table, client, 25, 0), "unknown");
    }
    session_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),        cmocka_unit_test(test_two_servers),
        cmocka_unit_test(test_dead_worker), cmocka_unit_test(test_full),
        cmocka_unit_test(test_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
