#include "proxy/session_chance.h"

#include "proxy/log.h"
#include "proxy/session.h"

bool session_chance_helps(enum tls_failure kind)
{
    switch (kind) {
    case TLS_FAILURE_PROTOCOL_TOO_OLD:
    case TLS_FAILURE_PROTOCOL_TOO_NEW:
    case TLS_FAILURE_NO_SHARED_PROTOCOL:
    case TLS_FAILURE_ONLY_RSA_KEY_EXCHANGE:
    case TLS_FAILURE_NO_SHARED_CIPHER:
    case TLS_FAILURE_NO_SHARED_GROUP:
    case TLS_FAILURE_NO_CERTIFICATE_TYPE:
    case TLS_FAILURE_CLIENT_ALERT:
        return true;
    default:
        return false;
    }
}

/* Whether there are second chances, and no line of the table is for the client. */
static bool takes_part(const struct session *session)
{
    return session->chance != NULL && session->service->second != NULL &&
           session->rule == &session->service->main;
}

void session_chance_begin(struct session *session)
{
    const struct service *service = session->service;
    char namaddr[SESSION_NAMADDR_MAX];

    if (!takes_part(session))
        return;
    session_namaddr(session, namaddr);
    switch (second_chance_ask(session->chance, &service->chance_rules, &session->client,
                              (uint32_t)session->limits.now)) {
    case SECOND_CHANCE_NONE:
        return;
    case SECOND_CHANCE_HAS:
        session->rule = service->second;
        session->policy_file = "gatepost_second_chance";
        log_info("second chance of %s: gatepost_second_chance holds", namaddr);
        return;
    case SECOND_CHANCE_ENDED:
        log_info("second chance of %s has ended", namaddr);
        return;
    }
}

bool session_chance_failed(const struct session *session)
{
    const struct tls_failure_reason *reason = session->tls_questions->failure(session);
    const struct service *service = session->service;
    char namaddr[SESSION_NAMADDR_MAX];

    if (reason == NULL || !takes_part(session) || !session_chance_helps(reason->kind) ||
        !second_chance_failed(session->chance, &service->chance_rules, &session->client,
                              (uint32_t)session->limits.now))
        return false;
    log_info("second chance of %s begins, for %u seconds, after %u failed TLS handshakes, the "
             "last since it %s",
             session_namaddr(session, namaddr), service->chance_rules.time,
             service->chance_rules.failures, reason->text);
    return true;
}

void session_chance_established(const struct session *session)
{
    if (takes_part(session))
        second_chance_forget(session->chance, &session->service->chance_rules, &session->client);
}
