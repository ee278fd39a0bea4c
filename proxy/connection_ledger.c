#include "proxy/connection_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/connection.h"
#include "proxy/ledger_link.h"
#include "proxy/monotonic.h"

/* How long ago BEGAN was, at least a microsecond. */
static uint32_t since(uint64_t began)
{
    uint64_t passed = monotonic_us() - began;

    return passed == 0 ? 1 : passed > UINT32_MAX ? UINT32_MAX : (uint32_t)passed;
}

/* Is there a ledger? */
static bool wanted(const struct connection *connection)
{
    return connection->worker->ledger != NULL;
}

void connection_ledger_begin(struct connection *connection)
{
    connection->ledger.since = monotonic_us();
    connection->ledger.started = (uint32_t)time(NULL);
}

void connection_ledger_handshake(struct connection *connection)
{
    if (wanted(connection))
        tls_conn_record_hello(connection->tls);
    connection->ledger.began = monotonic_us();
}

void connection_ledger_handshaken(struct connection *connection, bool established)
{
    struct connection_ledger *ledger = &connection->ledger;
    struct tls_summary summary;

    ledger->tls = established ? OBSERVATION_TLS_ESTABLISHED : OBSERVATION_TLS_FAILED;
    ledger->handshake = established ? since(ledger->began) : 0;
    ledger->began = 0;
    if (established) {
        tls_conn_summary(connection->tls, &summary);
        metrics_count_handshake(connection->worker->metrics, &summary, ledger->handshake);
    }
    if (!wanted(connection))
        return;
    const struct tls_hello_record *hello = tls_conn_hello(connection->tls);
    if (hello != NULL)
        memcpy(ledger->digest, hello->digest, sizeof(ledger->digest));
    if (hello != NULL && hello->bytes != NULL)
        ledger_link_hello(connection->worker->ledger, hello->digest, hello->bytes, hello->length,
                          (uint64_t)time(NULL));
    tls_conn_forget_hello(connection->tls);
}

void connection_ledger_dial(struct connection *connection)
{
    connection->ledger.began = monotonic_us();
}

void connection_ledger_backend(struct connection *connection)
{
    struct connection_ledger *ledger = &connection->ledger;
    const struct relay *relay = connection->session.relay;

    if (ledger->began == 0 || relay == NULL || relay->state != RELAY_READY)
        return;
    uint32_t took = since(ledger->began);
    if (took > ledger->backend)
        ledger->backend = took;
    ledger->began = 0;
    metrics_observe(&connection->worker->metrics->backend_connect, took);
}

void connection_ledger_verdict(struct connection *connection)
{
    struct connection_ledger *ledger = &connection->ledger;
    const struct session *session = &connection->session;
    const struct relay *relay = session->relay;
    bool awaits = relay != NULL && relay_awaits_verdict(relay, false);
    bool accepted = session->tally.messages != ledger->accepted;

    if (ledger->asked != 0 && awaits && !accepted)
        return; /* for the same one as before */
    if (ledger->asked != 0 && (accepted || (relay != NULL && relay->state == RELAY_READY)))
        metrics_observe(&connection->worker->metrics->backend_reply, since(ledger->asked));
    ledger->asked = awaits ? monotonic_us() : 0;
    ledger->accepted = session->tally.messages;
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

/* Room for the words of put_policy. */
struct policy_place {
    char where[SESSION_PLACE_MAX];
    char line[OBSERVATION_LINE_MAX + 1];
};

/* What the line of the table that applied says. When the session began, as that it was chosen. */
static void write_line(const struct connection *connection, char out[OBSERVATION_LINE_MAX + 1])
{
    const struct session *session = &connection->session;
    struct policy_match match;
    bool found = policy_table_lookup(session->service->table, session->client.family,
                                     session->client.bytes, connection->ledger.started, &match) &&
                 match.line == session->policy_line;

    snprintf(out, OBSERVATION_LINE_MAX + 1, "%s %s", found ? match.prefix : "?",
             session->rule->words);
}

/* Which policy applied; PLACE holds the words. */
static void put_policy(const struct connection *connection, struct policy_place *place,
                       struct observation *observation)
{
    const struct session *session = &connection->session;

    observation->policy_where = observation_text(session_policy_place(session, place->where));
    observation->policy_level = observation_text(tls_rule_level_name(session->rule));
    observation->policy_file = observation->policy_where;
    if (session->policy_line != 0) {
        write_line(connection, place->line);
        observation->policy_file = observation_end(session->policy_file);
        observation->policy_line = observation_text(place->line);
    } else if (session->rule == session->service->second) {
        observation->policy_line = observation_text(session->rule->words);
    }
}

/* What TLS came to: texts are borrowed from SUMMARY and DETAILS. */
static void put_tls(const struct connection *connection, struct tls_summary *summary,
                    struct tls_ccert_details *details, struct observation *observation)
{
    if (connection->ledger.tls != OBSERVATION_TLS_ESTABLISHED)
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

/* Why TLS came to nothing. One that was given up by gatepost, since it stops, has no reason. */
static void put_failure(const struct connection *connection, struct observation *observation)
{
    const struct tls_failure_reason *reason =
        connection->tls != NULL ? tls_conn_failure(connection->tls) : NULL;

    if (reason == NULL)
        return;
    observation->failure_kind = observation_text(tls_failure_name(reason->kind));
    observation->failure_text = observation_text(reason->text);
}

void connection_ledger_end(struct connection *connection)
{
    struct connection_ledger *ledger = &connection->ledger;
    const struct session *session = &connection->session;
    struct tls_summary summary;
    struct tls_ccert_details details;
    struct policy_place place;

    if (!wanted(connection) || session->magic != SESSION_MAGIC)
        return;
    if (connection->tls != NULL && ledger->tls == OBSERVATION_TLS_NONE)
        connection_ledger_handshaken(connection, false); /* given up in the midst of it */
    struct observation observation = {.kind = OBSERVATION_SESSION,
                                      .time_start = ledger->started,
                                      .duration_ms = (monotonic_us() - ledger->since) / 1000,
                                      .tls = ledger->tls,
                                      .messages = session->tally.messages,
                                      .cleartext_messages = session->tally.cleartext,
                                      .bytes = session->tally.bytes,
                                      .handshake_us = ledger->handshake,
                                      .backend_us = ledger->backend};
    memcpy(observation.digest, ledger->digest, sizeof(observation.digest));
    put_client(session, &observation);
    observation.chance =
        session->rule == session->service->second ? OBSERVATION_CHANCE_USED : ledger->chance;
    put_policy(connection, &place, &observation);
    put_tls(connection, &summary, &details, &observation);
    put_failure(connection, &observation);
    ledger_link_session(connection->worker->ledger, &observation);
}
