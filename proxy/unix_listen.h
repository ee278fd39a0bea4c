/*
 * unix_listen.h: listening on UNIX-domain stream sockets.
 */
#ifndef GATEPOST_PROXY_UNIX_LISTEN_H
#define GATEPOST_PROXY_UNIX_LISTEN_H

#include <sys/types.h>

#include "proxy/listener.h"

/*
 * A non-blocking socket that listens at PATH: a duplicate of the one that PREVIOUS (or NULL) has,
 * or a new one, whose file has no mode bits of MASK. A socket there that nobody listens on any more
 * is replaced; nothing else is. Returns -1 with errno (EADDRINUSE: there is something).
 */
int unix_listen(const char *path, mode_t mask, const struct listener_sockets *previous);

#endif
