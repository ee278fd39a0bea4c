/*
 * The whole session machine, with client bytes, backend bytes and events interleaved by the fuzzer.
 *
 * Input: one byte of settings, then records of one byte kind, one byte length, and as many bytes.
 * Whatever comes in, the client only ever gets complete, well-formed reply lines, and nothing is
 * leaked, overrun or left in a state that asserts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tls_policy.h"

#include "proxy/log.h"
#include "proxy/session.h"

static const char ehlo_reply[] =
    "250-back\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-AUTH PLAIN\r\n250 CHUNKING\r\n";

struct run {
    struct session session;
    struct service service;
    struct upstream upstream;
    struct backend backends[2];
    struct backend_mark marks[2];
    struct tls_policy policy;
    char line[1 << 18]; /* what the client was told and is not yet a whole line */
    size_t line_length;
};

/* No server name. */
static const char *no_name(const struct session *session)
{
    (void)session;
    return "";
}

/* No demands on certificates. */
static const char *no_refusal(const struct session *session)
{
    (void)session;
    return NULL;
}

static void no_log(void *ctx, enum log_severity severity, const char *text, size_t length)
{
    (void)ctx;
    (void)severity;
    (void)text;
    (void)length;
}

static bool summary(const struct session *session, struct tls_summary *out)
{
    *out = (struct tls_summary){.protocol = "TLSv1.3", .cipher = "TLS_AES_128_GCM_SHA256"};
    return session->tls;
}

static const struct session_tls fixed_tls = {
    .summary = summary, .refusal = no_refusal, .server_name = no_name};

/* A reply line: code, then a blank or a hyphen or nothing, then text, then CRLF. */
static void check_line(const char *line, size_t length)
{
    if (length < 5 || line[length - 2] != '\r')
        abort();
    if (line[0] < '2' || line[0] > '5' || line[1] < '0' || line[1] > '9' || line[2] < '0' ||
        line[2] > '9')
        abort();
    if (length > 5 && line[3] != ' ' && line[3] != '-')
        abort();
    if (memchr(line, '\r', length - 2) != NULL || memchr(line, '\0', length) != NULL)
        abort();
}

/* Look at what the client was sent, line by line. */
static void drain_client(struct run *run)
{
    struct buffer *out = &run->session.client_out;

    while (buffer_length(out) > 0) {
        char byte = *buffer_data(out);
        buffer_consume(out, 1);
        if (run->line_length == sizeof(run->line))
            abort();
        run->line[run->line_length++] = byte;
        if (byte == '\n') {
            check_line(run->line, run->line_length);
            run->line_length = 0;
        }
    }
}

static void begin(struct run *run, uint8_t flags)
{
    static char name[] = "fuzz";
    static const enum bare_newline modes[] = {BARE_NEWLINE_NO, BARE_NEWLINE_NORMALIZE,
                                              BARE_NEWLINE_NOTE, BARE_NEWLINE_REJECT};

    memset(run, 0, sizeof(*run));
    run->policy.level = (flags & 1) ? TLS_LEVEL_ENCRYPT : TLS_LEVEL_MAY;
    run->upstream.name = name;
    run->upstream.list = (struct backend_list){run->backends, 2};
    for (int i = 0; i < 2; i++) {
        run->backends[i].name = name;
        run->backends[i].mark = &run->marks[i];
    }
    run->upstream.handoff = (enum handoff)((flags >> 1) & 3);
    if (flags & 8)
        capabilities_parse(&run->backends[0].capabilities, ehlo_reply, sizeof(ehlo_reply) - 1);
    run->service = (struct service){
        .name = "fuzz",
        .main = {.policy = &run->policy, .tls = (struct tls_context *)1},
        .upstream = &run->upstream,
        .hostname = "mx.test",
        .banner = "mx.test ESMTP",
        .forbid_pipelining = (flags & 16) != 0,
        .received_header = true,
        .bare_newline = modes[(flags >> 5) & 3],
        .line_limit = 512,
    };
    run->session.client = (struct client_address){.family = AF_INET, .bytes = {192, 0, 2, 1}};
    run->session.server = run->session.client;
    session_begin(&run->session, &run->service, &fixed_tls);
    session_greet(&run->session, NULL, 0);
}

/* One event that is not bytes. */
static void event(struct run *run, uint8_t kind)
{
    struct session *session = &run->session;
    bool connecting = session->relay != NULL && session->relay->state == RELAY_CONNECTING;
    bool connected = session->relay != NULL &&
                     (session->relay->state == RELAY_SETUP || session->relay->state == RELAY_READY);

    session->wants_backend = false;
    if (kind == 2 && connecting)
        session_backend_connected(session);
    else if (kind == 3 && connecting)
        session_backend_failed(session, "connection refused");
    else if (kind == 4 && connected)
        session_backend_eof(session, 0);
    else if (kind == 5 && connected)
        session_backend_timeout(session);
    else if (kind == 6 && session->state == SESSION_STARTTLS)
        session_tls_established(session);
    else if (kind == 7)
        session_client_timeout(session);
    else if (kind == 8)
        session_drain(session, false);
    else if (kind == 9)
        session_client_eof(session);
    else if (kind == 10 && session->wants_capabilities) {
        session->wants_capabilities = false;
        capabilities_parse(&run->backends[0].capabilities, ehlo_reply, sizeof(ehlo_reply) - 1);
    }
}

/* The backend takes what it is sent; HALF: a part of it. */
static void take_some(struct run *run, bool half)
{
    size_t length = buffer_length(&run->session.relay->out);

    if (length > 0)
        relay_sent(run->session.relay, half ? (length + 1) / 2 : length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;

    if (size == 0)
        return 0;
    log_set_sink(no_log, NULL, NULL);
    begin(&run, data[0]);
    for (size_t at = 1; at + 2 <= size && run.session.ending == SESSION_GOES_ON;) {
        uint8_t kind = data[at] % 11;
        size_t length = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;
        const char *bytes = (const char *)data + at + 2;

        at += 2 + length;
        if (kind == 0 && session_waits_for_client(&run.session))
            buffer_append(&run.session.client_in, bytes, length);
        else if (kind == 1 && run.session.relay != NULL &&
                 (run.session.relay->state == RELAY_SETUP ||
                  run.session.relay->state == RELAY_READY))
            buffer_append(&run.session.relay->in, bytes, length);
        else
            event(&run, kind);
        session_run(&run.session);
        drain_client(&run);
        if (run.session.relay != NULL)
            take_some(&run, (data[0] & 128) != 0);
        if (session_is_lost(&run.session))
            break;
    }
    drain_client(&run);
    if (run.line_length != 0)
        abort();
    session_end(&run.session, NULL);
    return 0;
}
