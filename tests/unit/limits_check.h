/* limits_check.h: what the tests of limits.h share. */
#ifndef GATEPOST_TESTS_UNIT_LIMITS_CHECK_H
#define GATEPOST_TESTS_UNIT_LIMITS_CHECK_H

#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>

#include "proxy/limits.h"

/* A client connects: its place among all, then its own. */
static inline enum limits_verdict join(struct limits *limits, unsigned slot,
                                       const struct limits_rules *rules,
                                       const struct client_address *client, uint64_t now,
                                       struct limits_session *session, uint32_t *number)
{
    *session = (struct limits_session){0};
    *number = 0;
    if (limits_admit(limits, slot, session) != LIMITS_OK)
        return LIMITS_TOTAL;
    enum limits_verdict verdict = limits_connect(limits, slot, rules, client, now, session, number);
    if (verdict != LIMITS_OK)
        limits_disconnect(limits, slot, session, now);
    return verdict;
}

/* One client of many. */
static inline struct client_address numbered(uint32_t number)
{
    struct client_address client = {.family = AF_INET6, .bytes = {0x20, 0x01}};

    number = htonl(number);
    memcpy(client.bytes + 2, &number, sizeof number);
    return client;
}

#endif
