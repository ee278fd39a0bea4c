/*
 * The session as a machine of bytes: dialogues, each a table of what is fed in and what must come
 * out, byte for byte. No socket, no clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/tls_policy.h"

#include "proxy/session.h"
#include "tests/unit/session_stage.h"

enum step_kind {
    CLIENT,  /* the client sends */
    TELLS,   /* the client must have been sent exactly this */
    BACKEND, /* the backend, which has been sent everything, sends */
    EARLY,   /* the backend sends, before it is sent what it has not got yet */
    GETS,    /* the backend must have been sent exactly this */
    DIALED,  /* the connection to the backend opens */
    REFUSED, /* it cannot be opened */
    GONE,    /* the backend closes */
    CLIENT_GONE,
    CLIENT_DEAF, /* it has gone for good */
    LOST,        /* the session is "lost", goes on ("no"), or has only "answers" to wait for */
    TLS,         /* the handshake is done */
    ENDS /* the session wants to be closed now (TEXT "linger" or "close"), or goes on ("no") */
};

struct step {
    enum step_kind kind;
    const char *text;
};

#define EHLO_CAPABILITIES                                                                          \
    "250-back\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n"  \
    "250-AUTH PLAIN LOGIN\r\n250-XCLIENT NAME ADDR\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" \
    "250 CHUNKING\r\n"
#define EHLO_OFFERED(tls_line)                                                                     \
    "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 9997952\r\n250-VRFY\r\n250-ETRN\r\n" tls_line       \
    "250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 CHUNKING\r\n"
#define OPEN_BACKEND(helo)                                                                         \
    {DIALED, ""}, {GETS, "PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n"}, {BACKEND, "220 back\r\n"}, \
        {GETS, "EHLO " helo "\r\n"},                                                               \
    {                                                                                              \
        BACKEND, EHLO_CAPABILITIES                                                                 \
    }
#define GREETED                                                                                    \
    {                                                                                              \
        TELLS, "220 mx.test ESMTP\r\n"                                                             \
    }
#define SAID_EHLO                                                                                  \
    GREETED, {CLIENT, "EHLO c.test\r\n"},                                                          \
    {                                                                                              \
        TELLS, EHLO_OFFERED("250-STARTTLS\r\n")                                                    \
    }

struct fixture {
    struct session session;
    struct service service;
    struct upstream upstream;
    struct backend backend;
    struct backend_mark mark;
    struct tls_policy policy;
};

static void fixture_begin(struct fixture *fixture, enum tls_level level, bool requiretls)
{
    static char name[] = "test-backend";

    session_stage_silence();
    memset(fixture, 0, sizeof(*fixture));
    fixture->policy.level = level;
    fixture->policy.auth_only = level == TLS_LEVEL_ENCRYPT;
    fixture->upstream.name = name;
    fixture->upstream.list = (struct backend_list){&fixture->backend, 1};
    fixture->backend.name = name;
    fixture->backend.mark = &fixture->mark;
    fixture->upstream.handoff = HANDOFF_PROXY1;
    capabilities_parse(&fixture->backend.capabilities, EHLO_CAPABILITIES,
                       strlen(EHLO_CAPABILITIES));
    fixture->service = (struct service){
        .name = "test",
        .main = {.policy = &fixture->policy,
                 .tls = (struct tls_context *)1}, /* there is one; nothing here looks into it */
        .upstream = &fixture->upstream,
        .hostname = "mx.test",
        .banner = "mx.test ESMTP",
        .forbid_pipelining = true,
        .bare_newline_code = 550,
        .bare_newline = BARE_NEWLINE_NORMALIZE,
        .line_limit = 2048,
    };
    fixture->session.client =
        (struct client_address){.family = AF_INET, .port = 1000, .bytes = {192, 0, 2, 1}};
    fixture->session.server =
        (struct client_address){.family = AF_INET, .port = 25, .bytes = {192, 0, 2, 2}};
    fixture->service.requiretls = requiretls;
    session_begin(&fixture->session, &fixture->service, &session_stage_tls);
    session_greet(&fixture->session, NULL, 0);
}

/* Take everything from BUFFER and compare it. */
static void expect_bytes(struct buffer *buffer, const char *wanted, const char *name, size_t step)
{
    size_t length = buffer != NULL ? buffer_length(buffer) : 0;
    const char *data = length > 0 ? buffer_data(buffer) : "";

    if (length != strlen(wanted) || memcmp(data, wanted, length) != 0)
        fail_msg("%s, step %zu: got \"%.*s\", wanted \"%s\"", name, step, (int)length, data,
                 wanted);
    if (length > 0)
        buffer_consume(buffer, length);
}

static const char *ending_name(enum session_ending ending)
{
    return ending == SESSION_GOES_ON ? "no" : ending == SESSION_CLOSE ? "close" : "linger";
}

static const char *lost_name(const struct session *session)
{
    return session_is_lost(session) ? "lost" : session_only_answers(session) ? "answers" : "no";
}

/* The backend has been sent everything; it is kept for GETS. */
static void take_all(struct relay *relay)
{
    relay->sent += buffer_length(&relay->out);
}

static void run_step(struct fixture *fixture, const struct step *step, const char *name,
                     size_t index)
{
    struct session *session = &fixture->session;

    switch (step->kind) {
    case CLIENT:
        buffer_append(&session->client_in, step->text, strlen(step->text));
        break;
    case TELLS:
        expect_bytes(&session->client_out, step->text, name, index);
        return;
    case BACKEND:
        take_all(session->relay);
        buffer_append(&session->relay->in, step->text, strlen(step->text));
        break;
    case EARLY:
        buffer_append(&session->relay->in, step->text, strlen(step->text));
        break;
    case GETS:
        if (session->relay != NULL)
            take_all(session->relay);
        expect_bytes(session->relay != NULL ? &session->relay->out : NULL, step->text, name, index);
        return;
    case DIALED:
        assert_true(session->wants_backend);
        session->wants_backend = false;
        session_backend_connected(session);
        break;
    case REFUSED:
        session->wants_backend = false;
        session_backend_failed(session, "connection refused");
        break;
    case GONE:
        session_backend_eof(session, 0);
        break;
    case CLIENT_GONE:
        session_client_eof(session);
        break;
    case CLIENT_DEAF:
        session_client_deaf(session);
        break;
    case LOST:
        if (strcmp(lost_name(session), step->text) != 0)
            fail_msg("%s, step %zu: the client is: %s", name, index, lost_name(session));
        return;
    case TLS:
        assert_int_equal(session->state, SESSION_STARTTLS);
        session_tls_established(session);
        break;
    case ENDS:
        if (strcmp(ending_name(session->ending), step->text) != 0)
            fail_msg("%s, step %zu: ending is %s", name, index, ending_name(session->ending));
        return;
    }
    session_run(session);
}

static void run_dialogue(const char *name, enum tls_level level, bool requiretls,
                         const struct step *steps, size_t count)
{
    struct fixture fixture;

    fixture_begin(&fixture, level, requiretls);
    for (size_t i = 0; i < count; i++)
        run_step(&fixture, &steps[i], name, i);
    session_end(&fixture.session, NULL);
}

#define DIALOGUE(level, ...)                                                                       \
    do {                                                                                           \
        const struct step steps[] = {__VA_ARGS__};                                                 \
        run_dialogue(__func__, (level), false, steps, sizeof(steps) / sizeof(steps[0]));           \
    } while (0)
#define REQUIRETLS_DIALOGUE(offered, ...)                                                          \
    do {                                                                                           \
        const struct step steps[] = {__VA_ARGS__};                                                 \
        run_dialogue(__func__, TLS_LEVEL_MAY, (offered), steps, sizeof(steps) / sizeof(steps[0])); \
    } while (0)

static void test_front_alone(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "NOOP\r\n"}, {TELLS, "250 2.0.0 Ok\r\n"},
             {CLIENT, "RSET\r\n"}, {TELLS, "250 2.0.0 Ok\r\n"}, {CLIENT, "HELO\r\n"},
             {TELLS, "501 Syntax: HELO hostname\r\n"}, {CLIENT, "\r\n"},
             {TELLS, "500 5.5.2 Error: bad syntax\r\n"}, {CLIENT, "XCLIENT ADDR=1.2.3.4\r\n"},
             {TELLS, "500 5.5.2 Error: command not recognized\r\n"}, {CLIENT, "QUIT\r\n"},
             {TELLS, "221 2.0.0 Bye\r\n"}, {GETS, ""}, {ENDS, "close"});
}

static void test_pipelined_transaction(void **state)
{
    (void)state;
    DIALOGUE(
        TLS_LEVEL_MAY, SAID_EHLO,
        {CLIENT, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nXCLIENT x=y\r\nRCPT TO:<e@f>\r\nDATA\r\n"},
        {TELLS, ""}, OPEN_BACKEND("c.test"),
        {GETS, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"},
        {BACKEND, "250 ok1\r\n250 o"}, {TELLS, "250 ok1\r\n"},
        {BACKEND, "k2\r\n550-no\r\n550 such\r\n354 go\r\n"},
        {TELLS,
         "250 ok2\r\n500 5.5.2 Error: command not recognized\r\n550-no\r\n550 such\r\n354 go\r\n"},
        {CLIENT, "A: b\r\n\r\nhello\r\n.\r"}, {CLIENT, "\nMAIL FROM:<x@y>\r\n"},
        {GETS, "A: b\r\n\r\nhello\r\n.\r\n"}, {TELLS, ""}, {BACKEND, "250 queued\r\n"},
        {TELLS, "250 queued\r\n"}, {GETS, "MAIL FROM:<x@y>\r\n"}, {BACKEND, "451 later\r\n"},
        {TELLS, "451 later\r\n"}, {CLIENT, "QUIT\r\n"}, {GETS, "QUIT\r\n"},
        {BACKEND, "221 bye\r\n"}, {TELLS, "221 bye\r\n"}, {ENDS, "close"});
}

static void test_starttls_forgets(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "STARTTLS x\r\n"},
             {TELLS, "501 5.5.4 Syntax: STARTTLS\r\n"}, {CLIENT, "MAIL FROM:<a@b>\r\n"},
             OPEN_BACKEND("c.test"), {GETS, "MAIL FROM:<a@b>\r\n"}, {BACKEND, "250 ok\r\n"},
             {TELLS, "250 ok\r\n"}, {CLIENT, "STARTTLS\r\n"},
             {TELLS, "220 2.0.0 Ready to start TLS\r\n"}, {GETS, ""}, {TLS, ""},
             {CLIENT, "RCPT TO:<c@d>\r\n"}, {DIALED, ""},
             {GETS, "PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n"}, {BACKEND, "220 back\r\n"},
             {GETS, "RSET\r\n"}, {BACKEND, "250 ok\r\n"}, {GETS, "RCPT TO:<c@d>\r\n"},
             {BACKEND, "503 need MAIL\r\n"}, {TELLS, "503 need MAIL\r\n"}, {CLIENT, "STARTTLS\r\n"},
             {TELLS, "554 5.5.1 Error: TLS already active\r\n"}, {CLIENT, "EHLO again\r\n"},
             {GETS, "EHLO again\r\n"}, {BACKEND, EHLO_CAPABILITIES}, {TELLS, EHLO_OFFERED("")});
}

static void test_starttls_injection(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "STARTTLS\r\nMAIL FROM:<a@b>\r\n"},
             {TELLS, "554 5.5.0 Error: SMTP protocol synchronization\r\n"}, {ENDS, "linger"});
}

static void test_encrypt_refuses(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_ENCRYPT, GREETED, {CLIENT, "MAIL FROM:<a@b>\r\n"},
             {TELLS, "530 5.7.0 Must issue a STARTTLS command first\r\n"}, {CLIENT, "FOO\r\n"},
             {TELLS, "500 5.5.2 Error: command not recognized\r\n"}, {CLIENT, "RSET\r\n"},
             {TELLS, "530 5.7.0 Must issue a STARTTLS command first\r\n"}, {CLIENT, "NOOP\r\n"},
             {TELLS, "250 2.0.0 Ok\r\n"}, {CLIENT, "BDAT 5 LAST\r\n"},
             {TELLS, "530 5.7.0 Must issue a STARTTLS command first\r\n"}, {GETS, ""});
}

static void test_auth_exchange(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "AUTH LOGIN\r\n"}, OPEN_BACKEND("c.test"),
             {GETS, "AUTH LOGIN\r\n"}, {BACKEND, "334 VXNlcg==\r\n"}, {TELLS, "334 VXNlcg==\r\n"},
             {CLIENT, "QUIT\r\n"}, {GETS, "QUIT\r\n"}, {TELLS, ""}, {BACKEND, "334 UGFzcw==\r\n"},
             {TELLS, "334 UGFzcw==\r\n"}, {CLIENT, "c2VjcmV0\r\n"}, {GETS, "c2VjcmV0\r\n"},
             {BACKEND, "235 ok\r\n"}, {TELLS, "235 ok\r\n"}, {GONE, ""},
             {TELLS, "421 4.3.2 mx.test Service currently unavailable\r\n"}, {ENDS, "linger"});
}

#define LINE_100                                                                                   \
    "QUIT\rAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"  \
    "AAAAAAAAAAAA"
#define LINE_1000                                                                                  \
    LINE_100 LINE_100 LINE_100 LINE_100 LINE_100 LINE_100 LINE_100 LINE_100 LINE_100 LINE_100
#define IN_AUTH                                                                                    \
    SAID_EHLO, {CLIENT, "AUTH LOGIN\r\n"}, OPEN_BACKEND("c.test"), {GETS, "AUTH LOGIN\r\n"},       \
        {BACKEND, "334 VXNlcg==\r\n"}, {TELLS, "334 VXNlcg==\r\n"}, {CLIENT, LINE_1000 LINE_1000}, \
        {CLIENT, LINE_1000 LINE_1000 LINE_1000 LINE_1000 LINE_1000},                               \
        {CLIENT, LINE_1000 LINE_1000 LINE_1000 LINE_1000 LINE_1000}, {GETS, ""},                   \
    {                                                                                              \
        TELLS, ""                                                                                  \
    }

/* A response that is too long for gatepost: the backend's exchange ends with the client's. */
static void test_auth_response_too_long(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, IN_AUTH, {CLIENT, LINE_1000}, {CLIENT, LINE_1000}, {GETS, ""},
             {CLIENT, "NOOP\r"}, {CLIENT, "\nNOOP\r\n"}, {GETS, "*\r\n"}, {TELLS, ""},
             {BACKEND, "501 5.7.0 Authentication aborted\r\n"},
             {TELLS, "500 5.5.6 SASL response limit exceeded\r\n"}, {GETS, "NOOP\r\n"},
             {BACKEND, "250 ok\r\n"}, {TELLS, "250 ok\r\n"}, {CLIENT, "AUTH LOGIN\r\n"},
             {GETS, "AUTH LOGIN\r\n"}, {BACKEND, "334 VXNlcg==\r\n"}, {TELLS, "334 VXNlcg==\r\n"},
             {CLIENT, "eA==\r\n"}, {GETS, "eA==\r\n"}, {BACKEND, "235 ok\r\n"},
             {TELLS, "235 ok\r\n"}, {ENDS, "no"});
    DIALOGUE(TLS_LEVEL_MAY, IN_AUTH, {CLIENT, LINE_1000 LINE_1000 "\r\n"}, {GETS, "*\r\n"},
             {BACKEND, "421 4.3.2 bye\r\n"}, {TELLS, "421 4.3.2 bye\r\n"}, {ENDS, "linger"});
}

/* A backend for which the exchange is not over has another idea of who the client is. */
static void test_auth_response_too_long_and_the_backend_goes_on(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, IN_AUTH, {CLIENT, LINE_1000 "\r\n"}, {GETS, "*\r\n"},
             {BACKEND, "235 2.7.0 Welcome\r\n"},
             {TELLS, "421 4.3.2 mx.test Service currently unavailable\r\n"}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, IN_AUTH, {CLIENT, LINE_1000 "\r\n"}, {GETS, "*\r\n"},
             {BACKEND, "334 UGFzcw==\r\n"},
             {TELLS, "421 4.3.2 mx.test Service currently unavailable\r\n"}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, IN_AUTH, {CLIENT, LINE_1000}, {GONE, ""},
             {TELLS, "421 4.3.2 mx.test Service currently unavailable\r\n"}, {ENDS, "linger"});
}

#define HEARD_354                                                                                  \
    SAID_EHLO, {CLIENT, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"}, OPEN_BACKEND("c.test"),   \
        {GETS, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"},                                    \
        {BACKEND, "250 m\r\n250 r\r\n354 go\r\n"},                                                 \
    {                                                                                              \
        TELLS, "250 m\r\n250 r\r\n354 go\r\n"                                                      \
    }

/* What a client that has gone is waited for: while it may listen, for answers; else for the verdict
 * on a message that the backend has got whole, and for nothing else. */
static void test_who_is_lost(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "VRFY x\r\n"}, {LOST, "no"}, {CLIENT_GONE, ""},
             {LOST, "no"}, {CLIENT_DEAF, ""}, {LOST, "lost"});
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "VRFY x\r\n"}, OPEN_BACKEND("c.test"),
             {GETS, "VRFY x\r\n"}, {CLIENT_GONE, ""}, {LOST, "answers"}, {CLIENT_DEAF, ""},
             {LOST, "lost"});
    DIALOGUE(TLS_LEVEL_MAY, HEARD_354, {CLIENT, "A: b\r\n\r\n.\r\nNOOP\r\n"}, {CLIENT_GONE, ""},
             {LOST, "no"}, {CLIENT_DEAF, ""}, {LOST, "lost"}, {GETS, "A: b\r\n\r\n.\r\n"},
             {LOST, "no"}, {BACKEND, "250 queued\r\n"}, {LOST, "lost"});
    DIALOGUE(TLS_LEVEL_MAY, HEARD_354, {CLIENT, "A: b\r\n\r\n.\r"}, {GETS, "A: b\r\n\r\n"},
             {CLIENT_DEAF, ""}, {LOST, "lost"});
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO,
             {CLIENT, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\n\r\nxBDAT 1 LAST\r\n"},
             OPEN_BACKEND("c.test"),
             {GETS, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\n\r\nxBDAT 1 LAST\r\n"},
             {BACKEND, "250 m\r\n250 r\r\n"}, {CLIENT, "y"}, {LOST, "no"}, {CLIENT_DEAF, ""},
             {LOST, "lost"}, {GETS, "y"}, {LOST, "no"},
             {BACKEND, "250 part\r\n250 queued\r\n"}, {LOST, "lost"});
}

static void test_chunks(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO,
             {CLIENT, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 9\r\nA: b\r"},
             OPEN_BACKEND("c.test"), {GETS, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 4\r\nA: b"},
             {CLIENT, "\n\r\nx"}, {BACKEND, "250 m\r\n250 r\r\n250 part\r\n"},
             {TELLS, "250 m\r\n250 r\r\n"}, {CLIENT, "BDAT 4 LAST\r\ny\n.\n"},
             {GETS, "BDAT 5\r\n\r\n\r\nxBDAT 4 LAST\r\ny\n.\n"}, {BACKEND, "250 first\r\n"},
             {TELLS, "250 first\r\n"}, {BACKEND, "250 last\r\n"}, {TELLS, "250 last\r\n"},
             {CLIENT, "BDAT x\r\n"}, {TELLS, "521 5.5.4 Syntax: BDAT count [LAST]\r\n"},
             {ENDS, "linger"});
}

static void test_chunk_error_is_first(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "BDAT 6 LAST\r\nA"}, OPEN_BACKEND("c.test"),
             {GETS, "BDAT 1\r\nA"}, {CLIENT, ": b\r\n"}, {GETS, "BDAT 5 LAST\r\n: b\r\n"},
             {BACKEND, "503 need RCPT\r\n"}, {TELLS, ""}, {BACKEND, "551 discarded\r\n"},
             {TELLS, "503 need RCPT\r\n"}, {ENDS, "no"});
}

static void test_backend_dies_in_content(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "DATA\r\n"}, OPEN_BACKEND("c.test"),
             {GETS, "DATA\r\n"}, {BACKEND, "354 go\r\n"}, {TELLS, "354 go\r\n"},
             {CLIENT, "A: b\r\n"}, {GETS, "A: b\r\n"}, {GONE, ""}, {TELLS, ""},
             {CLIENT, "more\r\n.\r\n"},
             {TELLS, "421 4.3.2 mx.test Service currently unavailable\r\n"}, {ENDS, "linger"});
}

static void test_early_verdict(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "DATA\r\n"}, OPEN_BACKEND("c.test"),
             {GETS, "DATA\r\n"}, {BACKEND, "354 go\r\n"}, {TELLS, "354 go\r\n"},
             {CLIENT, "A: b\r\n"}, {BACKEND, "552 too big\r\n"}, {TELLS, ""},
             {CLIENT, "more\r\n.\r\n"}, {TELLS, "552 too big\r\n"}, {ENDS, "no"},
             {CLIENT, "NOOP\r\n"}, {TELLS, "250 2.0.0 Ok\r\n"});
}

static const char down[] = "421 4.3.2 mx.test Service currently unavailable\r\n";

/* What the backend says before it was sent the whole of what it seems to answer. */
static void test_early_replies(void **state)
{
    (void)state;
#define IN_CONTENT                                                                                 \
    SAID_EHLO, {CLIENT, "DATA\r\n"}, OPEN_BACKEND("c.test"), {GETS, "DATA\r\n"},                   \
        {BACKEND, "354 go\r\n"}, {TELLS, "354 go\r\n"}, {CLIENT, "A: b\r\n"},                      \
    {                                                                                              \
        GETS, "A: b\r\n"                                                                           \
    }
#define IN_CHUNKS                                                                                  \
    SAID_EHLO, {CLIENT, "BDAT 8\r\nA: b\r\n\r\n"}, OPEN_BACKEND("c.test"),                         \
        {GETS, "BDAT 8\r\nA: b\r\n\r\n"}, {BACKEND, "250 chunk\r\n"},                              \
    {                                                                                              \
        TELLS, "250 chunk\r\n"                                                                     \
    }
    /* The final dot is on its way, but was not sent. */
    DIALOGUE(TLS_LEVEL_MAY, IN_CONTENT, {CLIENT, "x\r\n.\r\n"}, {EARLY, "250 accepted\r\n"},
             {TELLS, down}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, IN_CONTENT, {CLIENT, "x\r\n.\r\n"}, {EARLY, "552 too big\r\n"},
             {TELLS, "552 too big\r\n"}, {GETS, ""}, {ENDS, "no"}, {CLIENT, "NOOP\r\n"},
             {TELLS, "250 2.0.0 Ok\r\n"});
    DIALOGUE(TLS_LEVEL_MAY, IN_CONTENT, {CLIENT, "x\r\n.\r\n"}, {EARLY, "421 bye\r\n"},
             {TELLS, "421 bye\r\n"}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, IN_CONTENT, {CLIENT, "x\r\n.\r\n"}, {GETS, "x\r\n.\r\n"},
             {EARLY, "250 accepted\r\n"}, {TELLS, "250 accepted\r\n"}, {ENDS, "no"});
    /* It was not when the reply began. */
    DIALOGUE(TLS_LEVEL_MAY, IN_CONTENT, {EARLY, "25"}, {CLIENT, "x\r\n.\r\n"}, {GETS, "x\r\n.\r\n"},
             {EARLY, "0 accepted\r\n"}, {TELLS, down}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, IN_CONTENT, {CLIENT, "x\r\n.\r\n"}, {EARLY, "552-too\r\n"},
             {GETS, "x\r\n.\r\n"}, {EARLY, "552 big\r\n"}, {TELLS, "552-too\r\n552 big\r\n"},
             {ENDS, "no"}, {CLIENT, "NOOP\r\n"}, {TELLS, "250 2.0.0 Ok\r\n"});
    DIALOGUE(TLS_LEVEL_MAY, IN_CHUNKS, {CLIENT, "BDAT 3 LAST\r\nxyz"}, {EARLY, "250 accepted\r\n"},
             {TELLS, down}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, IN_CHUNKS, {CLIENT, "BDAT 3 LAST\r\nxyz"}, {EARLY, "452 full\r\n"},
             {TELLS, "452 full\r\n"}, {GETS, ""}, {ENDS, "no"});
    DIALOGUE(TLS_LEVEL_MAY, IN_CHUNKS, {CLIENT, "BDAT 3 LAST\r\nx"}, {EARLY, "452 full\r\n"},
             {TELLS, ""}, {CLIENT, "yz"}, {TELLS, "452 full\r\n"}, {GETS, ""}, {ENDS, "no"});
    DIALOGUE(TLS_LEVEL_MAY, IN_CHUNKS, {CLIENT, "BDAT 3\r\nxyzBDAT 3 LAST\r\nx"},
             {EARLY, "452 full\r\n"}, {TELLS, ""}, {CLIENT, "yz"}, {TELLS, down}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, IN_CHUNKS, {CLIENT, "BDAT 3 LAST\r\nxyz"}, {GETS, "BDAT 3 LAST\r\nxyz"},
             {EARLY, "250 accepted\r\n"}, {TELLS, "250 accepted\r\n"}, {ENDS, "no"});
    /* Replies in stock. */
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "MAIL FROM:<a@b>\r\n"}, {DIALED, ""},
             {BACKEND, "220 back\r\n250 back\r\n250 ok\r\n250 ok\r\n354 go\r\n"}, {TELLS, down},
             {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"},
             OPEN_BACKEND("c.test"), {EARLY, "250 ok\r\n250 ok\r\n354 go\r\n"}, {TELLS, down},
             {ENDS, "linger"});
}

static void test_lies(void **state)
{
    (void)state;

    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "MAIL FROM:<a@b>\r\n"}, {REFUSED, ""},
             {TELLS, down}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "MAIL FROM:<a@b>\r\n"}, OPEN_BACKEND("c.test"),
             {BACKEND, "354 what\r\n"}, {TELLS, down}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "DATA\r\n"}, OPEN_BACKEND("c.test"),
             {BACKEND, "250 done already\r\n"}, {TELLS, down}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "DATA\r\n"}, OPEN_BACKEND("c.test"),
             {BACKEND, "354 go\r\n250 accepted\r\n"}, {TELLS, "354 go\r\n"}, {CLIENT, "x\r\n.\r\n"},
             {TELLS, down}, {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "MAIL FROM:<a@b>\r\n"}, {DIALED, ""},
             {BACKEND, "220 back\r\n"}, {BACKEND, "502 what is PROXY\r\n"}, {TELLS, down},
             {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "MAIL FROM:<a@b>\r\n"}, {DIALED, ""},
             {BACKEND, "554 go away\r\n"}, {TELLS, "554 go away\r\n"}, {ENDS, "no"},
             {CLIENT, "QUIT\r\n"},
             {TELLS, "421 4.7.1 mx.test Error: the mail server refuses this session\r\n"},
             {ENDS, "linger"});
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "MAIL FROM:<a@b>\r\n"}, OPEN_BACKEND("c.test"),
             {BACKEND, "250 ok\r\n"}, {TELLS, "250 ok\r\n"}, {BACKEND, "250 again\r\n"},
             {TELLS, down}, {ENDS, "linger"});
}

static void test_idle_backend_leaves(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, "VRFY x\r\n"}, OPEN_BACKEND("c.test"),
             {GETS, "VRFY x\r\n"}, {BACKEND, "252 ok\r\n"}, {TELLS, "252 ok\r\n"}, {GONE, ""},
             {TELLS, ""}, {ENDS, "no"}, {CLIENT, "MAIL FROM:<a@b>\r\n"}, OPEN_BACKEND("c.test"),
             {GETS, "MAIL FROM:<a@b>\r\n"}, {BACKEND, "421 closing\r\n"},
             {TELLS, "421 closing\r\n"}, {ENDS, "linger"});
}

static void test_lockstep_without_ehlo(void **state)
{
    (void)state;
    DIALOGUE(TLS_LEVEL_MAY, GREETED, {CLIENT, "HELO c.test\r\n"}, {TELLS, "250 mx.test\r\n"},
             {CLIENT, "MAIL FROM:<a@b>\r\n"}, {DIALED, ""},
             {GETS, "PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n"}, {BACKEND, "220 back\r\n"},
             {GETS, "HELO c.test\r\n"}, {BACKEND, "250 back\r\n"}, {GETS, "MAIL FROM:<a@b>\r\n"},
             {CLIENT, "RCPT TO:<c@d>\r\n"}, {GETS, ""}, {BACKEND, "250 ok\r\n"},
             {GETS, "RCPT TO:<c@d>\r\n"});
}

static void test_long_line(void **state)
{
    char line[5000];

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    DIALOGUE(TLS_LEVEL_MAY, SAID_EHLO, {CLIENT, line},
             {TELLS, "500 5.5.2 Error: command too long\r\n"}, {CLIENT, "NOOP\r\n"},
             {TELLS, "250 2.0.0 Ok\r\n"});
}

#define REFUSED_REQUIRETLS                                                                         \
    {CLIENT, "MAIL FROM:<a@b> REQUIRETLS\r\n"},                                                    \
    {                                                                                              \
        TELLS, "555 5.5.4 Unsupported option: REQUIRETLS\r\n"                                      \
    }
#define IN_TLS                                                                                     \
    {CLIENT, "STARTTLS\r\n"}, {TELLS, "220 2.0.0 Ready to start TLS\r\n"}, {TLS, ""},              \
    {                                                                                              \
        CLIENT, "EHLO c.test\r\n"                                                                  \
    }
#define OFFERED(size, last)                                                                        \
    "250-mx.test\r\n250-PIPELINING\r\n250-SIZE " size "\r\n250-VRFY\r\n250-ETRN\r\n"               \
    "250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" last

/* RFC 8689: never before TLS, and not unless the operator says that the backends honour it. */
static void test_requiretls_is_not_for_all(void **state)
{
    (void)state;
    REQUIRETLS_DIALOGUE(true, GREETED, {CLIENT, "EHLO c.test\r\n"},
                        {TELLS, "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 9997928\r\n"
                                "250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n"
                                "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 CHUNKING\r\n"},
                        REFUSED_REQUIRETLS, {ENDS, "no"});
    REQUIRETLS_DIALOGUE(false, SAID_EHLO, IN_TLS, {TELLS, OFFERED("9997952", "250 CHUNKING\r\n")},
                        REFUSED_REQUIRETLS, {ENDS, "no"});
}

/* The header belongs to the transaction whose MAIL was accepted with REQUIRETLS, and to no other:
 * neither another MAIL that is refused, nor content that is already on its way, takes it off. */
static void test_requiretls_is_carried_over(void **state)
{
    (void)state;
    REQUIRETLS_DIALOGUE(
        true, GREETED, {CLIENT, "EHLO c.test\r\n"},
        {TELLS, "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 9997928\r\n"
                "250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n"
                "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 CHUNKING\r\n"},
        IN_TLS, {TELLS, OFFERED("9997928", "250-CHUNKING\r\n250 REQUIRETLS\r\n")},
        {CLIENT, "MAIL FROM:<a@b> REQUIRETLS SIZE=10\r\nMAIL FROM:<x@y>\r\nRCPT TO:<c@d>\r\n"
                 "BDAT 11 LAST\r\nA: b\r\n\r\nc\r\n"},
        OPEN_BACKEND("c.test"),
        {GETS, "MAIL FROM:<a@b> SIZE=52\r\nMAIL FROM:<x@y>\r\nRCPT TO:<c@d>\r\n"},
        {BACKEND, "250 ok\r\n503 nested\r\n"}, {GETS, ""}, {BACKEND, "250 ok\r\n"},
        {GETS, "BDAT 35 LAST\r\nRequire-TLS-ESMTP: yes\r\nA: b\r\n\r\nc\r\n"},
        {TELLS, "250 ok\r\n503 nested\r\n250 ok\r\n"}, {BACKEND, "250 queued\r\n"},
        {TELLS, "250 queued\r\n"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_front_alone),
        cmocka_unit_test(test_pipelined_transaction),
        cmocka_unit_test(test_starttls_forgets),
        cmocka_unit_test(test_starttls_injection),
        cmocka_unit_test(test_encrypt_refuses),
        cmocka_unit_test(test_auth_exchange),
        cmocka_unit_test(test_auth_response_too_long),
        cmocka_unit_test(test_auth_response_too_long_and_the_backend_goes_on),
        cmocka_unit_test(test_who_is_lost),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_chunk_error_is_first),
        cmocka_unit_test(test_backend_dies_in_content),
        cmocka_unit_test(test_early_verdict),
        cmocka_unit_test(test_early_replies),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_idle_backend_leaves),
        cmocka_unit_test(test_lockstep_without_ehlo),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_requiretls_is_not_for_all),
        cmocka_unit_test(test_requiretls_is_carried_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
