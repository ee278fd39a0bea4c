/*
 * The commands of a mail transaction that need more than being passed on, and what passing on is:
 * the backend must be there, have what the client was promised, and be asked one thing at a time
 * unless it takes groups.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/extensions.h"
#include "proxy/log.h"
#include "proxy/session_internal.h"

bool session_is_quiet(const struct session *session)
{
    return session->relay == NULL || relay_head(session->relay) == NULL;
}

bool session_backend_ready(struct session *session)
{
    struct relay *relay = session->relay;

    if (relay == NULL) {
        session_setup_begin(session);
        return false;
    }
    if (relay->state != RELAY_READY || relay->barrier || relay_queue_full(relay) ||
        buffer_length(&relay->out) >= SESSION_OUT_HIGH)
        return false;
    return relay_head(relay) == NULL || (relay->pipelining && session->esmtp);
}

void session_forward(struct session *session, const struct smtp_command *command, const char *text,
                     size_t length, enum expect_kind kind)
{
    struct relay *relay = session->relay;

    buffer_append(&relay->out, text, length);
    buffer_append(&relay->out, "\r\n", 2);
    relay_expect(relay, kind, command->verb, NULL);
    relay->barrier = smtp_verb_last(command->verb) || kind == EXPECT_AUTH;
}
bool session_keeps_promise(struct session *session, unsigned used, enum session_verdict *verdict)
{
    unsigned missing = used & session->promised & ~session->relay->extensions;
    char why[100];

    *verdict = SESSION_VERDICT_DONE;
    if (missing == 0)
        return true;
    if (!session_is_quiet(session)) {
        *verdict = SESSION_VERDICT_BLOCK;
        return false;
    }
    snprintf(why, sizeof(why), "does not offer %s, which the client was promised and uses",
             extension_name(missing));
    session_backend_broken(session, why);
    return false;
}

/* Send MAIL, which stands in LINE, on: without REQUIRETLS, which the backend is told in another way
 * (session_trace.c), and with a SIZE= that counts what is added. */
static void transaction_send_mail(struct session *session, const struct smtp_command *command,
                                  const char *line, bool requiretls)
{
    size_t added = session_trace_length(session, requiretls) + SESSION_ADDED_MARGIN;
    size_t capacity = command->length + 32;
    char *plain = malloc(capacity);
    char *changed = malloc(capacity);

    if (plain == NULL || changed == NULL)
        log_fatal("out of memory for a command");
    size_t plain_length = smtp_command_without(command, line, "REQUIRETLS", plain);
    size_t length = smtp_mail_add_size(plain, plain_length, added, changed, capacity);
    if (length == 0)
        session_forward(session, command, plain, plain_length, EXPECT_REPLY);
    else
        session_forward(session, command, changed, length, EXPECT_REPLY);
    session_trace_expect(session, command, requiretls);
    free(plain);
    free(changed);
}

enum session_verdict session_command_mail(struct session *session,
                                          const struct smtp_command *command)
{
    const char *line = buffer_data(&session->client_in);
    bool requiretls = (extensions_used(command) & EXTENSION_REQUIRETLS) != 0;
    enum session_verdict verdict;

    if (!session_limits_mail(session)) {
        if (!session_is_quiet(session))
            return SESSION_VERDICT_BLOCK;
        session_limits_refuse_mail(session);
        return SESSION_VERDICT_DONE;
    }
    if (requiretls && !(session->tls && session->service->requiretls)) {
        session_answer(session, SMTP_MAIL, "555 5.5.4 Unsupported option: REQUIRETLS\r\n");
        return SESSION_VERDICT_DONE;
    }
    if (!session_backend_ready(session))
        return SESSION_VERDICT_BLOCK;
    if (!session_keeps_promise(session, extensions_used(command), &verdict))
        return verdict;
    session_content_reset(session->relay);
    session->chunks_refused = false;
    transaction_send_mail(session, command, line, requiretls);
    return SESSION_VERDICT_DONE;
}

enum session_verdict session_command_bdat(struct session *session,
                                          const struct smtp_command *command)
{
    char namaddr[SESSION_NAMADDR_MAX];
    uint64_t size;
    bool last;
    enum session_verdict verdict;

    if (smtp_bdat_parse(command, &size, &last) != 0) {
        if (!session_is_quiet(session))
            return SESSION_VERDICT_BLOCK;
        log_warning("NOQUEUE: malformed BDAT command syntax from %s: %.*s",
                    session_namaddr(session, namaddr),
                    (int)(command->length < 100 ? command->length : 100),
                    buffer_data(&session->client_in));
        session_last_words(session, SESSION_CLOSE_LINGER, "521 5.5.4 Syntax: BDAT count [LAST]");
        return SESSION_VERDICT_DONE;
    }
    session->where_text = "BDAT";
    if (session->chunks_refused) {
        if (!session_is_quiet(session))
            return SESSION_VERDICT_BLOCK;
        session_content_refuse_chunk(session, size, last);
        return SESSION_VERDICT_DONE;
    }
    if (!session_backend_ready(session))
        return SESSION_VERDICT_BLOCK;
    if (!session_keeps_promise(session, EXTENSION_CHUNKING, &verdict))
        return verdict;
    if ((session->relay->extensions & EXTENSION_CHUNKING) == 0) {
        if (!session_is_quiet(session))
            return SESSION_VERDICT_BLOCK;
        session_last_words(session, SESSION_CLOSE_LINGER,
                           "521 5.5.1 Error: command not implemented");
        return SESSION_VERDICT_DONE;
    }
    if (!session->relay->chunked && session_trace_waits(session))
        return SESSION_VERDICT_BLOCK;
    session_content_begin_chunk(session, size, last);
    return SESSION_VERDICT_DONE;
}
