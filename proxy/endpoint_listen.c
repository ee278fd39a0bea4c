#include "proxy/endpoint_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/unix_listen.h"

/* A socket for ADDRESS, shared or new. Returns -1 with errno. */
static int listen_on(const struct addrinfo *address, const struct listener_sockets *previous)
{
    int fd = listener_share(previous, address);

    return fd >= 0 ? fd : listener_bind(address);
}

/* Addresses of this host only: whoever else could ask would learn who sends mail here. */
static bool is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* All addresses of ENDPOINT. */
static int listen_inet(const struct endpoint *endpoint, const char *param, const char *exposes,
                       const struct listener_sockets *previous, struct listener_sockets *sockets,
                       struct diag *diag)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int status = 0;
    int failure = getaddrinfo(endpoint->host, endpoint->port, &hints, &found);

    if (failure != 0) {
        diag_error(diag, "%s: %s:%s: %s", param, endpoint->host, endpoint->port,
                   gai_strerror(failure));
        return -1;
    }
    for (const struct addrinfo *one = found; one != NULL && status == 0; one = one->ai_next) {
        int fd = listen_on(one, previous);
        if (fd < 0) {
            diag_error(diag, "%s: cannot listen on %s:%s: %s", param, endpoint->host,
                       endpoint->port, strerror(errno));
            status = -1;
            continue;
        }
        listener_add(sockets, fd, 0);
        if (!is_local(one->ai_addr))
            diag_warning(diag, "%s: %s:%s can be reached from other hosts: %s", param,
                         endpoint->host, endpoint->port, exposes);
    }
    freeaddrinfo(found);
    return status;
}

/* The socket of ENDPOINT. */
static int listen_unix(const struct endpoint *endpoint, const char *param,
                       const struct listener_sockets *previous, struct listener_sockets *sockets,
                       struct diag *diag)
{
    int fd = unix_listen(endpoint->path, 0111, previous);

    if (fd >= 0) {
        listener_add(sockets, fd, 0);
        return 0;
    }
    diag_error(diag, "%s: cannot listen on unix:%s: %s", param, endpoint->path, strerror(errno));
    return -1;
}

int endpoint_listen(const struct endpoint *endpoint, const char *param, const char *exposes,
                    const struct listener_sockets *previous, struct listener_sockets *sockets,
                    struct diag *diag)
{
    return endpoint->kind == ENDPOINT_UNIX
               ? listen_unix(endpoint, param, previous, sockets, diag)
               : listen_inet(endpoint, param, exposes, previous, sockets, diag);
}
