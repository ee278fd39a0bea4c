/*
 * load_link.h: a client's connection, first in cleartext, then with OpenSSL.
 *
 * All calls are non-blocking. Reading and writing return the bytes that went through (at least 1),
 * LINK_AGAIN if the socket must become ready first, LINK_END if the server closed, LINK_FAILED
 * (with link->problem set). After LINK_AGAIN, link->wants says for what of EPOLLIN and EPOLLOUT to
 * wait.
 */
#ifndef GATEPOST_BENCH_LOAD_LINK_H
#define GATEPOST_BENCH_LOAD_LINK_H

#include <stdint.h>
#include <sys/types.h>

#include "tests/bench/load_plan.h"

enum { LINK_END = 0, LINK_AGAIN = -1, LINK_FAILED = -2 };

struct link {
    int fd;   /* -1: none */
    SSL *ssl; /* NULL: cleartext */
    uint32_t wants;
    const char *problem; /* a text that stays valid */
};

/* Begin to connect from the SOURCE-th of the plan's addresses; 0, or -1 with the problem set. */
int link_connect(struct link *link, const struct load_plan *plan, uint32_t source);

/* Begin TLS. 0, or -1. */
int link_tls(struct link *link, const struct load_plan *plan);

/* One step of the handshake: 1 when it is complete, else LINK_AGAIN or LINK_FAILED. */
int link_handshake(struct link *link);

ssize_t link_read(struct link *link, char *buffer, size_t size);
ssize_t link_write(struct link *link, const char *bytes, size_t length);

void link_close(struct link *link);

/* What every client speaks: VERSION of TLS ("1.2" or "1.3"), AES-128-GCM, X25519 (P-256 only as the
 * curve of certificates). NULL: no such version. */
SSL_CTX *link_context(const char *version);

#endif
