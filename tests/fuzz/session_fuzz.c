/*
 * session_fuzz.c: the whole session machine, with client bytes, backend bytes and events
 * interleaved by the fuzzer, under the eyes of smtp_model.h. Besides what that checks: what waits
 * in buffers is bounded, STARTTLS leaves nothing behind, a session that goes on waits for somebody,
 * and none lasts when both ends are gone.
 *
 * Input: three bytes of settings, then records. A record begins with a byte that says what happens
 * (EVENTS; other bytes stand for one of them) and ends before the next RECORD_END.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tls_policy.h"

#include "proxy/session.h"
#include "proxy/smtp_reply.h"
#include "tests/fuzz/smtp_model.h"
#include "tests/unit/session_stage.h"

#define RECORD_END '\x1e'
#define LINE_LIMIT 512
#define READ_MAX 65536
#define REPEAT_MAX 16384
#define STEPS_TO_THE_END 20000 /* each reply may be followed by a pause */

/* Client and backend bytes; connected, failed, end of file, timeout; TLS; client's timeout, drain,
 * now, end of file; probe good, failed; hold either end's output or let it flow; end of a pause;
 * client and backend bytes many times over (which takes long, so no other byte stands for it). */
static const char EVENTS[] = "CBoxetTKdDzpuhHwcb";

static const char ehlo_reply[] =
    "250-back\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-AUTH PLAIN\r\n250 CHUNKING\r\n";

struct run {
    struct session session;
    struct service service;
    struct upstream upstream;
    struct backend backends[2];
    struct backend_mark marks[2];
    struct tls_policy policy;
    struct smtp_model *model;
    size_t client_seen; /* bytes of client_out that the model has seen */
    size_t backend_seen;
    const struct relay *relay; /* that the model knows; NULL: none */
    bool client_held;          /* nobody takes client_out */
    bool backend_held;
};

static void require(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "session: %s\n", what);
        abort();
    }
}

/* True if the relay is connected. */
static bool is_open(const struct session *session)
{
    return session->relay != NULL &&
           (session->relay->state == RELAY_SETUP || session->relay->state == RELAY_READY);
}

/* Memory is bounded, whatever is sent and whoever does not listen. */
static void check_bounds(const struct session *session)
{
    const struct relay *relay = session->relay;

    require(buffer_length(&session->client_in) <= 2 * READ_MAX, "client_in is too long");
    require(buffer_length(&session->client_out) <=
                SESSION_REPLIES_HIGH + 2 * SMTP_REPLY_MAX + CAPABILITIES_REPLY_MAX + 8192,
            "client_out is too long");
    if (relay == NULL)
        return;
    require(buffer_length(&relay->in) <= SMTP_REPLY_MAX + READ_MAX, "relay->in is too long");
    require(buffer_length(&relay->out) <=
                SESSION_OUT_HIGH + 2 * (2 * READ_MAX + DATA_STREAM_ROOM_MIN),
            "relay->out is too long");
}

/* A session that goes on waits for somebody. */
static void check_waits(const struct session *session)
{
    if (session->ending != SESSION_GOES_ON || session_is_lost(session) || session->limits.pause ||
        session->state == SESSION_STARTTLS || session->state == SESSION_WRAPPER)
        return;
    require(session_waits_for_client(session) || buffer_length(&session->client_out) > 0 ||
                session_waits_for_backend(session),
            "it waits for nobody");
}

/* Show the model what is new, and let it flow. True if something did. */
static bool watch(struct run *run)
{
    struct session *session = &run->session;
    struct buffer *out = &session->client_out;
    bool open = is_open(session);
    bool flowed = false;

    check_bounds(session);
    if (buffer_length(out) > run->client_seen)
        smtp_model_client_got(run->model, buffer_data(out) + run->client_seen,
                              buffer_length(out) - run->client_seen);
    run->client_seen = buffer_length(out);
    if (!run->client_held) {
        flowed = buffer_length(out) > 0;
        buffer_free(out);
        run->client_seen = 0;
    }
    if (run->relay != NULL && (!open || session->relay != run->relay)) {
        smtp_model_backend_closed(run->model);
        run->relay = NULL;
    }
    if (open) {
        struct buffer *to = &session->relay->out;
        require(session->relay == run->relay, "a backend that nobody opened");
        if (buffer_length(to) > run->backend_seen)
            smtp_model_backend_got(run->model, buffer_data(to) + run->backend_seen,
                                   buffer_length(to) - run->backend_seen);
        run->backend_seen = buffer_length(to);
        if (!run->backend_held) {
            flowed = flowed || buffer_length(to) > 0;
            relay_sent(session->relay, buffer_length(to));
            run->backend_seen = 0;
        }
    }
    return flowed;
}

/* After the handshake nothing is known of what was said before. */
static void establish(struct run *run)
{
    struct session *session = &run->session;
    bool implicit = session->state == SESSION_WRAPPER;

    require(buffer_length(&session->client_in) == 0, "cleartext waits behind STARTTLS");
    smtp_model_secured(run->model, implicit);
    session_tls_established(session);
    require(session->helo == NULL && !session->esmtp && !session->authenticated &&
                !session->transaction && session->relay == NULL &&
                buffer_length(&session->client_in) == 0 && session->discard == NULL,
            "STARTTLS left something behind");
}

/* Bytes of one end, as far as the driver would read them; REPEAT: many times over. */
static void bytes(struct run *run, bool client, const char *data, size_t length, bool repeat)
{
    struct session *session = &run->session;
    static char text[READ_MAX];
    size_t total = length;

    if (client ? !session_waits_for_client(session)
               : !is_open(session) || buffer_length(&session->client_out) >= SESSION_REPLIES_HIGH ||
                     buffer_length(&session->relay->in) >= SMTP_REPLY_MAX)
        return;
    if (length > READ_MAX || length == 0)
        return;
    memcpy(text, data, length);
    if (repeat)
        for (; total + length <= REPEAT_MAX; total += length)
            memcpy(text + total, data, length);
    if (client)
        smtp_model_client_sent(run->model, text, total);
    else
        smtp_model_backend_sent(run->model, text, total);
    buffer_append(client ? &session->client_in : &session->relay->in, text, total);
}

/* A backend that was asked for is connected. */
static void connect_backend(struct run *run)
{
    smtp_model_backend_opened(run->model);
    run->relay = run->session.relay;
    run->backend_seen = 0;
    session_backend_connected(&run->session);
}

/* Something about the backend that is not bytes. */
static void backend_event(struct run *run, char kind)
{
    struct session *session = &run->session;
    bool connecting = session->relay != NULL && session->relay->state == RELAY_CONNECTING;

    if (connecting)
        session->wants_backend = false;
    if (kind == 'o' && connecting)
        connect_backend(run);
    else if (kind == 'x' && connecting)
        session_backend_failed(session, "connection refused");
    else if (kind == 'e' && is_open(session) && !session->limits.pause)
        session_backend_eof(session, 0);
    else if (kind == 't' && is_open(session) && session_waits_for_backend(session))
        session_backend_timeout(session);
    else if ((kind == 'p' || kind == 'u') && session->wants_capabilities) {
        session->wants_capabilities = false;
        for (int i = 0; kind == 'u' && i < 2; i++) {
            run->backends[i].unreachable = true;
            backend_mark_failing(&run->backends[i], BACKEND_FAULT_CONNECT, 1);
        }
        if (kind == 'p')
            capabilities_parse(&run->backends[0].capabilities, ehlo_reply, sizeof(ehlo_reply) - 1);
    }
}

/* Something else that is not bytes. */
static void other_event(struct run *run, char kind)
{
    struct session *session = &run->session;
    bool handshake = session->state == SESSION_STARTTLS || session->state == SESSION_WRAPPER;

    if (kind == 'T' && handshake && buffer_length(&session->client_out) == 0)
        establish(run);
    else if (kind == 'K' && !handshake && !session_waits_for_backend(session))
        session_client_timeout(session);
    else if ((kind == 'd' || kind == 'D') && !handshake)
        session_drain(session, kind == 'D');
    else if (kind == 'z')
        session_client_eof(session);
    else if (kind == 'h')
        run->client_held = !run->client_held;
    else if (kind == 'H')
        run->backend_held = !run->backend_held;
    else if (kind == 'w')
        session->limits.pause = false;
    else
        backend_event(run, kind);
}

static void step(struct run *run, char kind, const char *data, size_t length)
{
    if (kind == 'C' || kind == 'c')
        bytes(run, true, data, length, kind == 'c');
    else if (kind == 'B' || kind == 'b')
        bytes(run, false, data, length, kind == 'b');
    else
        other_event(run, kind);
    do
        session_run(&run->session);
    while (watch(run) && run->session.ending == SESSION_GOES_ON);
    check_waits(&run->session);
}

/* True if the driver would close the connection now. */
static bool is_over(const struct session *session)
{
    return session->ending != SESSION_GOES_ON || session->state == SESSION_ENDING ||
           session_is_lost(session);
}

/* Both ends leave. */
static void leave(struct run *run)
{
    struct session *session = &run->session;

    run->client_held = run->backend_held = false;
    (void)watch(run);
    for (int i = 0; i < STEPS_TO_THE_END && !is_over(session); i++) {
        if (session->state == SESSION_STARTTLS || session->state == SESSION_WRAPPER)
            return; /* the driver's handshake sees the end of file */
        step(run, 'w', "", 0);
        step(run, 'z', "", 0);
        step(run, 'u', "", 0);
        step(run, i % 2 == 0 ? 'x' : 'e', "", 0);
    }
    require(is_over(session), "it lasts for ever");
}

static void set_up(struct run *run, const uint8_t flags[3])
{
    static char name[] = "fuzz";
    static const enum bare_newline modes[] = {BARE_NEWLINE_NO, BARE_NEWLINE_NORMALIZE,
                                              BARE_NEWLINE_NOTE, BARE_NEWLINE_REJECT};
    static const enum tls_level levels[] = {TLS_LEVEL_MAY, TLS_LEVEL_ENCRYPT, TLS_LEVEL_NONE,
                                            TLS_LEVEL_MAY};

    memset(run, 0, sizeof(*run));
    run->policy.level = levels[flags[0] & 3];
    run->policy.auth_only = (flags[0] & 4) != 0;
    run->upstream.name = name;
    run->upstream.list = (struct backend_list){run->backends, 1 + ((flags[2] >> 5) & 1)};
    for (int i = 0; i < 2; i++) {
        run->backends[i].name = name;
        run->backends[i].mark = &run->marks[i];
    }
    run->upstream.handoff = (enum handoff)((flags[1] >> 1) & 3);
    if ((flags[0] & 8) == 0)
        capabilities_parse(&run->backends[0].capabilities, ehlo_reply, sizeof(ehlo_reply) - 1);
    run->service = (struct service){
        .name = "fuzz",
        .main = {.policy = &run->policy,
                 .tls = flags[0] & 16 ? NULL : (struct tls_context *)1}, /* nobody looks into it */
        .upstream = &run->upstream,
        .hostname = "mx.test",
        .banner = "mx.test ESMTP",
        .wrappermode = (flags[0] & 32) != 0,
        .forbid_pipelining = (flags[1] & 16) != 0,
        .bare_newline_code = 550,
        .received_header = (flags[1] & 8) == 0,
        .own_received = (flags[1] & 128) != 0,
        .requiretls = (flags[1] & 128) != 0,
        .bare_newline = modes[(flags[1] >> 5) & 3],
        .line_limit = LINE_LIMIT,
        .values =
            {
                .soft_error_limit = flags[2] & 3,
                .hard_error_limit = (flags[2] >> 2) & 15,
                .junk_limit = (flags[2] >> 6) & 3,
                .error_sleep = 1.,
            },
    };
    const struct smtp_model_rules rules = {
        .bare_newline = run->service.bare_newline,
        .line_limit = LINE_LIMIT,
        .handoff = run->upstream.handoff,
        .encrypt = run->policy.level == TLS_LEVEL_ENCRYPT,
        .auth_only = run->policy.auth_only,
        .header = run->service.received_header,
        .received = run->service.own_received,
        .lenient = (flags[1] & 1) != 0,
    };
    run->model = smtp_model_new(&rules);
    run->session.client = (struct client_address){.family = AF_INET, .bytes = {192, 0, 2, 1}};
    run->session.server = run->session.client;
    session_begin(&run->session, &run->service,
                  flags[0] & 64 ? &session_stage_tls_refusing : &session_stage_tls);
    if (!run->service.wrappermode)
        session_greet(&run->session, "x", flags[0] >> 7);
    (void)watch(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;

    if (size < 3)
        return 0;
    session_stage_silence();
    set_up(&run, data);
    for (size_t at = 3; at < size && !is_over(&run.session); at++) {
        char kind = (char)data[at++];
        const uint8_t *end = at < size ? memchr(data + at, RECORD_END, size - at) : NULL;
        size_t length = (end != NULL ? (size_t)(end - data) : size) - at;
        if (strchr(EVENTS, kind) == NULL || kind == '\0')
            kind = EVENTS[(uint8_t)kind % (sizeof(EVENTS) - 3)];
        step(&run, kind, (const char *)data + at, length);
        at += length;
    }
    leave(&run);
    smtp_model_finish(run.model);
    smtp_model_free(run.model);
    session_end(&run.session, NULL);
    return 0;
}
