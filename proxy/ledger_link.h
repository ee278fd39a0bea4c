/*
 * ledger_link.h: a worker's way to the ledger (observation.h). Observations are collected and sent
 * together, never waiting: while the ledger does not keep up and no more can be collected, they are
 * dropped and counted. Mail does not wait for statistics.
 */
#ifndef GATEPOST_PROXY_LEDGER_LINK_H
#define GATEPOST_PROXY_LEDGER_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/observation.h"

struct ledger_link;

/* FD, taken over, leads to the ledger; it is not waited for. DROPPED counts what this process has
 * dropped, ALL_DROPPED what those before it have dropped, too. NULL: out of memory. */
struct ledger_link *ledger_link_new(int fd, _Atomic uint64_t *dropped,
                                    _Atomic uint64_t *all_dropped);
/* Sends what was collected, as far as that can be done. LINK may be NULL. */
void ledger_link_free(struct ledger_link *link);

/* A session has ended. */
void ledger_link_session(struct ledger_link *link, const struct observation *session);

/* A ClientHello with DIGEST (OBSERVATION_DIGEST_SIZE bytes) has come, at NOW (unix seconds): sent
 * unless it was sent lately. */
void ledger_link_hello(struct ledger_link *link, const uint8_t *digest, const uint8_t *bytes,
                       size_t length, uint64_t now);

/* Does something wait to be sent? LINK may be NULL. */
bool ledger_link_waits(const struct ledger_link *link);

/* Send it. LINK may be NULL. */
void ledger_link_flush(struct ledger_link *link);

#endif
