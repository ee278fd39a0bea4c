/*
 * generation_keys.h: what a generation and its key process say to each other, and the ways between
 * that and the workers. Part of generation.c; not for others.
 */
#ifndef GATEPOST_PROXY_GENERATION_KEYS_H
#define GATEPOST_PROXY_GENERATION_KEYS_H

#include "proxy/generation.h"

/* Make a socketpair between the key process and a worker: one end is sent to the key process.
 * Returns the other, or -1 after saying why not. */
int generation_keys_way(const struct generation *generation);

/* CHILD, a worker, has outlived its key process: show it the way to the new one. */
void generation_keys_pass(const struct generation *generation, const struct child *child);

enum generation_keys_event {
    GENERATION_KEYS_NOTHING,
    GENERATION_KEYS_GONE,
    GENERATION_KEYS_READY, /* it has loaded everything; chains and keys.ready are set */
    GENERATION_KEYS_STALE  /* the same, but not what its predecessor had loaded */
};

/* There is something to read on the key process's channel. */
enum generation_keys_event generation_keys_receive(struct generation *generation);

#endif
