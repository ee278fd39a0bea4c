/*
 * A session's way to a backend: choosing one, and setting the connection up. Until that is done
 * nothing of the client's was passed on but who it is, so that another backend can be tried in its
 * place; from then on the session belongs to that backend.
 */
#include <stdio.h>

#include "proxy/log.h"
#include "proxy/session_internal.h"

/* The words of this session for the set-up. */
static struct backend_setup_words setup_words(const struct session *session)
{
    return (struct backend_setup_words){
        .handoff = session->service->upstream->handoff,
        .hostname = session->service->hostname,
        .client = &session->client,
        .server = &session->server,
        .helo = session->helo,
        .esmtp = session->esmtp,
    };
}

void session_setup_begin(struct session *session)
{
    session->relay = relay_new(backend_choose(&session->service->upstream->list, 0));
    session->wants_backend = true;
}

bool session_setup_next(struct session *session, const char *why, enum backend_fault fault)
{
    const struct backend_list *list = &session->service->upstream->list;
    struct relay *relay = session->relay;
    char namaddr[SESSION_NAMADDR_MAX];

    if (relay->state != RELAY_CONNECTING && relay->state != RELAY_SETUP)
        return false;
    if (fault != BACKEND_FAULT_NONE)
        (void)backend_mark_failing(relay->backend, fault, session->limits.now);
    uint32_t tried = relay->tried | backend_bit(list, relay->backend);
    struct backend *next = backend_choose(list, tried);
    relay->softly = relay->softly || fault != BACKEND_FAULT_NONE;
    if (next == NULL)
        return false;
    log_warning("backend %s: %s; trying the next, for %s", relay->backend->name, why,
                session_namaddr(session, namaddr));
    relay_restart(relay, next, tried);
    session->wants_backend = true;
    return true;
}

void session_setup_ready(struct session *session)
{
    struct relay *relay = session->relay;
    const struct capabilities *capabilities = &relay->backend->capabilities;

    if (backend_mark_serving(relay->backend))
        log_info("backend %s: serves again", relay->backend->name);
    relay->state = RELAY_READY;
    relay->pipelining = session->helo != NULL && session->esmtp && capabilities->pipelining;
    relay->extensions = capabilities->extensions;
    session->blocked = false;
}

/* The backend will have nothing to do with this client, or with nobody just now: it says so with a
 * well-formed REPLY. If all do that, the client hears it. A 5xx among other failures is not for
 * the client: it may come from the wrong one of them. */
static void setup_refused(struct session *session, const struct session_reply *reply)
{
    struct relay *relay = session->relay;
    int code = reply->reply.code;
    int length = reply->reply.length > 80 ? 80 : (int)reply->reply.length;
    char namaddr[SESSION_NAMADDR_MAX];
    char why[200];

    while (length > 0 && (reply->text[length - 1] == '\n' || reply->text[length - 1] == '\r'))
        length--;
    snprintf(why, sizeof(why), "its %s is \"%.*s\"", backend_setup_stage_name(&relay->setup),
             length, reply->text);
    relay->softly = relay->softly || code < 500;
    if (session_setup_next(session, why, BACKEND_FAULT_NONE))
        return;
    if (relay->softly && code >= 500) {
        session_backend_broken(session, why);
        return;
    }
    log_info("backend %s: %s, for %s", relay->backend->name, why,
             session_namaddr(session, namaddr));
    session_backend_pass_on(session, reply, SMTP_UNKNOWN);
    session_command_answered(session);
    session_drop_relay(session);
    session->refusal = "the mail server refuses this session";
}

/* The backend does not know who the client is. */
static void setup_untold(struct session *session, const char *what)
{
    enum handoff handoff = session->service->upstream->handoff;
    char why[512];

    snprintf(why, sizeof(why),
             "cannot be told the client's address, so that it would take every client for "
             "localhost (%.40s): %s; refusing",
             what, upstream_handoff_hint(handoff));
    session->relay->softly = true;
    if (!session_setup_next(session, why, BACKEND_FAULT_NONE))
        session_backend_broken(session, why);
}

void session_setup_reply(struct session *session, const struct session_reply *reply)
{
    struct relay *relay = session->relay;
    const struct backend_setup_words words = setup_words(session);

    if (relay->setup.stage != BACKEND_SETUP_GREETING && buffer_length(&relay->out) > 0) {
        session_backend_nonsense(session, reply); /* what it would answer was not even sent */
        return;
    }
    switch (backend_setup_reply(&relay->setup, &words, reply->reply.code, reply->text,
                                reply->reply.length, &relay->out, &relay->backend->capabilities)) {
    case BACKEND_SETUP_MORE:
        return;
    case BACKEND_SETUP_READY:
        session_setup_ready(session);
        return;
    case BACKEND_SETUP_REFUSED:
        setup_refused(session, reply);
        return;
    case BACKEND_SETUP_UNTOLD:
        setup_untold(session, words.handoff == HANDOFF_XCLIENT
                                  ? "XCLIENT is not offered"
                                  : "the PROXY header was not understood");
        return;
    case BACKEND_SETUP_BROKEN:
        session_backend_nonsense(session, reply);
        return;
    }
}

void session_backend_connected(struct session *session)
{
    const struct backend_setup_words words = setup_words(session);

    session->relay->state = RELAY_SETUP;
    session_record_begin(session);
    if (!backend_setup_begin(&session->relay->setup, &words, &session->relay->out))
        session_backend_broken(session, "cannot be told the client's address; refusing");
}
