#include "proxy/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ASK_TIMEOUT_SECONDS 30
#define SERVE_TIMEOUT_SECONDS 5.

struct control {
    struct ev_loop *loop;
    char *path;
    int fd;
    ev_io io;
    control_command *command;
    void *owner;
};

/* One asker. */
struct control_client {
    struct control *control;
    int fd;
    ev_io io;
    ev_timer timer;
    size_t length;
    char line[CONTROL_LINE_MAX];
};

/* PATH as a socket address; false if it is too long. */
static bool control_address(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path))
        return false;
    strcpy(address->sun_path, path);
    return true;
}

static void control_client_close(struct control_client *client)
{
    ev_io_stop(client->control->loop, &client->io);
    ev_timer_stop(client->control->loop, &client->timer);
    close(client->fd);
    free(client);
}

/* Carry the command out and answer: a first line "ok" or "error", then the text. */
static void control_answer(struct control_client *client)
{
    struct control *control = client->control;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        return;
    bool known = control->command(control->owner, client->line, out);
    fclose(out);
    const char *status = known ? "ok\n" : "error\n";
    (void)!send(client->fd, status, strlen(status), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)!send(client->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    free(text);
}

static void control_on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct control_client *client = io->data;
    ssize_t got = recv(client->fd, client->line + client->length,
                       sizeof(client->line) - 1 - client->length, MSG_DONTWAIT);

    (void)loop;
    (void)events;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        client->length += (size_t)got;
        client->line[client->length] = '\0';
        char *end = strchr(client->line, '\n');
        if (end == NULL && client->length < sizeof(client->line) - 1)
            return;
        if (end != NULL) {
            *end = '\0';
            control_answer(client);
        }
    }
    control_client_close(client);
}

static void control_on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    control_client_close(timer->data);
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
    struct control_client *client = control_peer_allowed(fd) ? calloc(1, sizeof(*client)) : NULL;
    if (client == NULL) {
        close(fd);
        return;
    }
    client->control = control;
    client->fd = fd;
    ev_io_init(&client->io, control_on_readable, fd, EV_READ);
    ev_timer_init(&client->timer, control_on_timeout, SERVE_TIMEOUT_SECONDS, 0.);
    client->io.data = client;
    client->timer.data = client;
    ev_io_start(loop, &client->io);
    ev_timer_start(loop, &client->timer);
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

/* True if somebody answers at ADDRESS. */
static bool control_in_use(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool used = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

    if (fd >= 0)
        close(fd);
    return used;
}

/* A listening socket at PATH that only its owner can use, or -1 after reporting to DIAG. */
static int control_bind(const char *path, struct diag *diag)
{
    struct sockaddr_un address;
    const char *what = "name too long";
    int fd = -1;

    if (control_address(path, &address)) {
        control_make_directory(path);
        if (control_in_use(&address)) {
            diag_error(diag, "gatepost_control_socket = %s: gatepost is already running there",
                       path);
            return -1;
        }
        (void)unlink(path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        mode_t mask = umask(0177);
        bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
                  listen(fd, 16) == 0;
        int error = errno;
        umask(mask);
        if (ok)
            return fd;
        what = strerror(error);
    }
    if (fd >= 0)
        close(fd);
    diag_error(diag, "gatepost_control_socket = %s: %s", path, what);
    return -1;
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

    if (fd < 0 || !control_address(path, &address) ||
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
