/*
 * tls_ticket_keys_test.c: which ticket keys are there at a given time, and who agrees on them.
 */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/ticket_keys.h"

#define STEP 1800

static bool equal(const struct tls_ticket_key *one, const struct tls_ticket_key *other)
{
    return memcmp(one, other, sizeof *one) == 0;
}

/* No part of two keys is the same, and none is empty. */
static void assert_unrelated(const struct tls_ticket_key *one, const struct tls_ticket_key *other)
{
    static const uint8_t zeros[32];
    assert_memory_not_equal(one->name, other->name, sizeof one->name);
    assert_memory_not_equal(one->cipher_key, other->cipher_key, sizeof one->cipher_key);
    assert_memory_not_equal(one->mac_key, other->mac_key, sizeof one->mac_key);
    assert_memory_not_equal(one->cipher_key, one->mac_key, sizeof one->mac_key);
    assert_memory_not_equal(one->cipher_key, zeros, sizeof one->cipher_key);
    assert_memory_not_equal(one->mac_key, zeros, sizeof one->mac_key);
}

/* ---- files ---- */

static char directory[] = "/tmp/gatepost-tickets-XXXXXX";
static char path[64];

static void write_file(const char *text, size_t length, mode_t mode)
{
    snprintf(path, sizeof path, "%s/key", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

/* Keys of a file with TEXT. */
static struct tls_ticket_keys *keys_of(const char *text, long step)
{
    struct diag diag = {0};
    write_file(text, strlen(text), 0600);
    struct tls_ticket_keys *keys = tls_ticket_keys_read(path, step, &diag);
    assert_non_null(keys);
    assert_int_equal(diag.warnings + diag.errors, 0);
    return keys;
}

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const char other_secret[] = "0123456789abcdef0123456789abcdeF";

/* ---- time ---- */

/* How long a key of the time 1000 is for new tickets, and for old ones; by both rules. */
static void test_steps(void **state)
{
    static const struct {
        time_t now;
        bool current, found;
    } cases[] = {{1000, true, true},   {1799, true, true},     {1800, false, true},
                 {3599, false, true},  {3600, false, false},   {3601, false, false},
                 {9000, false, false}, {1000000, false, false}};
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct tls_ticket_keys *keys =
            shared ? keys_of(secret, STEP) : tls_ticket_keys_new(STEP, 1000);
        struct tls_ticket_key first = *tls_ticket_keys_current(keys, 1000);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            time_t now = cases[i].now;
            struct tls_ticket_key current = *tls_ticket_keys_current(keys, now);
            assert_int_equal(equal(&current, &first), cases[i].current);
            if (!cases[i].current) {
                assert_unrelated(&current, &first);
            }
            const struct tls_ticket_key *found = tls_ticket_keys_find(keys, first.name, now);
            assert_int_equal(found != NULL, cases[i].found);
            assert_true(found == NULL || equal(found, &first));
            found = tls_ticket_keys_find(keys, current.name, now);
            assert_ptr_equal(found, tls_ticket_keys_current(keys, now));
        }
        tls_ticket_keys_unref(keys);
    }
}

/* Copies of a process that look at their keys at different times agree at each. */
static void test_forked_processes_agree(void **state)
{
    struct tls_ticket_keys *keys = tls_ticket_keys_new(STEP, 100);
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) { /* idle until the fourth step */
        struct tls_ticket_key key = *tls_ticket_keys_current(keys, 3 * STEP + 1);
        _exit(write(ends[1], &key, sizeof key) == (ssize_t)sizeof key ? 0 : 1);
    }
    for (time_t now = 100; now < 3 * STEP; now += 500) {
        tls_ticket_keys_advance(keys, now);
    }
    struct tls_ticket_key theirs;
    assert_int_equal(read(ends[0], &theirs, sizeof theirs), sizeof theirs);
    assert_true(equal(tls_ticket_keys_current(keys, 4 * STEP - 1), &theirs));
    close(ends[0]);
    close(ends[1]);
    tls_ticket_keys_unref(keys);
}

/* Each daemon has a secret of its own. */
static void test_secrets_differ(void **state)
{
    struct tls_ticket_keys *one = tls_ticket_keys_new(STEP, 100);
    struct tls_ticket_keys *other = tls_ticket_keys_new(STEP, 100);
    (void)state;
    assert_unrelated(tls_ticket_keys_current(one, 100), tls_ticket_keys_current(other, 100));
    tls_ticket_keys_unref(one);
    tls_ticket_keys_unref(other);
}

/* A clock that goes back does no harm. */
static void test_clock_goes_back(void **state)
{
    struct tls_ticket_keys *own = tls_ticket_keys_new(STEP, 5 * STEP);
    struct tls_ticket_keys *shared = keys_of(secret, STEP);
    (void)state;
    struct tls_ticket_key key = *tls_ticket_keys_current(own, 5 * STEP);
    assert_true(equal(&key, tls_ticket_keys_current(own, 2 * STEP)));
    key = *tls_ticket_keys_current(shared, 5 * STEP);
    tls_ticket_keys_advance(shared, 9 * STEP);
    assert_true(equal(&key, tls_ticket_keys_current(shared, 5 * STEP)));
    assert_non_null(tls_ticket_keys_current(shared, -1));
    tls_ticket_keys_unref(own);
    tls_ticket_keys_unref(shared);
}

/* Hosts agree if file and step agree, whenever they were started; and bear with a clock that is
 * ahead or behind. */
static void test_hosts(void **state)
{
    struct tls_ticket_keys *one = keys_of(secret, STEP), *two = keys_of(secret, STEP);
    struct tls_ticket_keys *other_file = keys_of(other_secret, STEP);
    struct tls_ticket_keys *other_step = keys_of(secret, STEP * 2);
    const time_t now = 1000000 * (time_t)STEP;
    (void)state;
    tls_ticket_keys_advance(two, now - 10 * STEP);
    struct tls_ticket_key key = *tls_ticket_keys_current(one, now);
    assert_true(equal(&key, tls_ticket_keys_current(two, now)));
    assert_unrelated(&key, tls_ticket_keys_current(other_file, now));
    assert_unrelated(&key, tls_ticket_keys_current(other_step, now));
    static const struct {
        long ahead;
        bool found;
    } cases[] = {{-STEP - 1, false}, {-1, true}, {0, true}, {STEP, true}, {2 * STEP, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct tls_ticket_key *found =
            tls_ticket_keys_find(two, key.name, now + cases[i].ahead);
        assert_int_equal(found != NULL, cases[i].found);
    }
    tls_ticket_keys_unref(one);
    tls_ticket_keys_unref(two);
    tls_ticket_keys_unref(other_file);
    tls_ticket_keys_unref(other_step);
}

/* smtpd_tls_session_cache_timeout to steps; whose keys can serve whom. */
static void test_step_lengths(void **state)
{
    static const long cases[][2] = {{1, 1}, {2, 1}, {3, 1}, {120, 60}, {3600, 1800}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(tls_ticket_keys_step(cases[i][0]), cases[i][1]);
    }
    struct tls_ticket_keys *own = tls_ticket_keys_new(STEP, 0), *shared = keys_of(secret, STEP);
    assert_true(tls_ticket_keys_serve(own, STEP));
    assert_false(tls_ticket_keys_serve(own, STEP + 1));
    assert_false(tls_ticket_keys_serve(shared, STEP));
    tls_ticket_keys_unref(own);
    tls_ticket_keys_unref(shared);
}

/* ---- mistakes ---- */

static void keep_text(void *ctx, enum diag_severity severity, const char *text)
{
    (void)severity;
    snprintf(ctx, 256, "%s", text);
}

static void test_files(void **state)
{
    static const struct {
        size_t length;
        mode_t mode;
        bool good;
        unsigned warnings;
        const char *text; /* of the finding */
    } cases[] = {
        {31, 0600, false, 0, "has 31 bytes: 32 random ones are the least"},
        {0, 0600, false, 0, "has 0 bytes"},
        {32, 0600, true, 0, ""},
        {32, 0640, true, 0, ""},
        {32, 0644, true, 1, "others may read or change this file (mode 0644)"},
        {32, 0660, true, 1, "(mode 0660)"},
        {4096, 0400, true, 0, ""},
        {4097, 0400, false, 0, "cannot read: File too large"},
    };
    static char bytes[5000];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256] = "";
        struct diag diag = {.sink = keep_text, .ctx = text};
        write_file(bytes, cases[i].length, cases[i].mode);
        struct tls_ticket_keys *keys = tls_ticket_keys_read(path, STEP, &diag);
        assert_int_equal(keys != NULL, cases[i].good);
        assert_int_equal(diag.errors, cases[i].good ? 0 : 1);
        assert_int_equal(diag.warnings, cases[i].warnings);
        if (strstr(text, cases[i].text) == NULL || (*text != '\0' && strstr(text, path) == NULL)) {
            fail_msg("case %zu: %s", i, text);
        }
        tls_ticket_keys_unref(keys);
        unlink(path);
    }
    char text[256] = "";
    struct diag diag = {.sink = keep_text, .ctx = text};
    assert_null(tls_ticket_keys_read("/nowhere/key", STEP, &diag));
    assert_string_equal(text, "/nowhere/key: cannot read: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),          cmocka_unit_test(test_forked_processes_agree),
        cmocka_unit_test(test_secrets_differ), cmocka_unit_test(test_clock_goes_back),
        cmocka_unit_test(test_hosts),          cmocka_unit_test(test_step_lengths),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
