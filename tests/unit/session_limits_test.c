/*
 * What a session does about a client's errors: dialogues with small limits. No socket, no clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/tls_policy.h"

#include "proxy/session.h"
#include "tests/unit/session_stage.h"

#define BAD "XCLIENT x\r\n"
#define BAD_REPLY "500 5.5.2 Error: command not recognized\r\n"
#define OK "250 2.0.0 Ok\r\n"
#define OVER "421 4.7.0 mx.test Error: too many errors\r\n"
#define BACKEND_HELLO "250-back\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250 CHUNKING\r\n"

struct limits_wanted {
    uint32_t soft;
    uint32_t hard;
    uint32_t junk;
};

/* The client sends all at once; with PAUSES pauses in between it gets all that. */
struct row {
    const char *name;
    struct limits_wanted limits;
    const char *sends;
    const char *gets;
    unsigned pauses;
    bool ends;
};

static const struct row rows[] = {
    {"below the limit", {0, 3, 0}, BAD BAD, BAD_REPLY BAD_REPLY, 0, false},
    {"at the limit", {0, 2, 0}, BAD BAD BAD, BAD_REPLY BAD_REPLY OVER, 0, true},
    {"no limit", {0, 0, 0}, BAD BAD BAD, BAD_REPLY BAD_REPLY BAD_REPLY, 0, false},
    {"empty lines are errors",
     {0, 1, 0},
     "\r\nRSET\r\n",
     "500 5.5.2 Error: bad syntax\r\n" OVER,
     0,
     true},
    {"junk up to the limit and one", {0, 1, 2}, "RSET\r\nRSET\r\nRSET\r\n", OK OK OK, 0, false},
    {"junk beyond",
     {0, 1, 2},
     "RSET\r\nRSET\r\nRSET\r\nRSET\r\nRSET\r\n",
     OK OK OK OK OVER,
     0,
     true},
    {"junk and errors add up",
     {0, 2, 1},
     BAD "RSET\r\nRSET\r\nRSET\r\n",
     BAD_REPLY OK OK OK OVER,
     0,
     true},
    {"a pause before each reply after the soft limit",
     {2, 0, 0},
     BAD BAD "RSET\r\n" BAD,
     BAD_REPLY BAD_REPLY OK BAD_REPLY,
     2,
     false},
    {"the last words wait too", {1, 2, 0}, BAD BAD, BAD_REPLY BAD_REPLY OVER, 2, true},
    {"QUIT", {1, 5, 0}, BAD "QUIT\r\n", BAD_REPLY "221 2.0.0 Bye\r\n", 1, true},
};

static bool no_summary(const struct session *session, struct tls_summary *summary)
{
    (void)session;
    (void)summary;
    return false;
}

static const char *no_text(const struct session *session)
{
    (void)session;
    return NULL;
}

static const struct session_tls no_tls = {
    .summary = no_summary, .refusal = no_text, .server_name = no_text};

struct fixture {
    struct session session;
    struct service service;
    struct upstream upstream;
    struct backend backend;
    struct backend_mark mark;
    struct tls_policy policy;
};

static void fixture_begin(struct fixture *fixture, const struct limits_wanted *limits)
{
    static char name[] = "test-backend";

    session_stage_silence();
    memset(fixture, 0, sizeof(*fixture));
    fixture->policy.level = TLS_LEVEL_MAY;
    fixture->upstream.name = name;
    fixture->upstream.list = (struct backend_list){&fixture->backend, 1};
    fixture->backend.name = name;
    fixture->backend.mark = &fixture->mark;
    fixture->upstream.handoff = HANDOFF_NONE;
    fixture->service = (struct service){.name = "test",
                                        .main = {.policy = &fixture->policy},
                                        .upstream = &fixture->upstream,
                                        .hostname = "mx.test",
                                        .banner = "mx.test ESMTP",
                                        .line_limit = 2048,
                                        .values = {
                                            .soft_error_limit = limits->soft,
                                            .hard_error_limit = limits->hard,
                                            .junk_limit = limits->junk != 0 ? limits->junk : 1000,
                                            .error_sleep = 1.,
                                        }};
    session_begin(&fixture->session, &fixture->service, &no_tls);
}

static void send_to(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

/* The backend has been sent everything that waited, and speaks. */
static void backend_says(struct session *session, const char *text)
{
    relay_sent(session->relay, buffer_length(&session->relay->out));
    send_to(&session->relay->in, text);
}

/* Take all from BUFFER and compare it. */
static void expect(struct buffer *buffer, const char *wanted, const char *name)
{
    size_t length = buffer_length(buffer);

    if (length != strlen(wanted) || (length > 0 && memcmp(buffer_data(buffer), wanted, length)))
        fail_msg("%s: got \"%.*s\", wanted \"%s\"", name, (int)length,
                 length > 0 ? buffer_data(buffer) : "", wanted);
    if (length > 0)
        buffer_consume(buffer, length);
}

/* As a driver without patience: counts the pauses. */
static unsigned run_through(struct session *session)
{
    unsigned pauses = 0;

    session_run(session);
    while (session->limits.pause) {
        size_t length = buffer_length(&session->client_out);
        session_run(session); /* does nothing */
        assert_int_equal(buffer_length(&session->client_out), length);
        assert_false(session_waits_for_client(session));
        session->limits.pause = false;
        pauses++;
        session_run(session);
    }
    return pauses;
}

static void dialogues(void **state)
{
    struct fixture fixture;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        fixture_begin(&fixture, &row->limits);
        send_to(&fixture.session.client_in, row->sends);
        unsigned pauses = run_through(&fixture.session);
        expect(&fixture.session.client_out, row->gets, row->name);
        if (pauses != row->pauses || row->ends != (fixture.session.ending != SESSION_GOES_ON))
            fail_msg("%s: %u pauses, ending %d", row->name, pauses, (int)fixture.session.ending);
        session_end(&fixture.session, NULL);
    }
}

/* Up to a transaction with one recipient that was refused. */
static void begin_refused(struct fixture *fixture, const struct limits_wanted *limits)
{
    struct session *session = &fixture->session;

    fixture_begin(fixture, limits);
    capabilities_parse(&fixture->backend.capabilities, "250-b\r\n250 PIPELINING\r\n", 23);
    send_to(&session->client_in, "EHLO c.test\r\nMAIL FROM:<>\r\n");
    session_run(session);
    assert_true(session->wants_backend);
    session->wants_backend = false;
    session_backend_connected(session);
    backend_says(session, "220 back\r\n");
    session_run(session);
    backend_says(session, BACKEND_HELLO);
    session_run(session);
    send_to(&session->client_in, "RCPT TO:<x@x.test>\r\n");
    session_run(session);
    backend_says(session, "250 sender\r\n550 recipient\r\n");
    session_run(session);
    assert_int_equal(session->limits.errors, 1);
    buffer_free(&session->client_out);
    relay_sent(session->relay, buffer_length(&session->relay->out));
}

/* What went to the backend already is answered; nothing more goes there. */
static void commands_under_way(void **state)
{
    struct fixture fixture;
    struct session *session = &fixture.session;

    (void)state;
    begin_refused(&fixture, &(struct limits_wanted){.hard = 2});
    send_to(&session->client_in, "RCPT TO:<y@x.test>\r\nRCPT TO:<z@x.test>\r\n");
    session_run(session);
    send_to(&session->client_in, "RCPT TO:<late@x.test>\r\n");
    backend_says(session, "550 y\r\n");
    session_run(session);
    assert_int_equal(session->ending, SESSION_GOES_ON);
    backend_says(session, "250 z\r\n");
    session_run(session);
    expect(&session->client_out, "550 y\r\n250 z\r\n" OVER, "all that was asked");
    expect(&session->relay->out, "", "nothing more");
    session_end(session, NULL);
}

/* A message that is accepted makes up for all errors, and its reply does not wait. */
static void delivery_forgives(void **state)
{
    struct fixture fixture;
    struct session *session = &fixture.session;

    (void)state;
    begin_refused(&fixture, &(struct limits_wanted){.soft = 2, .hard = 3});
    send_to(&session->client_in, "RCPT TO:<y@x.test>\r\nDATA\r\n");
    session_run(session);
    backend_says(session, "550 y\r\n354 go\r\n");
    assert_int_equal(run_through(session), 1); /* 354 waits: two errors are behind it */
    expect(&session->client_out, "550 y\r\n354 go\r\n", "data");
    send_to(&session->client_in, "\r\n.\r\n");
    session_run(session);
    backend_says(session, "250 queued\r\n");
    session_run(session);
    assert_false(session->limits.pause);
    assert_int_equal(session->limits.errors, 0);
    expect(&session->client_out, "250 queued\r\n", "end");
    session_end(session, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues),
        cmocka_unit_test(commands_under_way),
        cmocka_unit_test(delivery_forgives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
