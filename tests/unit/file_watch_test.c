/*
 * file_watch_test.c: files that change, in every way in which programs change files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/file_watch.h"

static char directory[] = "/tmp/gatepost-file-watch-XXXXXX";
static long now; /* of the files: each write is a second later than the one before */

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = now + 1}};
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
    now++;
}

static void make_link(const char *target, const char *name)
{
    assert_int_equal(symlink(target, path_of(name)), 0);
}

static void replace(const char *from, const char *to)
{
    assert_int_equal(rename(path_of(from), path_of(to)), 0);
}

/* certbot's layout, and one of a directory that is a link. */
static int make_files(void **state)
{
    static const char *const directories[] = {"live", "archive", "v1", "v2"};

    (void)state;
    now = 1000000000;
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
        assert_int_equal(mkdir(path_of(directories[i]), 0755), 0);
    write_file("plain.pem", "one");
    write_file("archive/cert1.pem", "one");
    make_link("../archive/cert1.pem", "live/cert.pem");
    write_file("v1/cert.pem", "one");
    write_file("v2/cert.pem", "two");
    make_link("v1", "current");
    return 0;
}

static int remove_files(void **state)
{
    char command[80];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

/* One that has begun to look at everything, at one file twice. */
static struct file_watch *begin(void)
{
    static const char *const names[] = {"plain.pem", "live/cert.pem", "current/cert.pem",
                                        "missing.ocsp", "live/cert.pem"};
    struct file_watch *watch = file_watch_new();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        file_watch_add(watch, path_of(names[i]));
    file_watch_begin(watch);
    return watch;
}

static void expect(struct file_watch *watch, enum file_watch_state wanted, const char *name)
{
    const char *changed = "";

    assert_int_equal(file_watch_look(watch, &changed), wanted);
    if (name == NULL)
        assert_null(changed);
    else
        assert_string_equal(changed, path_of(name));
}

/* NAME has changed, for good. */
static void expect_change(struct file_watch *watch, const char *name)
{
    expect(watch, FILE_WATCH_MOVING, name);
    expect(watch, FILE_WATCH_SETTLED, name);
    expect(watch, FILE_WATCH_SAME, NULL);
}

static void rewrite_in_place(void)
{
    write_file("plain.pem", "two");
}

static void rename_over(void)
{
    write_file("plain.pem.new", "one");
    replace("plain.pem.new", "plain.pem");
}

static void remove_one(void)
{
    assert_int_equal(unlink(path_of("plain.pem")), 0);
}

static void make_readable(void)
{
    assert_int_equal(chmod(path_of("plain.pem"), 0640), 0);
}

static void create_missing(void)
{
    write_file("missing.ocsp", "");
}

static void replace_link(void)
{
    write_file("archive/cert2.pem", "two");
    assert_int_equal(unlink(path_of("live/cert.pem")), 0);
    make_link("../archive/cert2.pem", "live/cert.pem");
}

static void rewrite_target(void)
{
    write_file("archive/cert1.pem", "two");
}

static void break_link(void)
{
    assert_int_equal(unlink(path_of("archive/cert1.pem")), 0);
}

static void switch_directory(void)
{
    make_link("v2", "next");
    replace("next", "current");
}

static void replace_directory(void)
{
    replace("v1", "v0");
    replace("v2", "v1");
}

static void test_changes(void **state)
{
    static const struct {
        void (*change)(void);
        const char *name;
    } cases[] = {
        {rewrite_in_place, "plain.pem"},
        {rename_over, "plain.pem"},
        {remove_one, "plain.pem"},
        {make_readable, "plain.pem"},
        {create_missing, "missing.ocsp"},
        {replace_link, "live/cert.pem"},
        {rewrite_target, "live/cert.pem"},
        {break_link, "live/cert.pem"},
        {switch_directory, "current/cert.pem"},
        {replace_directory, "current/cert.pem"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(remove_files(state), 0);
        assert_int_equal(make_files(state), 0);
        struct file_watch *watch = begin();
        expect(watch, FILE_WATCH_SAME, NULL);
        cases[i].change();
        expect_change(watch, cases[i].name);
        file_watch_free(watch);
    }
}

/* What changes nothing that counts. */
static void test_no_change(void **state)
{
    const struct timespec times[2] = {{.tv_sec = 5}, {.tv_nsec = UTIME_OMIT}};
    struct file_watch *watch = begin();

    (void)state;
    assert_int_equal(utimensat(AT_FDCWD, path_of("plain.pem"), times, 0), 0); /* it was read */
    assert_int_equal(link(path_of("plain.pem"), path_of("copy.pem")), 0);
    write_file("unrelated.pem", "x");
    write_file("v2/cert.pem", "y");
    expect(watch, FILE_WATCH_SAME, NULL);
    file_watch_free(watch);
}

/* Two files written one after the other are one change. */
static void test_in_steps(void **state)
{
    struct file_watch *watch = begin();

    (void)state;
    write_file("plain.pem", "two");
    expect(watch, FILE_WATCH_MOVING, "plain.pem");
    rewrite_target();
    expect(watch, FILE_WATCH_MOVING, "live/cert.pem");
    write_file("plain.pem", "three");
    expect(watch, FILE_WATCH_MOVING, "live/cert.pem");
    expect(watch, FILE_WATCH_SETTLED, "live/cert.pem");
    expect(watch, FILE_WATCH_SAME, NULL);
    write_file("plain.pem", "four");
    expect_change(watch, "plain.pem");
    file_watch_free(watch);
}

/* Put back as it was, before anybody was told. */
static void test_back_again(void **state)
{
    struct file_watch *watch = begin();

    (void)state;
    replace("plain.pem", "aside.pem");
    expect(watch, FILE_WATCH_MOVING, "plain.pem");
    replace("aside.pem", "plain.pem");
    expect(watch, FILE_WATCH_SAME, NULL);
    file_watch_free(watch);
}

/* Begun anew, with what is there by then. */
static void test_begin_again(void **state)
{
    struct file_watch *watch = begin();

    (void)state;
    rewrite_in_place();
    file_watch_begin(watch);
    expect(watch, FILE_WATCH_SAME, NULL);
    rewrite_in_place();
    expect_change(watch, "plain.pem");
    file_watch_free(watch);
}

static void test_nothing_to_watch(void **state)
{
    struct file_watch *watch = file_watch_new();

    (void)state;
    file_watch_begin(watch);
    expect(watch, FILE_WATCH_SAME, NULL);
    file_watch_free(watch);
    file_watch_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes, make_files, remove_files),
        cmocka_unit_test_setup_teardown(test_no_change, make_files, remove_files),
        cmocka_unit_test_setup_teardown(test_in_steps, make_files, remove_files),
        cmocka_unit_test_setup_teardown(test_back_again, make_files, remove_files),
        cmocka_unit_test_setup_teardown(test_begin_again, make_files, remove_files),
        cmocka_unit_test(test_nothing_to_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
