#include "proxy/session_chance.h"

#include <string.h>

#include "proxy/log.h"
#include "proxy/session.h"

/* Parts of the reasons that no policy helps against. */
static const char *const helpless[] = {
    "bad certificate", "certificate expired",  "certificate revoked", "certificate unknown",
    "http request",    "https proxy request",  "unknown ca",          "unsupported certificate",
    "user cancelled",  "wrong version number", "unknown error",       "access denied"};

bool session_chance_helps(const char *reason)
{
    for (size_t i = 0; i < sizeof(helpless) / sizeof(helpless[0]); i++)
        if (strstr(reason, helpless[i]) != NULL)
            return false;
    return true;
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
        log_info("second chance of %s: gatepost_second_chance holds", namaddr);
        return;
    case SECOND_CHANCE_ENDED:
        log_info("second chance of %s has ended", namaddr);
        return;
    }
}

void session_chance_failed(const struct session *session, const char *reason)
{
    const struct service *service = session->service;
    char namaddr[SESSION_NAMADDR_MAX];

    if (!takes_part(session) || !session_chance_helps(reason) ||
        !second_chance_failed(session->chance, &service->chance_rules, &session->client,
                              (uint32_t)session->limits.now))
        return;
    log_info("second chance of %s begins, for %u seconds, after %u failed TLS handshakes: the "
             "last was %s",
             session_namaddr(session, namaddr), service->chance_rules.time,
             service->chance_rules.failures, reason);
}

void session_chance_established(const struct session *session)
{
    if (takes_part(session))
        second_chance_forget(session->chance, &session->service->chance_rules, &session->client);
}
