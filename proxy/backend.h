/*
 * backend.h: one address that mail may go to, and the choice between several. They are used in the
 * order of gatepost_backend; one that does not serve is passed over while another may, until
 * somebody finds that it serves again.
 *
 * Whether it serves is a mark in memory that all workers share: what one of them finds out, all
 * know. What it can do is known to each worker by itself. Pure: no socket, no clock.
 */
#ifndef GATEPOST_PROXY_BACKEND_H
#define GATEPOST_PROXY_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proxy/capabilities.h"

#define BACKENDS_MAX 32 /* addresses of one listener's backends */

/* What is wrong with it, as "gatepost status" says it. */
#define BACKEND_FAULTS(X)                                                                          \
    X(NONE, "serves")                                                                              \
    X(CONNECT, "cannot be connected to")                                                           \
    X(GREETING, "does not greet")                                                                  \
    X(SETUP, "does not answer")                                                                    \
    X(HANDOFF, "cannot be told the client's address")

enum backend_fault {
#define X(id, text) BACKEND_FAULT_##id,
    BACKEND_FAULTS(X)
#undef X
        BACKEND_FAULT_COUNT
};

/* Shared between processes; no more than a hint, so none of them need be trusted with it. */
struct backend_mark {
    _Atomic uint32_t fault; /* enum backend_fault */
    _Atomic uint64_t since; /* seconds of the monotonic clock */
};

struct backend {
    char *name;       /* for logs: the element of gatepost_backend. Owned. */
    const char *path; /* of a UNIX socket, else NULL. Borrowed. */
    struct sockaddr_storage address;
    socklen_t address_length;
    struct backend_mark *mark; /* borrowed */
    /* What a worker knows by itself. */
    struct capabilities capabilities;
    bool probing;
    bool unreachable; /* the last probe failed */
};

struct backend_list {
    struct backend *backends;
    size_t count; /* at least 1 */
};

/* It does not serve because of FAULT. True if that is news. */
bool backend_mark_failing(const struct backend *backend, enum backend_fault fault, uint64_t now);
/* It serves. True if that is news. */
bool backend_mark_serving(const struct backend *backend);
bool backend_is_failing(const struct backend *backend);

/* The one to use: the first that serves; if none is known to, the first. TRIED is a set of indices
 * (bits) that are out of the question; NULL: no other is left. */
struct backend *backend_choose(const struct backend_list *list, uint32_t tried);

/* The bit of BACKEND in such a set. */
uint32_t backend_bit(const struct backend_list *list, const struct backend *backend);

/* What a client may be promised now: what the backend can do that would be chosen. NULL: that is
 * not known yet. */
const struct capabilities *backend_capabilities(const struct backend_list *list);

/* Nothing is known of any, and nothing is likely to be soon. */
bool backend_is_hopeless(const struct backend_list *list);

const char *backend_fault_text(enum backend_fault fault);

#endif
