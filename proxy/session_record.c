#include "proxy/session_record.h"

#include <stdio.h>
#include <string.h>

#include "policy/tls_policy.h"

#include "proxy/log.h"
#include "proxy/session.h"

/* A protocol's number on the wire; 0: not one that is known. */
static uint16_t version_number(const char *protocol)
{
    static const char *const names[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(protocol, names[i]) == 0)
            return (uint16_t)(TLS_VERSION_1_0 + i);
    return 0;
}

/* What TLS has come to. */
static void add_tls(const struct session *session, const struct tls_summary *summary,
                    struct session_facts *facts)
{
    struct tls_ccert_details ccert;

    facts->tls = true;
    facts->version = version_number(summary->protocol);
    facts->cipher_bits = summary->cipher_bits;
    snprintf(facts->protocol, sizeof(facts->protocol), "%s", summary->protocol);
    snprintf(facts->cipher, sizeof(facts->cipher), "%s", summary->cipher);
    if (session->tls_questions->ccert == NULL || !session->tls_questions->ccert(session, &ccert))
        return;
    facts->ccert =
        summary->peer == TLS_PEER_TRUSTED ? SESSION_CCERT_TRUSTED : SESSION_CCERT_UNTRUSTED;
    snprintf(facts->fingerprint, sizeof(facts->fingerprint), "%s", ccert.fingerprint);
    snprintf(facts->key_fingerprint, sizeof(facts->key_fingerprint), "%s", ccert.key_fingerprint);
}

void session_record_begin(struct session *session)
{
    struct session_record *record = &session->record;
    struct session_facts facts;
    struct tls_summary summary;
    char namaddr[SESSION_NAMADDR_MAX];

    if (record->table == NULL)
        return;
    session_record_end(session);
    memset(&facts, 0, sizeof(facts));
    facts.client = session->client;
    facts.server = session->server;
    if (session->tls && session->tls_questions->summary(session, &summary))
        add_tls(session, &summary, &facts);
    record->handle = session_table_add(record->table, record->slot, &facts);
    if (record->handle == 0)
        log_warning("no room to remember what protects the session of %s",
                    session_namaddr(session, namaddr));
}

void session_record_end(struct session *session)
{
    struct session_record *record = &session->record;

    if (record->handle != 0)
        session_table_remove(record->table, record->slot, record->handle);
    record->handle = 0;
}
