/*
 * unix_listen_test.c: what is at a path before somebody listens there, and what comes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/unix_connect.h"
#include "proxy/unix_listen.h"

#define SOCKET "socket"

/* Each test has a directory of its own as its working directory, and the way back. */
struct place {
    char directory[32];
    int before;
};

static int enter(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    snprintf(place->directory, sizeof(place->directory), "/tmp/unix_listen.XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    place->before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->before >= 0);
    assert_int_equal(chdir(place->directory), 0);
    *state = place;
    return 0;
}

static int leave(void **state)
{
    struct place *place = *state;

    (void)unlink(SOCKET);
    assert_int_equal(fchdir(place->before), 0);
    close(place->before);
    assert_int_equal(rmdir(place->directory), 0);
    free(place);
    return 0;
}

/* Whether somebody listens there. */
static bool answers(void)
{
    int fd = unix_connect(SOCKET);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A new one has the mode that was asked for, and the process its umask as before. */
static void test_new(void **state)
{
    struct stat status;
    const mode_t before = umask(022);

    (void)state;
    int fd = unix_listen(SOCKET, 0177, NULL);
    assert_true(fd >= 0);
    assert_int_equal(umask(before), 022);
    assert_int_equal(stat(SOCKET, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true(answers());
    close(fd);
}

/* One that somebody left behind goes. */
static void test_stale(void **state)
{
    (void)state;
    close(unix_listen(SOCKET, 0177, NULL));
    assert_false(answers());
    int fd = unix_listen(SOCKET, 0177, NULL);
    assert_true(fd >= 0);
    assert_true(answers());
    close(fd);
}

/* One that somebody listens on stays his. */
static void test_in_use(void **state)
{
    (void)state;
    int fd = unix_listen(SOCKET, 0177, NULL);
    assert_int_equal(unix_listen(SOCKET, 0177, NULL), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_true(answers());
    close(fd);
}

/* Unless it is one's own: then it is shared, and lives on in the duplicate. */
static void test_shared(void **state)
{
    struct listener_socket own = {.fd = unix_listen(SOCKET, 0177, NULL)};
    const struct listener_sockets previous = {.sockets = &own, .count = 1};

    (void)state;
    int fd = unix_listen(SOCKET, 0177, &previous);
    assert_true(fd >= 0);
    close(own.fd);
    assert_true(answers());
    close(fd);
}

/* A file that is no socket is somebody's data. */
static void test_other_file(void **state)
{
    char text[8] = "";
    int file = open(SOCKET, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(write(file, "data", 4), 4);
    assert_int_equal(unix_listen(SOCKET, 0177, NULL), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(pread(file, text, sizeof(text), 0), 4);
    assert_int_equal(access(SOCKET, F_OK), 0);
    close(file);
}

/* A path that no address has room for. */
static void test_too_long(void **state)
{
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(unix_listen(path, 0177, NULL), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_new, enter, leave),
        cmocka_unit_test_setup_teardown(test_stale, enter, leave),
        cmocka_unit_test_setup_teardown(test_in_use, enter, leave),
        cmocka_unit_test_setup_teardown(test_shared, enter, leave),
        cmocka_unit_test_setup_teardown(test_other_file, enter, leave),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
