/*
 * second_chance.h: who has failed TLS handshakes, and who therefore gets gatepost_second_chance for
 * a while; in memory that the master maps before it forks, for all workers and over reloads.
 *
 * An address is counted with all others of its network, and found by a keyed hash. Room is bounded:
 * who comes from ever new addresses makes gatepost forget the oldest failures first, then the
 * oldest chances, and nothing grows. Nobody waits: an entry changes with compare-and-swaps, and a
 * worker that dies in the midst of one costs at most that entry for a moment.
 *
 * Times are seconds of a clock that does not jump and is the same in all processes.
 */
#ifndef GATEPOST_PROXY_SECOND_CHANCE_H
#define GATEPOST_PROXY_SECOND_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/client_address.h"

#define SECOND_CHANCE_ENTRIES 16384u

/* What was configured. */
struct second_chance_rules {
    uint32_t failures; /* gatepost_second_chance_failures, at least 1 */
    uint32_t time;     /* gatepost_second_chance_time, seconds */
    uint8_t ipv4_prefix;
    uint8_t ipv6_prefix;
};

enum second_chance_state {
    SECOND_CHANCE_NONE,
    SECOND_CHANCE_HAS,
    SECOND_CHANCE_ENDED /* it is over; said once */
};

struct second_chance;

/* Returns NULL with errno. To be called before the fork; the result is good in all children. */
struct second_chance *second_chance_new(void);
void second_chance_free(struct second_chance *chance); /* NULL does no harm */

/* A client has come: whether it has a chance. One that it has counts as used. */
enum second_chance_state second_chance_ask(struct second_chance *chance,
                                           const struct second_chance_rules *rules,
                                           const struct client_address *client, uint32_t now);

/* A handshake of CLIENT has failed under the main policy. Failures count within rules->time of the
 * first. True: a chance begins. */
bool second_chance_failed(struct second_chance *chance, const struct second_chance_rules *rules,
                          const struct client_address *client, uint32_t now);

/* A handshake was good under the main policy: failures are forgotten. */
void second_chance_forget(struct second_chance *chance, const struct second_chance_rules *rules,
                          const struct client_address *client);

/* For how many seconds CLIENT has a chance yet; 0: none. Changes nothing. */
uint32_t second_chance_left(const struct second_chance *chance,
                            const struct second_chance_rules *rules,
                            const struct client_address *client, uint32_t now);

/* What there was, in all processes. */
struct second_chance_counts {
    uint32_t present; /* addresses that have one now */
    uint64_t begun;
    uint64_t used; /* sessions */
};
struct second_chance_counts second_chance_count(const struct second_chance *chance,
                                                const struct second_chance_rules *rules,
                                                uint32_t now);

#endif
