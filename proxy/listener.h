/*
 * listener.h: listening sockets.
 */
#ifndef GATEPOST_PROXY_LISTENER_H
#define GATEPOST_PROXY_LISTENER_H

#include <netdb.h>
#include <stddef.h>

#include "policy/diag.h"
#include "policy/endpoint.h"

/* The host of a listener whose port is the name of sockets that systemd passed. */
#define LISTENER_SYSTEMD "systemd"

/* One bound socket, and the listener (index into the list) that it belongs to. */
struct listener_socket {
    int fd;
    size_t spec;
};

struct listener_sockets {
    struct listener_socket *sockets;
    size_t count;
};

/*
 * Bind and listen for every element of LIST: all addresses its host resolves to; an empty host or
 * "*" is all IPv4 and all IPv6 addresses of the machine, as two sockets. A socket that PREVIOUS (or
 * NULL) or systemd has for an address is shared, so that no connection that waits on it is lost.
 * Sockets are non-blocking and close-on-exec. Returns 0, or -1 after reporting to DIAG (nothing
 * stays open).
 */
int listener_open(const struct listen_list *list, const struct listener_sockets *previous,
                  struct listener_sockets *sockets, struct diag *diag);
/* Duplicates of all sockets of PREVIOUS. Returns 0, or -1 after reporting to DIAG. */
int listener_copy(const struct listener_sockets *previous, struct listener_sockets *sockets,
                  struct diag *diag);

/* For other sockets than those of gatepost_listen: one new socket for ADDRESS, or -1 with errno; a
 * duplicate of the one that PREVIOUS (or NULL) has for ADDRESS, or -1; and FD, of a number SPEC, is
 * put among SOCKETS. */
int listener_bind(const struct addrinfo *address);
int listener_share(const struct listener_sockets *previous, const struct addrinfo *address);
void listener_add(struct listener_sockets *sockets, int fd, size_t spec);

void listener_close(struct listener_sockets *sockets);

#endif
