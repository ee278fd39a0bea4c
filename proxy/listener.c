#include "proxy/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/activation.h"

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

int listener_bind(const struct addrinfo *address)
{
    const int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (address->ai_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int listener_share(const struct listener_sockets *previous, const struct addrinfo *address)
{
    for (size_t i = 0; previous != NULL && i < previous->count; i++) {
        struct sockaddr_storage bound;
        socklen_t length = sizeof(bound);
        if (getsockname(previous->sockets[i].fd, (struct sockaddr *)&bound, &length) == 0 &&
            length == address->ai_addrlen && memcmp(&bound, address->ai_addr, length) == 0)
            return fcntl(previous->sockets[i].fd, F_DUPFD_CLOEXEC, 0);
    }
    return -1;
}

/* Each reply is to go out at once: what is accepted inherits that from the socket it came in by. */
void listener_add(struct listener_sockets *sockets, int fd, size_t spec)
{
    const int on = 1;
    struct listener_socket *larger =
        realloc(sockets->sockets, (sockets->count + 1) * sizeof(*larger));
    if (larger == NULL)
        abort();
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    sockets->sockets = larger;
    sockets->sockets[sockets->count++] = (struct listener_socket){.fd = fd, .spec = spec};
}

/* The sockets that systemd passed under a name: "systemd:NAME". */
static int listener_open_passed(const struct listen_spec *spec, size_t index,
                                struct listener_sockets *sockets, struct diag *diag)
{
    size_t before = sockets->count;
    size_t cursor = 0;
    int fd;

    while ((fd = activation_by_name(spec->endpoint.port, &cursor)) >= 0)
        listener_add(sockets, fd, index);
    if (sockets->count > before)
        return 0;
    diag_error(diag,
               "gatepost_listen: %s: systemd passed no socket of that name (FileDescriptorName= in "
               "the socket unit)",
               spec->name);
    return -1;
}

/* All addresses of one listener. A family that the machine does not have is no error as long as
 * another one works. */
static int listener_open_one(const struct listen_spec *spec, size_t index,
                             const struct listener_sockets *previous,
                             struct listener_sockets *sockets, struct diag *diag)
{
    const struct endpoint *endpoint = &spec->endpoint;
    bool any = endpoint->host[0] == '\0' || strcmp(endpoint->host, "*") == 0;
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    size_t before = sockets->count;

    if (strcmp(endpoint->host, LISTENER_SYSTEMD) == 0)
        return listener_open_passed(spec, index, sockets, diag);
    int failure = getaddrinfo(any ? NULL : endpoint->host, endpoint->port, &hints, &found);

    if (failure != 0) {
        diag_error(diag, "gatepost_listen: %s: %s", spec->name, gai_strerror(failure));
        return -1;
    }
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        int fd = listener_share(previous, one);
        if (fd < 0)
            fd = activation_by_address(one->ai_addr, one->ai_addrlen);
        if (fd < 0 && any && activation_covers(one->ai_addr))
            continue;
        if (fd < 0)
            fd = listener_bind(one);
        if (fd >= 0) {
            listener_add(sockets, fd, index);
        } else if (!(any && errno == EAFNOSUPPORT)) {
            diag_error(diag, "gatepost_listen: cannot listen on %s: %s", spec->name,
                       strerror(errno));
            freeaddrinfo(found);
            return -1;
        }
    }
    freeaddrinfo(found);
    if (sockets->count == before) {
        diag_error(diag, "gatepost_listen: %s: no usable address", spec->name);
        return -1;
    }
    return 0;
}

int listener_open(const struct listen_list *list, const struct listener_sockets *previous,
                  struct listener_sockets *sockets, struct diag *diag)
{
    *sockets = (struct listener_sockets){0};
    for (size_t i = 0; i < list->count; i++)
        if (listener_open_one(&list->specs[i], i, previous, sockets, diag) != 0) {
            listener_close(sockets);
            return -1;
        }
    activation_report_unused(diag);
    return 0;
}

int listener_copy(const struct listener_sockets *previous, struct listener_sockets *sockets,
                  struct diag *diag)
{
    *sockets = (struct listener_sockets){0};
    for (size_t i = 0; i < previous->count; i++) {
        int fd = fcntl(previous->sockets[i].fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            diag_error(diag, "cannot duplicate a listening socket: %s", strerror(errno));
            listener_close(sockets);
            return -1;
        }
        listener_add(sockets, fd, previous->sockets[i].spec);
    }
    return 0;
}

void listener_close(struct listener_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++)
        close(sockets->sockets[i].fd);
    free(sockets->sockets);
    *sockets = (struct listener_sockets){0};
}
