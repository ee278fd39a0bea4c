/*
 * unix_connect.h: connecting to a UNIX stream socket without waiting.
 */
#ifndef GATEPOST_PROXY_UNIX_CONNECT_H
#define GATEPOST_PROXY_UNIX_CONNECT_H

/* A connected, non-blocking, close-on-exec descriptor for the socket at PATH, or -1 with errno
 * (EAGAIN: its listen queue is full; unix(7)). */
int unix_connect(const char *path);

#endif
