#include "proxy/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/unix_connect.h"
#include "proxy/unix_listen.h"

#define ASK_TIMEOUT_SECONDS 30
#define SERVE_TIMEOUT_SECONDS 5.

struct control {
    struct ev_loop *loop;
    char *path;
    int fd;
    ev_io io;
    control_command *command;
    void *owner;
    struct control_request *requests; /* that are open */
};

/* One asker and its command. */
struct control_request {
    struct control *control;
    struct control_request *next;
    int fd;
    ev_io io;
    ev_timer timer;
    size_t length;
    char line[CONTROL_LINE_MAX];
    FILE *out; /* collects the answer in text */
    char *text;
    size_t text_length;
};

/* Close a request that is in the list no more. */
static void control_request_free(struct control_request *request)
{
    ev_io_stop(request->control->loop, &request->io);
    ev_timer_stop(request->control->loop, &request->timer);
    close(request->fd);
    free(request);
}

static void control_request_close(struct control_request *request)
{
    struct control_request **link = &request->control->requests;

    while (*link != NULL && *link != request)
        link = &(*link)->next;
    if (*link == request)
        *link = request->next;
    control_request_free(request);
}

FILE *control_out(struct control_request *request)
{
    return request->out;
}

/* A first line "ok" or "error", then the text. */
void control_finish(struct control_request *request, bool ok)
{
    const char *status = ok ? "ok\n" : "error\n";

    fclose(request->out);
    (void)!send(request->fd, status, strlen(status), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)!send(request->fd, request->text, request->text_length, MSG_NOSIGNAL | MSG_DONTWAIT);
    free(request->text);
    control_request_close(request);
}

/* A whole line: from here on the answer is waited for, not more input. */
static void control_dispatch(struct control_request *request)
{
    struct control *control = request->control;

    ev_io_stop(control->loop, &request->io);
    ev_timer_stop(control->loop, &request->timer);
    request->out = open_memstream(&request->text, &request->text_length);
    if (request->out == NULL)
        abort();
    control->command(control->owner, request->line, request);
}

static void control_on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct control_request *request = io->data;
    ssize_t got = recv(request->fd, request->line + request->length,
                       sizeof(request->line) - 1 - request->length, MSG_DONTWAIT);

    (void)loop;
    (void)events;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        request->length += (size_t)got;
        request->line[request->length] = '\0';
        char *end = strchr(request->line, '\n');
        if (end == NULL && request->length < sizeof(request->line) - 1)
            return;
        if (end != NULL) {
            *end = '\0';
            control_dispatch(request);
            return;
        }
    }
    control_request_close(request);
}

static void control_on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    control_request_close(timer->data);
}

/* Root, or whoever gatepost itself is. */
static bool control_peer_allowed(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void control_on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    struct control *control = io->data;
    int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    if (fd < 0)
        return;
    struct control_request *request = control_peer_allowed(fd) ? calloc(1, sizeof(*request)) : NULL;
    if (request == NULL) {
        close(fd);
        return;
    }
    request->control = control;
    request->fd = fd;
    request->next = control->requests;
    control->requests = request;
    ev_io_init(&request->io, control_on_readable, fd, EV_READ);
    ev_timer_init(&request->timer, control_on_timeout, SERVE_TIMEOUT_SECONDS, 0.);
    request->io.data = request;
    request->timer.data = request;
    ev_io_start(loop, &request->io);
    ev_timer_start(loop, &request->timer);
}

/* Make the directory that PATH is in, if it is missing; one level. */
static void control_make_directory(const char *path)
{
    char *directory = strdup(path);
    char *slash = directory != NULL ? strrchr(directory, '/') : NULL;

    if (slash != NULL && slash != directory) {
        *slash = '\0';
        (void)mkdir(directory, 0755);
    }
    free(directory);
}

/* A listening socket at PATH that only its owner can use, or -1 after reporting to DIAG. */
static int control_bind(const char *path, struct diag *diag)
{
    control_make_directory(path);
    int other = unix_connect(path);
    if (other >= 0 || errno == EAGAIN) {
        diag_error(diag, "gatepost_control_socket = %s: gatepost is already running there", path);
        if (other >= 0)
            close(other);
        return -1;
    }
    int fd = unix_listen(path, 0177, NULL);
    if (fd < 0)
        diag_error(diag, "gatepost_control_socket = %s: %s", path, strerror(errno));
    return fd;
}

struct control *control_open(struct ev_loop *loop, const char *path, control_command *command,
                             void *owner, struct diag *diag)
{
    int fd = control_bind(path, diag);
    if (fd < 0)
        return NULL;
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL)
        abort();
    *control = (struct control){
        .loop = loop, .path = strdup(path), .fd = fd, .command = command, .owner = owner};
    if (control->path == NULL)
        abort();
    ev_io_init(&control->io, control_on_accept, fd, EV_READ);
    control->io.data = control;
    ev_io_start(loop, &control->io);
    return control;
}

void control_close(struct control *control)
{
    if (control == NULL)
        return;
    (void)unlink(control->path);
    control_forget(control);
}

void control_forget(struct control *control)
{
    if (control == NULL)
        return;
    while (control->requests != NULL) {
        struct control_request *request = control->requests;
        control->requests = request->next;
        control_request_free(request);
    }
    ev_io_stop(control->loop, &control->io);
    close(control->fd);
    free(control->path);
    free(control);
}

/* Copy the daemon's text after its status line. Returns the exit status. */
static int control_copy_answer(FILE *answer, FILE *out, FILE *error)
{
    char line[1024];

    if (fgets(line, sizeof(line), answer) == NULL) {
        fprintf(error, "gatepost: no answer from the daemon\n");
        return 1;
    }
    bool ok = strcmp(line, "ok\n") == 0;
    while (fgets(line, sizeof(line), answer) != NULL)
        fputs(line, ok ? out : error);
    return ok ? 0 : 1;
}

int control_ask(const char *path, const char *command, FILE *out, FILE *error)
{
    const struct timeval timeout = {.tv_sec = ASK_TIMEOUT_SECONDS};
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || !unix_address(path, &address) ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        fprintf(error, "gatepost: cannot reach the daemon at %s: %s\n", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return 1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    FILE *stream = fdopen(fd, "r+");
    if (stream == NULL)
        abort();
    fprintf(stream, "%s\n", command);
    fflush(stream);
    int status = control_copy_answer(stream, out, error);
    fclose(stream);
    return status;
}

int control_ask_text(const char *path, const char *command, char **text)
{
    char *texts[2] = {NULL, NULL};
    size_t lengths[2];
    FILE *files[2] = {open_memstream(&texts[0], &lengths[0]),
                      open_memstream(&texts[1], &lengths[1])};

    if (files[0] == NULL || files[1] == NULL)
        abort();
    int status = control_ask(path, command, files[0], files[1]);
    fclose(files[0]);
    fclose(files[1]);
    *text = texts[status];
    free(texts[1 - status]);
    return status;
}
