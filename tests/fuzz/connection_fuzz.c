/*
 * connection_fuzz.c: the driver of a session with its real event loop, sockets, TLS and timers,
 * under the eyes of smtp_model.h. The client and the backend are the other ends of socket pairs
 * with small buffers; TLS is that of a client in this process, of which the input gives the
 * plaintext; time passes when the input says so (this file's ev_now); timers then fire, even ones
 * that are not due, which a connection must bear.
 *
 * Besides what the model checks, whenever all events have been dealt with: nothing that can be
 * moved has been left behind (no wakeup is lost), nobody is busy for nothing, a client that has
 * gone for good is waited for by none but a verdict, and in the end, when both ends have left and
 * time has passed, nothing remains.
 *
 * Input: three bytes of settings, then records as in session_fuzz.c, with EVENTS of their own.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "proxy/connection.h"
#include "proxy/connection_io.h"
#include "tests/fuzz/connection_stage.h"
#include "tests/fuzz/smtp_model.h"

#define RECORD_END '\x1e'
#define REPEAT_MAX 8192
#define SIZE_LIMIT 20000
#define TURNS_MAX 4000 /* of the event loop, for one event */
#define EPOCH 1000000.
#define LONG 1000.       /* seconds */
#define PAUSES_MAX 20000 /* each reply may be followed by one */

/* Client and backend bytes; TLS handshake; connected, failed; backend and client: end of file,
 * closed; 1, 15 and 400 seconds; hold either end's input or let it flow; drain, now; client and
 * backend bytes many times over (no other byte stands for those). */
static const char EVENTS[] = "CBToxeEzZ1fthHdDcb";

struct run {
    struct worker *worker;
    struct worker_listener listener;
    struct connection_service at;
    struct smtp_model *model;
    int client;                     /* the client's end; -1: closed */
    int backend_end;                /* likewise, of the present backend connection */
    int channel;                    /* where the master would be asked for one */
    bool client_mute, backend_mute; /* it has sent its end of file */
    bool client_held, backend_held; /* what it has got is not taken */
    bool over;                      /* the model's session is, or cannot be followed any more */
    bool implicit;
    bool handshaken; /* TLS has begun */
    bool was_held;   /* the client has not taken all in time: replies may have been cut off */
    SSL *tls;        /* the client's; NULL: cleartext */
    BIO *tls_in, *tls_out;
    size_t moved; /* bytes that were seen */
};

static double shift; /* seconds that have passed since the run began */

static void require(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "connection: %s\n", what);
        abort();
    }
}

/* What gatepost, but not libev, takes for the time. */
ev_tstamp ev_now(struct ev_loop *loop)
{
    (void)loop;
    return EPOCH + shift;
}

/* The connection, while it is there. */
static struct connection *present(const struct run *run)
{
    return run->worker->connections;
}

/* ---- what the ends get ---------------------------------------------------------------------- */

/* What has come to FD since it was last looked at: it stays there until it is taken. */
static size_t look(int fd, char *room, size_t size)
{
    ssize_t got = fd >= 0 ? recv(fd, room, size, MSG_PEEK | MSG_DONTWAIT) : 0;

    return got > 0 ? (size_t)got : 0;
}

/* Empty the socket FD: its other end has room again. True if there was something. */
static bool take(int fd)
{
    static char room[65536];
    bool any = false;

    while (fd >= 0 && recv(fd, room, sizeof(room), MSG_DONTWAIT) > 0)
        any = true;
    return any;
}

/* Is a handshake due, or has it failed? */
static bool handshakes(const struct run *run)
{
    const struct connection *connection = present(run);

    return connection != NULL && (connection->session.state == SESSION_STARTTLS ||
                                  connection->session.state == SESSION_WRAPPER);
}

/* Cleartext that the client has got; behind it there may be an alert, which is none of SMTP. */
static void see_cleartext(struct run *run, const char *bytes, size_t length)
{
    const char *alert = run->handshaken ? memchr(bytes, SSL3_RT_ALERT, length) : NULL;

    smtp_model_client_got(run->model, bytes, alert != NULL ? (size_t)(alert - bytes) : length);
    run->over = run->over || alert != NULL;
}

/* What the client has got, as SMTP, goes to the model. */
static void see_client(struct run *run)
{
    static char room[65536];
    size_t got;

    while ((got = look(run->client, room, sizeof(room))) > 0) {
        run->moved += got;
        if (run->over)
            continue;
        if (run->tls == NULL) {
            see_cleartext(run, room, got);
            continue;
        }
        require(BIO_write(run->tls_in, room, (int)got) == (int)got, "out of memory");
        int count;
        while (SSL_is_init_finished(run->tls) &&
               (count = SSL_read(run->tls, room, sizeof(room))) > 0)
            smtp_model_client_got(run->model, room, (size_t)count);
        ERR_clear_error();
    }
}

/* The same for the backend. */
static void see_backend(struct run *run)
{
    static char room[65536];
    size_t got;

    while ((got = look(run->backend_end, room, sizeof(room))) > 0) {
        run->moved += got;
        if (!run->over)
            smtp_model_backend_got(run->model, room, got);
    }
}

/* gatepost has closed its end of the backend connection. */
static void check_backend(struct run *run)
{
    const struct connection *connection = present(run);

    if (run->backend_end < 0 || (connection != NULL && connection->backend_fd >= 0))
        return;
    smtp_model_backend_closed(run->model);
    close(run->backend_end);
    run->backend_end = -1;
}

/* ---- the event loop ------------------------------------------------------------------------- */

static unsigned invoked; /* watchers, in the present turn */

static void invoke(struct ev_loop *loop)
{
    invoked += ev_pending_count(loop);
    ev_invoke_pending(loop);
}

/* Connections that gave way to others, as in worker.c. */
static void on_idle(struct ev_loop *loop, ev_idle *idle, int events)
{
    struct worker *worker = idle->data;
    struct connection *one = worker->again;

    (void)events;
    if (one != NULL) {
        connection_not_again(one);
        connection_work(one);
    }
    if (worker->again == NULL)
        ev_idle_stop(loop, idle);
}

static void on_stress(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
}

/* Is there something to be read? */
static bool has_input(int fd)
{
    int count = 0;

    return fd >= 0 && ioctl(fd, FIONREAD, &count) == 0 && count > 0;
}

/* All events have been dealt with: nothing that can be moved was forgotten. */
static void check_rest(const struct run *run)
{
    const struct connection *connection = present(run);

    if (connection == NULL || connection->phase == CONNECTION_LINGER)
        return;
    const struct session *session = &connection->session;
    bool full = buffer_length(&session->client_out) >= SESSION_REPLIES_HIGH;
    require(!session->limits.pause || connection->pause_until > 0., "it pauses for ever");
    if (session->limits.pause)
        return;
    require(run->client_held || buffer_length(&session->client_out) == 0,
            "the client is not sent what it takes");
    require(
        !session_waits_for_client(session) || connection->phase == CONNECTION_HANDSHAKE ||
            (!has_input(connection->client_fd) && buffer_length(&connection->ciphertext_in) == 0),
        "the client is not heard");
    require(run->backend_held || session->relay == NULL || connection->backend_fd < 0 ||
                buffer_length(&session->relay->out) == 0,
            "the backend is not sent what it takes");
    require(full || !has_input(connection->backend_fd), "the backend is not heard");
    require(run->client >= 0 || connection->phase == CONNECTION_HANDSHAKE ||
                session->state == SESSION_STARTTLS || session->state == SESSION_WRAPPER ||
                session->limits.pause || session_waits_for_client(session) ||
                (session->relay != NULL && relay_awaits_verdict(session->relay, true)) ||
                !connection->client_stirred,
            "a client that has gone is waited for");
}

/* Let everything happen that can, and the ends take what they get. */
static void settle(struct run *run)
{
    unsigned idle_turns = 0;

    for (int turn = 0; idle_turns < 2; turn++) {
        size_t before = run->moved;
        require(turn < TURNS_MAX, "it is busy for nothing");
        invoked = 0;
        ev_run(run->worker->loop, EVRUN_NOWAIT);
        run->handshaken = run->handshaken || handshakes(run);
        see_client(run);
        see_backend(run);
        bool taken = !run->client_held && take(run->client);
        taken = (!run->backend_held && take(run->backend_end)) || taken;
        check_backend(run);
        idle_turns = invoked == 0 && !taken && before == run->moved ? idle_turns + 1 : 0;
    }
    check_rest(run);
}

/* ---- what happens --------------------------------------------------------------------------- */

/* Send as far as it goes; the rest is never sent. */
static size_t send_some(int fd, const char *data, size_t length)
{
    ssize_t sent = fd >= 0 ? send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

    return sent > 0 ? (size_t)sent : 0;
}

/* What the client's TLS has to say goes out; what does not fit is lost, and TLS with it. */
static void send_tls(struct run *run)
{
    char *data = NULL;
    long length = BIO_get_mem_data(run->tls_out, &data);

    if (length > 0 && send_some(run->client, data, (size_t)length) < (size_t)length)
        run->over = true;
    (void)BIO_reset(run->tls_out);
}

/* Bytes of the client's. Behind STARTTLS they are no SMTP; nor is what is lost on its way. */
static void client_bytes(struct run *run, const char *data, size_t length)
{
    const struct connection *connection = present(run);

    if (connection == NULL || run->client_mute || length == 0)
        return;
    if (run->tls != NULL && SSL_is_init_finished(run->tls)) {
        int room = 0;
        socklen_t size = sizeof(room);
        (void)getsockopt(run->client, SOL_SOCKET, SO_SNDBUF, &room, &size);
        if (length > (size_t)room / 4 || SSL_write(run->tls, data, (int)length) <= 0)
            return;
        if (!run->over)
            smtp_model_client_sent(run->model, data, length);
        send_tls(run);
        return;
    }
    bool smtp = connection->phase == CONNECTION_CLEARTEXT && !handshakes(run);
    size_t sent = send_some(run->client, data, length);
    if (smtp && !run->over)
        smtp_model_client_sent(run->model, data, sent);
}

/* Bytes of the backend's, which it says when it has heard all that there is. */
static void backend_bytes(struct run *run, const char *data, size_t length)
{
    if (run->backend_end < 0 || run->backend_mute)
        return;
    size_t sent = send_some(run->backend_end, data, length);
    if (!run->over)
        smtp_model_backend_sent(run->model, data, sent);
}

/* Bytes of one end; REPEAT: many times over. */
static void bytes(struct run *run, bool client, const char *data, size_t length, bool repeat)
{
    static char text[REPEAT_MAX];
    size_t total = length;

    if (length == 0 || length > sizeof(text))
        return;
    memcpy(text, data, length);
    for (; repeat && total + length <= sizeof(text); total += length)
        memcpy(text + total, data, length);
    if (client)
        client_bytes(run, text, total);
    else
        backend_bytes(run, text, total);
}

/* A pair of sockets with small buffers; ENDS[0] is gatepost's. */
static void make_pair(int ends[2], int size)
{
    const int zero = 0;

    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "no sockets");
    (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    require(setsockopt(ends[1], SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) == 0,
            "what is looked at cannot be kept");
}

/* The backend connection that gatepost waits for is there, or cannot be had. */
static void answer_dial(struct run *run, bool good)
{
    struct dial *dial = run->worker->channel.waiting;
    int ends[2] = {-1, -1};

    if (dial == NULL)
        return;
    if (good) {
        make_pair(ends, 4096);
        smtp_model_backend_opened(run->model);
        run->backend_end = ends[1];
        run->backend_mute = false;
    }
    dial_answer(&run->worker->channel, dial->id, ends[0], good ? 0 : ECONNREFUSED);
}

/* The client shakes hands, if it is time. */
static void shake_hands(struct run *run, SSL_CTX *context)
{
    const struct connection *connection = present(run);

    if (connection == NULL || connection->phase != CONNECTION_HANDSHAKE || run->tls != NULL ||
        run->client_mute || run->client_held)
        return;
    run->tls = SSL_new(context);
    run->tls_in = BIO_new(BIO_s_mem());
    run->tls_out = BIO_new(BIO_s_mem());
    require(run->tls != NULL && run->tls_in != NULL && run->tls_out != NULL, "out of memory");
    SSL_set_bio(run->tls, run->tls_in, run->tls_out);
    SSL_set_connect_state(run->tls);
    for (int round = 0; round < 8 && !SSL_is_init_finished(run->tls); round++) {
        (void)SSL_do_handshake(run->tls);
        ERR_clear_error();
        if (SSL_is_init_finished(run->tls) && !run->over)
            smtp_model_secured(run->model, run->implicit);
        send_tls(run);
        settle(run);
        connection = present(run);
        if (connection == NULL || connection->phase == CONNECTION_LINGER)
            break;
    }
    run->over = run->over || !SSL_is_init_finished(run->tls);
}

/* One end closes, or half of it. */
static void leave(struct run *run, char kind)
{
    int *end = kind == 'z' || kind == 'Z' ? &run->client : &run->backend_end;
    bool *mute = kind == 'z' || kind == 'Z' ? &run->client_mute : &run->backend_mute;

    if (*end < 0)
        return;
    *mute = true;
    if (kind == 'z' || kind == 'e') {
        (void)shutdown(*end, SHUT_WR);
        return;
    }
    (void)(kind == 'Z' ? see_client(run) : see_backend(run));
    close(*end);
    *end = -1;
    if (kind == 'E')
        smtp_model_backend_closed(run->model);
}

/* Time passes. */
static void pass(struct run *run, double seconds)
{
    struct connection *connection = present(run);
    struct dial *dial = run->worker->channel.waiting;

    shift += seconds;
    if (connection == NULL)
        return;
    require(ev_is_active(&connection->timer), "nobody looks at the clock");
    ev_feed_event(run->worker->loop, &connection->timer, EV_TIMER);
    if (dial != NULL && seconds > run->at.upstream.connect_timeout)
        ev_feed_event(run->worker->loop, &dial->timer, EV_TIMER);
}

static void step(struct run *run, SSL_CTX *context, char kind, const char *data, size_t length)
{
    if (kind == 'C' || kind == 'c')
        bytes(run, true, data, length, kind == 'c');
    else if (kind == 'B' || kind == 'b')
        bytes(run, false, data, length, kind == 'b');
    else if (kind == 'T')
        shake_hands(run, context);
    else if (kind == 'o' || kind == 'x')
        answer_dial(run, kind == 'o');
    else if (kind == 'e' || kind == 'E' || kind == 'z' || kind == 'Z')
        leave(run, kind);
    else if (kind == '1' || kind == 'f' || kind == 't')
        pass(run, kind == '1' ? 1. : kind == 'f' ? 15. : 400.);
    else if (kind == 'h') {
        run->client_held = !run->client_held;
        run->was_held = true;
    } else if (kind == 'H')
        run->backend_held = !run->backend_held;
    else if (present(run) != NULL)
        connection_drain(present(run), kind == 'D');
    settle(run);
}

/* ---- the stage ------------------------------------------------------------------------------ */

/* The service and its model, from the settings. */
static void set_service(struct run *run, struct connection_stage *stage, const uint8_t flags[3])
{
    connection_stage_serve(stage, flags, &run->at);
    run->implicit = run->at.service.wrappermode;
    const struct smtp_model_rules rules = {
        .bare_newline = run->at.service.bare_newline,
        .line_limit = CONNECTION_LINE_LIMIT,
        .handoff = run->at.upstream.handoff,
        .encrypt = stage->policy.level == TLS_LEVEL_ENCRYPT,
        .auth_only = stage->policy.auth_only,
        .header = run->at.service.received_header,
        .lenient = (flags[1] & 1) != 0,
    };
    run->model = smtp_model_new(&rules);
}

static void set_up(struct run *run, struct connection_stage *stage, const uint8_t flags[3])
{
    struct worker *worker = &stage->worker;
    struct sockaddr_storage peer = {.ss_family = AF_INET};
    int ends[2];

    memset(run, 0, sizeof(*run));
    run->worker = worker;
    run->channel = stage->channel[1];
    run->backend_end = -1;
    worker->loop = ev_loop_new(EVFLAG_AUTO);
    require(worker->loop != NULL, "no event loop");
    ev_set_invoke_pending_cb(worker->loop, invoke);
    ev_idle_init(&worker->idle, on_idle);
    worker->idle.data = worker;
    ev_set_priority(&worker->idle, EV_MAXPRI);
    ev_init(&worker->stress_timer, on_stress);
    worker->again = NULL;
    worker->again_end = &worker->again;
    worker->channel = (struct dial_channel){.fd = stage->channel[0]};
    set_service(run, stage, flags);
    run->listener = (struct worker_listener){.worker = worker, .service = &run->at.service};
    const struct backend_watch_job job = {.loop = worker->loop,
                                          .upstream = &run->at.upstream,
                                          .channel = &worker->channel,
                                          .hostname = "mx.test"};
    run->at.backend.probing = true; /* it is known: nobody asks */
    run->listener.watch = backend_watch_new(&job);
    backend_watch_stop(run->listener.watch);
    run->at.backend.probing = false;
    make_pair(ends, 4096 << (flags[0] >> 6));
    run->client = ends[1];
    connection_open(&run->listener, ends[0], (const struct sockaddr *)&peer);
    /* A socket pair has no address that a backend could be told. */
    if (present(run) != NULL)
        present(run)->session.server = present(run)->session.client;
    settle(run);
}

/* Both ends leave, and time passes until nothing is left. */
static void tear_down(struct run *run, SSL_CTX *context)
{
    run->client_held = run->backend_held = false;
    settle(run);
    if (!run->over && !run->was_held && present(run) == NULL)
        smtp_model_finish(run->model);
    step(run, context, 'Z', "", 0);
    for (int i = 0; i < PAUSES_MAX && present(run) != NULL; i++) {
        leave(run, 'E');
        answer_dial(run, false);
        pass(run, LONG);
        settle(run);
    }
    require(present(run) == NULL && run->worker->connection_count == 0, "it lasts for ever");
    check_backend(run);
    backend_watch_free(run->listener.watch);
    ev_loop_destroy(run->worker->loop);
    (void)take(run->channel);
    smtp_model_free(run->model);
    SSL_free(run->tls);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    struct connection_stage *stage = connection_stage();

    if (size < 3 || size > SIZE_LIMIT)
        return 0;
    shift = 0.;
    set_up(&run, stage, data);
    for (size_t at = 3; at < size && present(&run) != NULL; at++) {
        char kind = (char)data[at++];
        const uint8_t *end = at < size ? memchr(data + at, RECORD_END, size - at) : NULL;
        size_t length = (end != NULL ? (size_t)(end - data) : size) - at;
        if (strchr(EVENTS, kind) == NULL || kind == '\0')
            kind = EVENTS[(uint8_t)kind % (sizeof(EVENTS) - 3)];
        step(&run, stage->client, kind, (const char *)data + at, length);
        at += length;
    }
    tear_down(&run, stage->client);
    return 0;
}
