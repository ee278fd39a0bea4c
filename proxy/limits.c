/*
 * limits.c: limits over counters.
 */
#include "proxy/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proxy/limits_table.h"
#include "proxy/overload.h"
#include "proxy/siphash.h"

/* Room for this many times the sessions that there may be: a bucket that is full of clients that
 * are connected is then less likely than one in a million, with all sessions from different
 * clients. */
#define ROOM 4
/* Rates of clients that are not connected want to be kept as well. */
#define BUCKETS_MIN 1024

struct limits {
    struct siphash_key key;
    uint32_t sessions;
    uint32_t handshakes;
    struct limits_table table;
    struct overload *overload;
};

struct limits *limits_new(uint32_t sessions, uint32_t handshakes, unsigned slots)
{
    struct limits *limits = calloc(1, sizeof(*limits));
    uint32_t buckets = sessions / (LIMITS_WAYS / ROOM) + 1;

    if (limits == NULL)
        return NULL;
    if (sessions > LIMITS_SESSIONS_MAX) {
        errno = EINVAL;
    } else if ((limits->overload = overload_new()) != NULL &&
               getrandom(&limits->key, sizeof(limits->key), 0) == (ssize_t)sizeof(limits->key) &&
               limits_table_map(&limits->table, buckets > BUCKETS_MIN ? buckets : BUCKETS_MIN,
                                slots) == 0) {
        limits_set(limits, sessions, handshakes);
        return limits;
    }
    overload_free(limits->overload);
    free(limits);
    return NULL;
}

void limits_free(struct limits *limits)
{
    if (limits == NULL)
        return;
    limits_table_unmap(&limits->table);
    overload_free(limits->overload);
    free(limits);
}

void limits_set(struct limits *limits, uint32_t sessions, uint32_t handshakes)
{
    limits->sessions = sessions;
    limits->handshakes = handshakes;
}

/* How much is under way. */
static struct overload_counts count_all(const void *ctx)
{
    const struct limits *limits = ctx;

    return (struct overload_counts){.sessions = limits_sessions(limits),
                                    .handshakes = limits_handshakes(limits)};
}

/* A count, or a level, has changed. */
static void update_overload(struct limits *limits)
{
    overload_update(limits->overload, count_all, limits);
}

void limits_set_stress(struct limits *limits, const struct stress_levels *levels)
{
    overload_set_levels(limits->overload, levels);
    update_overload(limits);
}

bool limits_stressed(const struct limits *limits)
{
    return limits != NULL && limits_stress_changes(limits) % 2 != 0;
}

uint32_t limits_stress_changes(const struct limits *limits)
{
    return overload_changes(limits->overload);
}

/* What clients of one network at one service have in common. */
static uint64_t hash_client(const struct limits *limits, const struct limits_rules *rules,
                            const struct client_address *client)
{
    struct {
        uint8_t bytes[16];
        /* cppcheck-suppress unusedStructMember ; hashed with the whole */
        uint32_t service;
        /* cppcheck-suppress unusedStructMember ; likewise */
        uint32_t family;
    } subject = {.service = rules->service, .family = client->family};

    if (client->family != 0)
        memcpy(subject.bytes, client->bytes, sizeof(subject.bytes));
    client_address_mask(subject.bytes,
                        client->family == AF_INET ? rules->ipv4_prefix : rules->ipv6_prefix);
    return siphash(&limits->key, &subject, sizeof(subject));
}

/* Whether NUMBER is beyond LIMIT, if that is one. */
static bool exceeds(uint32_t number, uint32_t limit)
{
    return limit != 0 && number > limit;
}

/* The client's part of limits_connect. */
static enum limits_verdict connect_client(struct limits *limits, unsigned slot,
                                          const struct limits_rules *rules,
                                          const struct client_address *client, uint32_t now,
                                          struct limits_session *session, uint32_t *number)
{
    struct limits_table *table = &limits->table;
    uint32_t most = rules->connections != 0 ? rules->connections : LIMITS_HOLDERS_MAX;
    uint32_t entry;
    enum limits_taken taken = limits_table_take(table, slot, hash_client(limits, rules, client),
                                                most, now, &entry, number);

    if (taken == LIMITS_NO_ENTRY)
        return LIMITS_TOTAL;
    uint32_t rate =
        limits_table_event(table, entry, LIMITS_RATE_CONNECTIONS, now, rules->rate_unit);
    if (taken == LIMITS_AT_LIMIT) {
        ++*number;
        return LIMITS_TOO_MANY_CONNECTIONS;
    }
    if (exceeds(rate, rules->connection_rate)) {
        limits_table_drop(table, slot, entry, now);
        *number = rate;
        return LIMITS_RATE;
    }
    session->client = entry + 1;
    return LIMITS_OK;
}

enum limits_verdict limits_admit(struct limits *limits, unsigned slot,
                                 struct limits_session *session)
{
    session->counted =
        limits_table_take_fixed(&limits->table, slot, LIMITS_FIXED_SESSIONS, limits->sessions);
    update_overload(limits);
    return session->counted ? LIMITS_OK : LIMITS_TOTAL;
}

enum limits_verdict limits_connect(struct limits *limits, unsigned slot,
                                   const struct limits_rules *rules,
                                   const struct client_address *client, uint64_t now,
                                   struct limits_session *session, uint32_t *number)
{
    *number = 0;
    if (client == NULL)
        return LIMITS_OK;
    return connect_client(limits, slot, rules, client, (uint32_t)now, session, number);
}

/* The place of a handshake is free. */
static void drop_handshake(struct limits *limits, unsigned slot, struct limits_session *session)
{
    if (session->handshake)
        limits_table_drop_fixed(&limits->table, slot, LIMITS_FIXED_HANDSHAKES);
    session->handshake = false;
}

void limits_disconnect(struct limits *limits, unsigned slot, struct limits_session *session,
                       uint64_t now)
{
    drop_handshake(limits, slot, session);
    if (session->client != 0)
        limits_table_drop(&limits->table, slot, session->client - 1, (uint32_t)now);
    if (session->counted)
        limits_table_drop_fixed(&limits->table, slot, LIMITS_FIXED_SESSIONS);
    *session = (struct limits_session){0};
    update_overload(limits);
}

enum limits_verdict limits_message(struct limits *limits, const struct limits_rules *rules,
                                   const struct limits_session *session, uint64_t now,
                                   uint32_t *number)
{
    *number = 0;
    if (session->client != 0)
        *number = limits_table_event(&limits->table, session->client - 1, LIMITS_RATE_MESSAGES,
                                     (uint32_t)now, rules->rate_unit);
    return exceeds(*number, rules->message_rate) ? LIMITS_RATE : LIMITS_OK;
}

enum limits_verdict limits_tls_check(const struct limits *limits, const struct limits_rules *rules,
                                     const struct limits_session *session, uint64_t now,
                                     uint32_t *number)
{
    *number = 0;
    if (session->client != 0)
        *number = limits_table_events(&limits->table, session->client - 1, LIMITS_RATE_TLS,
                                      (uint32_t)now, rules->rate_unit);
    return exceeds(*number, rules->tls_rate) ? LIMITS_RATE : LIMITS_OK;
}

enum limits_verdict limits_tls_count(struct limits *limits, const struct limits_rules *rules,
                                     const struct limits_session *session, uint64_t now,
                                     uint32_t *number)
{
    *number = 0;
    if (session->client != 0)
        *number = limits_table_event(&limits->table, session->client - 1, LIMITS_RATE_TLS,
                                     (uint32_t)now, rules->rate_unit);
    return exceeds(*number, rules->tls_rate) ? LIMITS_RATE : LIMITS_OK;
}

enum limits_verdict limits_handshake_begin(struct limits *limits, unsigned slot,
                                           struct limits_session *session)
{
    if (!session->handshake)
        session->handshake = limits_table_take_fixed(&limits->table, slot, LIMITS_FIXED_HANDSHAKES,
                                                     limits->handshakes);
    update_overload(limits);
    return session->handshake ? LIMITS_OK : LIMITS_TOTAL;
}

void limits_handshake_end(struct limits *limits, unsigned slot, struct limits_session *session)
{
    drop_handshake(limits, slot, session);
    update_overload(limits);
}

void limits_worker_died(struct limits *limits, unsigned slot)
{
    limits_table_recover(&limits->table, slot);
    update_overload(limits);
}

uint32_t limits_sessions(const struct limits *limits)
{
    return limits_table_holders_fixed(&limits->table, LIMITS_FIXED_SESSIONS);
}

uint32_t limits_handshakes(const struct limits *limits)
{
    return limits_table_holders_fixed(&limits->table, LIMITS_FIXED_HANDSHAKES);
}

uint32_t limits_connections(const struct limits *limits, const struct limits_rules *rules,
                            const struct client_address *client)
{
    return limits_table_holders(&limits->table, hash_client(limits, rules, client));
}
