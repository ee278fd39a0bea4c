/*
 * The header fields that gatepost puts on a message: Received, Received-TLS and Require-TLS-ESMTP;
 * and what they tell of, collected while the backend accepts the envelope.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proxy/escape.h"
#include "proxy/extensions.h"
#include "proxy/log.h"
#include "proxy/session_internal.h"

/* How Postfix's smtpd(8) tells cleanup(8) about REQUIRETLS across a content filter, and so across
 * the connection to the backend, which is cleartext (REQUIRETLS_README). */
static const char requiretls_field[] = "Require-TLS-ESMTP: yes\r\n";
#define REQUIRETLS_LENGTH (sizeof(requiretls_field) - 1)

size_t session_trace_reserve(const struct service *service)
{
    size_t reserve = RECEIVED_TLS_RESERVE;

    if (service->own_received)
        reserve += RECEIVED_MAX;
    if (service->requiretls)
        reserve += REQUIRETLS_LENGTH;
    return reserve;
}

/* The fields Received and Received-TLS, as far as they are wanted, as they would be now; ID and
 * RECIPIENT (or NULL) for the first. OUT has room for RELAY_HEADER_MAX. Returns the length. */
static size_t trace_write(struct session *session, const char *id, const char *recipient, char *out)
{
    const struct service *service = session->service;
    struct tls_summary summary;
    bool encrypted = session->tls && session->tls_questions->summary(session, &summary);
    const struct received_tls tls = {.helo = session->helo,
                                     .client = &session->client,
                                     .hostname = service->hostname,
                                     .summary = encrypted ? &summary : NULL,
                                     .ask_ccert = session->rule->policy->ask_ccert,
                                     .now = time(NULL)};
    const struct received received = {.helo = tls.helo,
                                      .client = tls.client,
                                      .hostname = tls.hostname,
                                      .summary = tls.summary,
                                      .ask_ccert = tls.ask_ccert,
                                      .esmtp = session->esmtp,
                                      .authenticated = session->authenticated,
                                      .utf8 = session->relay->message.utf8,
                                      .id = id,
                                      .recipient = recipient,
                                      .now = tls.now};
    size_t length = service->own_received ? received_format(&received, out) : 0;

    return length + (service->received_header ? received_tls_format(&tls, out + length) : 0);
}

size_t session_trace_length(struct session *session, bool requiretls)
{
    const char *longest_id = "0123456789ABCDEF";
    size_t length = trace_write(session, longest_id, NULL, session->relay->header);

    if (session->service->own_received)
        length += RECEIVED_MORE_MAX;
    if (requiretls)
        length += REQUIRETLS_LENGTH;
    return length;
}

/* The address in RCPT's "TO:<address>"; malloc'ed. NULL: it is not written like that. */
static char *recipient_address(const struct smtp_command *command)
{
    size_t end = smtp_path_end(command);
    const char *begin = memchr(command->args, '<', end);

    if (begin == NULL || command->args[end - 1] != '>')
        return NULL;
    begin++;
    size_t length = (size_t)(command->args + end - 1 - begin);
    if (memchr(begin, '\0', length) != NULL || length > RECEIVED_RECIPIENT_MAX)
        return NULL;
    char *address = strndup(begin, length);
    if (address == NULL)
        log_fatal("out of memory for an address");
    return address;
}

void session_trace_expect(struct session *session, const struct smtp_command *command,
                          bool requiretls)
{
    struct expect *expected = relay_expected(session->relay);

    expected->requiretls = requiretls;
    if (!session->service->own_received)
        return;
    expected->utf8 = command->verb == SMTP_MAIL && (extensions_used(command) & EXTENSION_UTF8) != 0;
    if (command->verb == SMTP_RCPT)
        expected->recipient = recipient_address(command);
}

void session_trace_accepted(struct session *session, const struct expect *expected)
{
    struct relay_message *message = &session->relay->message;

    if (expected->verb == SMTP_MAIL) {
        free(message->recipient);
        *message =
            (struct relay_message){.utf8 = expected->utf8, .requiretls = expected->requiretls};
    } else if (expected->verb == SMTP_RCPT && message->recipients++ == 0 &&
               expected->recipient != NULL) {
        message->recipient = strdup(expected->recipient);
        if (message->recipient == NULL)
            log_fatal("out of memory for an address");
    }
}

bool session_trace_waits(const struct session *session)
{
    const struct service *service = session->service;

    return (service->own_received || service->requiretls) && !session_is_quiet(session);
}

/* The message gets an id, which the log tells with all that it is wanted for. */
static void trace_make_id(struct session *session)
{
    static uint64_t last;
    struct relay *relay = session->relay;
    char namaddr[SESSION_NAMADDR_MAX];
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        now = (struct timespec){0};
    message_id_next(&last, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
                    (uint32_t)getpid(), relay->message.id);
    if (relay->state == RELAY_READY)
        log_info("%s: client=%s, backend=%s", relay->message.id, session_namaddr(session, namaddr),
                 relay->backend->name);
}

size_t session_trace_begin(struct session *session)
{
    struct relay *relay = session->relay;
    struct relay_message *message = &relay->message;

    if (session->service->own_received)
        trace_make_id(session);
    size_t length = trace_write(
        session, message->id, message->recipients == 1 ? message->recipient : NULL, relay->header);
    if (message->requiretls) {
        memcpy(relay->header + length, requiretls_field, REQUIRETLS_LENGTH);
        length += REQUIRETLS_LENGTH;
    }
    return length;
}

void session_trace_verdict(const struct session *session, const struct session_reply *arrived)
{
    const struct relay *relay = session->relay;
    size_t length = arrived->reply.length;
    char namaddr[SESSION_NAMADDR_MAX];
    char escaped[ESCAPE_TEXT_MAX];

    if (!session->service->own_received)
        return;
    while (length > 0 && (arrived->text[length - 1] == '\n' || arrived->text[length - 1] == '\r'))
        length--;
    log_info("%s: backend %s says \"%s\", for %s", relay->message.id, relay->backend->name,
             escape_text(arrived->text, length, escaped), session_namaddr(session, namaddr));
}
