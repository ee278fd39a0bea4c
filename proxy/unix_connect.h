/*
 * unix_connect.h: the addresses of UNIX-domain sockets, and connecting to a stream socket without
 * waiting.
 */
#ifndef GATEPOST_PROXY_UNIX_CONNECT_H
#define GATEPOST_PROXY_UNIX_CONNECT_H

#include <stdbool.h>
#include <sys/un.h>

/* PATH as an address. Returns false with errno if it is too long for one. */
bool unix_address(const char *path, struct sockaddr_un *address);

/* A connected, non-blocking, close-on-exec descriptor for the socket at PATH, or -1 with errno
 * (EAGAIN: its listen queue is full; unix(7)). */
int unix_connect(const char *path);

#endif
