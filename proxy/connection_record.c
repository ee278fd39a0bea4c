#include "proxy/connection_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/connection.h"
#include "proxy/ledger_link.h"

#define PLACE_MAX 256

static const char main_configuration[] = "main configuration";

/* Microseconds of the monotonic clock. */
static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* How long ago BEGAN was, at least a microsecond. */
static uint32_t since(uint64_t began)
{
    uint64_t passed = now_us() - began;

    return passed == 0 ? 1 : passed > UINT32_MAX ? UINT32_MAX : (uint32_t)passed;
}

/* Is there a ledger? */
static bool wanted(const struct connection *connection)
{
    return connection->worker->ledger != NULL;
}

void connection_record_begin(struct connection *connection)
{
    if (!wanted(connection))
        return;
    connection->record.since = now_us();
    connection->record.started = (uint32_t)time(NULL);
}

void connection_record_handshake(struct connection *connection)
{
    if (!wanted(connection))
        return;
    tls_conn_record_hello(connection->tls);
    connection->record.began = now_us();
}

void connection_record_handshaken(struct connection *connection, const char *failure)
{
    struct connection_record *record = &connection->record;

    if (!wanted(connection))
        return;
    const struct tls_hello_record *hello = tls_conn_hello(connection->tls);
    record->tls = failure != NULL ? OBSERVATION_TLS_FAILED : OBSERVATION_TLS_ESTABLISHED;
    if (failure != NULL)
        record->failure = strdup(failure);
    else
        record->handshake = since(record->began);
    record->began = 0;
    if (hello != NULL)
        memcpy(record->digest, hello->digest, sizeof(record->digest));
    if (hello != NULL && hello->bytes != NULL)
        ledger_link_hello(connection->worker->ledger, hello->digest, hello->bytes, hello->length,
                          (uint64_t)time(NULL));
    tls_conn_forget_hello(connection->tls);
}

void connection_record_dial(struct connection *connection)
{
    if (wanted(connection))
        connection->record.began = now_us();
}

void connection_record_backend(struct connection *connection)
{
    struct connection_record *record = &connection->record;
    const struct relay *relay = connection->session.relay;

    if (record->began == 0 || relay == NULL || relay->state != RELAY_READY)
        return;
    uint32_t took = since(record->began);
    if (took > record->backend)
        record->backend = took;
    record->began = 0;
}

/* Who was at the other end. */
static void put_client(const struct session *session, struct observation *observation)
{
    const struct client_address *client = &session->client;

    observation->family = client->family == AF_INET ? 4 : client->family == AF_INET6 ? 6 : 0;
    memcpy(observation->address, client->bytes, observation->family == 4 ? 4 : 16);
    observation->helo = observation_text(session->helo);
    observation->listener = observation_text(session->service->name);
}

/* The level that RULE comes to. */
static const char *level_text(const struct tls_rule *rule)
{
    if (rule->reject)
        return "reject";
    switch (rule->policy->level) {
    case TLS_LEVEL_NONE:
        return "none";
    case TLS_LEVEL_MAY:
        return "may";
    case TLS_LEVEL_ENCRYPT:
        return "encrypt";
    }
    return "";
}

/* Which policy applied; PLACE holds the words. */
static void put_policy(const struct session *session, char place[PLACE_MAX],
                       struct observation *observation)
{
    if (session->policy_line == 0)
        snprintf(place, PLACE_MAX, "%s", main_configuration);
    else
        snprintf(place, PLACE_MAX, "%s, line %u", session->policy_file, session->policy_line);
    observation->policy_where = observation_text(place);
    observation->policy_level = observation_text(level_text(session->rule));
}

/* What TLS came to: texts are borrowed from SUMMARY and DETAILS. */
static void put_tls(const struct connection *connection, struct tls_summary *summary,
                    struct tls_ccert_details *details, struct observation *observation)
{
    if (connection->record.tls != OBSERVATION_TLS_ESTABLISHED)
        return;
    tls_conn_summary(connection->tls, summary);
    observation->resumed = summary->resumed;
    observation->protocol = observation_text(summary->protocol);
    observation->cipher = observation_text(summary->cipher);
    observation->group = observation_text(summary->key_exchange);
    observation->signature = observation_text(summary->server_signature);
    observation->ccert_status = observation_text(tls_peer_status_text(summary->peer));
    if (summary->peer == TLS_PEER_ANONYMOUS || !tls_conn_ccert_details(connection->tls, details))
        return;
    observation->ccert_subject = observation_text(summary->client_cn);
    observation->ccert_fingerprint = observation_text(details->fingerprint);
}

/* Why TLS came to nothing. */
static void put_failure(const struct connection *connection, struct observation *observation)
{
    const char *why = connection->record.failure;

    if (why == NULL)
        why = connection->session.refusal; /* the client's certificate, or that there is none */
    if (why == NULL)
        return;
    observation->failure_kind = observation_text("other");
    observation->failure_text = observation_text(why);
}

void connection_record_end(struct connection *connection)
{
    struct connection_record *record = &connection->record;
    const struct session *session = &connection->session;
    struct tls_summary summary;
    struct tls_ccert_details details;
    char place[PLACE_MAX];

    if (!wanted(connection) || session->magic != SESSION_MAGIC)
        return;
    /* It was given up in the midst of it. */
    if (connection->tls != NULL && record->tls == OBSERVATION_TLS_NONE)
        connection_record_handshaken(connection, "given up");
    struct observation observation = {.kind = OBSERVATION_SESSION,
                                      .time_start = record->started,
                                      .duration_ms = (now_us() - record->since) / 1000,
                                      .tls = record->tls,
                                      .messages = session->tally.messages,
                                      .cleartext_messages = session->tally.cleartext,
                                      .bytes = session->tally.bytes,
                                      .handshake_us = record->handshake,
                                      .backend_us = record->backend};
    memcpy(observation.digest, record->digest, sizeof(observation.digest));
    put_client(session, &observation);
    put_policy(session, place, &observation);
    put_tls(connection, &summary, &details, &observation);
    put_failure(connection, &observation);
    ledger_link_session(connection->worker->ledger, &observation);
    free(record->failure);
}
