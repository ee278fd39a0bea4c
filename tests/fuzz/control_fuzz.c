/*
 * control_fuzz.c: both ends of the control socket. First byte even: the rest, in pieces that end in
 * a record separator (0x1e), is what somebody sends to the daemon: at most one command comes of it,
 * it is the first line, and the answer arrives. Odd: the rest is what "gatepost status" gets for an
 * answer: all of it is shown, and only "ok" is a success.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/control.h"
#include "proxy/unix_connect.h"

#define PIECE_END 0x1e
#define ANSWER_MAX 4096

static char path[64];
static char seen[CONTROL_LINE_MAX];
static int commands;

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "control: %s\n", what);
        abort();
    }
}

/* The daemon's command: an echo. */
static void on_command(void *owner, const char *command, struct control_request *request)
{
    (void)owner;
    commands++;
    check(strlen(command) < sizeof seen && strchr(command, '\n') == NULL, "a command of one line");
    strcpy(seen, command);
    fprintf(control_out(request), "<%s>", command);
    control_finish(request, true);
}

/* What the daemon must have understood: the first line, up to a NUL. */
static void check_command(const uint8_t *data, size_t size)
{
    char sent[CONTROL_LINE_MAX] = "";
    size_t used = 0;

    for (size_t i = 0; i < size && used < sizeof sent - 1; i++) {
        if (data[i] != PIECE_END) {
            sent[used++] = (char)data[i];
        }
    }
    char *end = memchr(sent, '\n', used);
    char *nul = memchr(sent, '\0', used);
    check(commands == (end != NULL && (nul == NULL || end < nul)), "number of commands");
    if (commands == 1) {
        *end = '\0';
        check(strcmp(sent, seen) == 0, "another command");
    }
}

/* Somebody who sends pieces and then reads. */
static void ask(struct ev_loop *loop, const uint8_t *data, size_t size)
{
    char answer[CONTROL_LINE_MAX + 64] = "";
    char expected[CONTROL_LINE_MAX + 64];
    int fd = unix_connect(path);

    check(fd >= 0, "connect");
    commands = 0;
    ev_run(loop, EVRUN_NOWAIT);
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, PIECE_END, size - at);
        size_t length = end != NULL ? (size_t)(end - data) - at : size - at;
        (void)!send(fd, data + at, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        ev_run(loop, EVRUN_NOWAIT);
        at += length + 1;
    }
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 3; i++) {
        ev_run(loop, EVRUN_NOWAIT);
    }
    check_command(data, size);
    (void)!recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
    snprintf(expected, sizeof expected, "ok\n<%s>", commands == 1 ? seen : "");
    check(strcmp(answer, commands == 1 ? expected : "") == 0, "the answer");
    close(fd);
}

struct answer {
    int fd; /* listens */
    const uint8_t *data;
    size_t size;
};

/* A daemon that answers one question with any bytes. */
static void *serve(void *arg)
{
    const struct answer *answer = arg;
    char question[64];
    int fd = accept(answer->fd, NULL, NULL);

    check(fd >= 0, "accept");
    ssize_t got = recv(fd, question, sizeof question, 0);
    check(got == 7 && memcmp(question, "status\n", 7) == 0, "the question");
    (void)!send(fd, answer->data, answer->size, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

/* The command line's side. */
static void get(int listening, const char *where, const uint8_t *data, size_t size)
{
    struct answer answer = {.fd = listening, .data = data, .size = size};
    pthread_t thread;
    char *out = NULL, *error = NULL;
    size_t out_length, error_length;
    FILE *out_file = open_memstream(&out, &out_length);
    FILE *error_file = open_memstream(&error, &error_length);

    check(out_file != NULL && error_file != NULL, "out of memory");
    check(pthread_create(&thread, NULL, serve, &answer) == 0, "thread");
    int status = control_ask(where, "status", out_file, error_file);
    pthread_join(thread, NULL);
    fclose(out_file);
    fclose(error_file);
    int ok = size >= 3 && memcmp(data, "ok\n", 3) == 0;
    check(status == !ok, "the exit status");
    if (ok) {
        check(error_length == 0, "an error");
        check(memchr(data, '\0', size) != NULL ||
                  (out_length == size - 3 && memcmp(out, data + 3, out_length) == 0),
              "not all is shown");
    } else {
        check(out_length == 0, "a result");
    }
    free(out);
    free(error);
}

static void remove_path(void)
{
    unlink(path);
}

/* A listening socket for SERVE, at a name that needs no file. */
static int listen_at(const char *where)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, where);
    unlink(where);
    check(bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0,
          "listen");
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ev_loop *loop;
    static struct control *control;
    static char answers[80];
    static int listening;
    struct diag diag = {0};

    if (control == NULL) {
        const char *directory = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
        snprintf(path, sizeof path, "%.30s/gatepost-%ld", directory, (long)getpid());
        snprintf(answers, sizeof answers, "%s-a", path);
        loop = ev_loop_new(EVFLAG_AUTO);
        control = control_open(loop, path, on_command, NULL, &diag);
        check(control != NULL, "control_open");
        atexit(remove_path);
        listening = listen_at(answers);
    }
    if (size == 0 || size > ANSWER_MAX) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        ask(loop, data + 1, size - 1);
    } else {
        get(listening, answers, data + 1, size - 1);
    }
    return 0;
}
