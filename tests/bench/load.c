/*
 * load.c: the benchmark's load generator: SMTP sessions with OpenSSL, many at once, in one thread.
 *
 * The result is one line of JSON on standard output: how many sessions there were, how many of them
 * failed, how long all took, and how long single ones did, from connect to 221. With --hold and
 * --forever a line "ready" precedes it, when all sessions are idle or the first has ended. Exit
 * status 0 only if no session failed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/load_options.h"
#include "tests/bench/load_session.h"

#define EVENTS 256
#define LATENCIES_MAX 1000000u
#define PROBLEMS_SHOWN 5

/* A session that waits for the end of its pause. */
struct pause {
    uint32_t slot;
    double due;
};

struct generator {
    const struct load_options *options;
    struct load_plan plan;
    int epoll;
    struct load_session *sessions;
    uint32_t *armed; /* of each session: what epoll waits for */
    struct pause *pauses;
    size_t pause_first, pause_count, pause_room;
    uint32_t begun, ended, failed, held;
    uint32_t active;  /* neither ended nor held */
    bool input_ended; /* of standard input */
    bool ready;       /* was said */
    float *latencies; /* microseconds */
    uint32_t latency_count;
    double deadline;
};

#define STDIN_SLOT UINT32_MAX

/* Ends the program: the environment does not permit a run. */
static _Noreturn void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        die("memory");
    return memory;
}

/* Waits for EVENTS on FD. */
static void watch(struct generator *all, int operation, int fd, uint32_t events, uint32_t slot)
{
    struct epoll_event event = {.events = events, .data.u32 = slot};

    if (epoll_ctl(all->epoll, operation, fd, &event) != 0)
        die("epoll_ctl");
}

/* Waits for what the session wants. */
static void arm(struct generator *all, uint32_t slot, uint32_t wants)
{
    if (all->armed[slot] == wants)
        return;
    watch(all, EPOLL_CTL_MOD, all->sessions[slot].link.fd, wants, slot);
    all->armed[slot] = wants;
}

/* Says "ready", once. */
static void say_ready(struct generator *all)
{
    if (!all->ready) {
        all->ready = true;
        puts("ready");
        fflush(stdout);
    }
}

static void note_latency(struct generator *all, const struct load_session *session)
{
    if (all->latency_count < LATENCIES_MAX)
        all->latencies[all->latency_count++] = (float)((session->replied - session->began) * 1e6);
}

static void note_failure(struct generator *all, const struct load_session *session)
{
    if (all->failed++ < PROBLEMS_SHOWN)
        fprintf(stderr, "load: session failed at step %d: %s\n", session->step,
                session->link.problem != NULL ? session->link.problem : "");
}

static bool may_begin(const struct generator *all)
{
    if (all->options->forever)
        return !all->input_ended;
    return all->begun < all->options->operations;
}

static void take_outcome(struct generator *all, uint32_t slot, enum load_outcome outcome);

/* Begins a new session in a free slot. */
static void begin(struct generator *all, uint32_t slot)
{
    struct load_session *session = &all->sessions[slot];
    enum load_outcome outcome = session_begin(session, &all->plan, all->begun);

    all->begun++;
    all->active++;
    if (session->link.fd >= 0) {
        all->armed[slot] = session->link.wants;
        watch(all, EPOLL_CTL_ADD, session->link.fd, session->link.wants, slot);
    }
    if (outcome == LOAD_FAILED)
        take_outcome(all, slot, outcome);
}

/* The session is over; another one takes its place. */
static void end(struct generator *all, uint32_t slot)
{
    link_close(&all->sessions[slot].link);
    all->active--;
    all->ended++;
    if (all->options->forever)
        say_ready(all);
    if (all->failed < PROBLEMS_SHOWN && may_begin(all))
        begin(all, all->plan.hold ? all->begun : slot);
}

/* What a session has come to. */
static void take_outcome(struct generator *all, uint32_t slot, enum load_outcome outcome)
{
    struct load_session *session = &all->sessions[slot];

    switch (outcome) {
    case LOAD_BUSY:
        arm(all, slot, session->link.wants);
        break;
    case LOAD_PAUSED:
        arm(all, slot, 0);
        all->pauses[(all->pause_first + all->pause_count++) % all->pause_room] =
            (struct pause){slot, load_now() + all->plan.pause_ms / 1e3};
        break;
    case LOAD_HELD:
        arm(all, slot, EPOLLIN);
        if (session->step < 0)
            break;
        session->step = -1; /* idle */
        note_latency(all, session);
        all->active--;
        all->held++;
        if (all->failed < PROBLEMS_SHOWN && may_begin(all))
            begin(all, all->begun);
        break;
    case LOAD_DONE:
        note_latency(all, session);
        end(all, slot);
        break;
    case LOAD_FAILED:
        note_failure(all, session);
        if (session->step < 0) {
            all->held--;
            all->active++;
        }
        end(all, slot);
        break;
    }
}

/* Something happened to a session. */
static void go(struct generator *all, uint32_t slot)
{
    struct load_session *session = &all->sessions[slot];

    take_outcome(all, slot,
                 session->step < 0 ? session_check(session) : session_go(session, &all->plan));
}

/* Ends the pauses that are over; returns how long to wait for the next one, in milliseconds. */
static int end_pauses(struct generator *all)
{
    double now = load_now();

    while (all->pause_count > 0) {
        struct pause next = all->pauses[all->pause_first];

        if (next.due > now)
            return (int)((next.due - now) * 1e3) + 1;
        all->pause_first = (all->pause_first + 1) % all->pause_room;
        all->pause_count--;
        if (all->sessions[next.slot].link.fd >= 0)
            go(all, next.slot);
    }
    return 1000;
}

/* Standard input: only its end counts. */
static void read_input(struct generator *all)
{
    char buffer[256];

    if (read(STDIN_FILENO, buffer, sizeof buffer) <= 0) {
        all->input_ended = true;
        watch(all, EPOLL_CTL_DEL, STDIN_FILENO, 0, 0);
    }
}

static bool is_over(struct generator *all)
{
    bool lasts = all->plan.hold || all->options->forever;

    if (all->failed >= PROBLEMS_SHOWN) /* the run is void */
        return true;
    if (all->active > 0)
        return false;
    if (all->plan.hold && !may_begin(all))
        say_ready(all);
    return lasts ? all->input_ended : !may_begin(all);
}

/* Runs until everything is done. */
static void run(struct generator *all)
{
    uint32_t first = all->options->concurrency;
    struct epoll_event events[EVENTS];

    for (uint32_t i = 0; i < first && may_begin(all) && all->failed < PROBLEMS_SHOWN; i++)
        begin(all, all->plan.hold ? all->begun : i);
    while (!is_over(all)) {
        int count = epoll_wait(all->epoll, events, EVENTS, end_pauses(all));

        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.u32 == STDIN_SLOT)
                read_input(all);
            else
                go(all, events[i].data.u32);
        }
        if (load_now() > all->deadline) {
            fprintf(stderr, "load: %u of %u sessions ended in time, %u are idle\n", all->ended,
                    all->begun, all->held);
            exit(1);
        }
    }
}

static SSL_SESSION *caught; /* the first session that the server let us keep */

static int catch_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    if (caught != NULL || !SSL_SESSION_is_resumable(session))
        return 0;
    caught = session;
    return 1;
}

/* One full session, for what the others resume. */
static void get_ticket(struct generator *all)
{
    struct load_options one = {.operations = 1, .concurrency = 1};
    struct generator first = *all;

    SSL_CTX_sess_set_new_cb(all->plan.tls, catch_session);
    first.options = &one;
    first.plan.messages = 0;
    first.plan.hold = false;
    run(&first);
    SSL_CTX_sess_set_new_cb(all->plan.tls, NULL);
    /* or a new ticket makes OpenSSL forget the one that is used again and again */
    SSL_CTX_set_session_cache_mode(all->plan.tls, SSL_SESS_CACHE_OFF);
    if (first.failed > 0 || caught == NULL) {
        fprintf(stderr, "load: the server has given no session that could be resumed\n");
        exit(1);
    }
    all->plan.ticket = caught;
}

static int compare(const void *left, const void *right)
{
    float a = *(const float *)left;
    float b = *(const float *)right;

    return (a > b) - (a < b);
}

static double percentile(const struct generator *all, double part)
{
    if (all->latency_count == 0)
        return 0;
    return (double)all->latencies[(uint32_t)(part * (all->latency_count - 1))];
}

static void report(struct generator *all, double seconds)
{
    qsort(all->latencies, all->latency_count, sizeof *all->latencies, compare);
    printf("{\"sessions\": %u, \"failed\": %u, \"held\": %u, \"seconds\": %.6f, \"p50_us\": %.1f, "
           "\"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           all->ended, all->failed, all->held, seconds, percentile(all, 0.5), percentile(all, 0.9),
           percentile(all, 0.99), percentile(all, 1));
}

int main(int argc, char **argv)
{
    struct load_options options;
    struct rlimit files;
    struct generator all = {.options = &options};
    size_t slots;
    double start;

    load_options_read(argc, argv, &options);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    slots = options.plan.hold ? options.operations : options.concurrency;
    all.plan = options.plan;
    all.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (all.epoll < 0)
        die("epoll_create1");
    all.sessions = allocate(slots, sizeof *all.sessions);
    all.armed = allocate(slots, sizeof *all.armed);
    all.pauses = allocate(slots, sizeof *all.pauses);
    all.pause_room = slots;
    all.latencies = allocate(LATENCIES_MAX, sizeof *all.latencies);
    all.deadline = load_now() + options.timeout;
    if (options.plan.resume)
        get_ticket(&all);
    if (options.plan.hold || options.forever)
        watch(&all, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, STDIN_SLOT);
    start = load_now();
    run(&all);
    report(&all, load_now() - start);
    return all.failed > 0 ? 1 : 0;
}
