#include "proxy/ledger_process.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "proxy/channel.h"
#include "proxy/ledger_store.h"
#include "proxy/log.h"
#include "proxy/metrics_server.h"
#include "proxy/sandbox.h"
#ifdef GATEPOST_TEST_HOOKS
#include "proxy/forbidden_calls.h"
#endif

#define DATAGRAMS_AT_ONCE 64
#define WRITE_SECONDS 1.   /* how long an observation may wait to be written with others */
#define RETRY_SECONDS 10.  /* while the database cannot be used */
#define AGE_SECONDS 21600. /* how often what is too old is looked for */

struct ledger_process {
    struct ev_loop *loop;
    struct ledger_store *store;     /* NULL: no ledger is kept */
    struct metrics_server *metrics; /* NULL: they are not served */
    struct ledger_batch *batch;
    struct ledger_stats *stats;
    const char *path; /* as people know it */
    int observations;
    int channel;
    bool failing;
    uint64_t lost; /* while failing */
    uint8_t *datagram;
    ev_io data_io;
    ev_io channel_io;
    ev_timer write_timer;
    ev_timer retry_timer;
    ev_timer age_timer;
    ev_signal sigterm;
};

/* What is in the database, for the master. */
static void show_extent(struct ledger_process *process)
{
    const struct ledger_extent *extent = ledger_store_extent(process->store);

    atomic_store(&process->stats->peers, (uint64_t)extent->peers);
    atomic_store(&process->stats->hellos, (uint64_t)extent->hellos);
    atomic_store(&process->stats->failing, process->failing);
}

/* COUNT observations are not recorded. */
static void lose(struct ledger_process *process, uint64_t count)
{
    process->lost += count;
    atomic_fetch_add(&process->stats->lost, count);
}

/* The database is there: open, and what it holds is known. */
static void works(struct ledger_process *process)
{
    if (process->failing)
        log_info("%s can be used again; %llu records were lost", process->path,
                 (unsigned long long)process->lost);
    process->failing = false;
    process->lost = 0;
    show_extent(process);
}

static void open_database(struct ledger_process *process, bool again);

/* The database cannot be used: OPENED and WHY say why not. */
static void fails(struct ledger_process *process, enum ledger_opened opened, const char *why,
                  bool again)
{
    atomic_fetch_add(&process->stats->errors, 1);
    if (opened == LEDGER_CORRUPT && !again && ledger_store_set_aside(process->store)) {
        log_error("%s is damaged: %s; it has been renamed to %s.corrupt, and a new one is begun",
                  process->path, why, process->path);
        open_database(process, true);
        return;
    }
    if (!process->failing)
        log_error("%s: %s; until that is mended, sessions are served but not recorded",
                  process->path, why);
    process->failing = true;
    show_extent(process);
    ev_timer_again(process->loop, &process->retry_timer);
}

/* Open it; AGAIN: a damaged one has just been set aside. */
static void open_database(struct ledger_process *process, bool again)
{
    char why[LEDGER_WHY_MAX];
    enum ledger_opened opened = ledger_store_open(process->store, why);

    if (opened == LEDGER_OPENED)
        works(process);
    else
        fails(process, opened, why, again);
}

/* Put what has come into the database. */
static void write_batch(struct ledger_process *process)
{
    char why[LEDGER_WHY_MAX];
    uint64_t count = process->batch->observations;

    ev_timer_stop(process->loop, &process->write_timer);
    if (count == 0)
        return;
    if (!ledger_store_is_open(process->store)) {
        ledger_batch_clear(process->batch);
        lose(process, count);
        return;
    }
    enum ledger_opened written = ledger_store_write(process->store, process->batch, why);
    if (written == LEDGER_OPENED) {
        atomic_fetch_add(&process->stats->recorded, count);
        show_extent(process);
        return;
    }
    lose(process, count);
    fails(process, written, why, false);
}

/* All observations of one datagram. */
static void take_datagram(struct ledger_process *process, size_t length)
{
    const uint8_t *at = process->datagram;
    struct observation observation;
    int64_t now = (int64_t)time(NULL);
    int got;

    while ((got = observation_read(&at, &length, &observation)) > 0) {
        if (!ledger_batch_has_room(process->batch))
            write_batch(process);
        ledger_batch_add(process->batch, &observation, now);
    }
    if (got < 0)
        atomic_fetch_add(&process->stats->malformed, 1);
}

/* Take what has come, up to MOST datagrams. */
static void take(struct ledger_process *process, unsigned most)
{
    for (unsigned i = 0; i < most; i++) {
        ssize_t got =
            recv(process->observations, process->datagram, OBSERVATION_DATAGRAM_MAX, MSG_DONTWAIT);
        if (got <= 0)
            break;
        take_datagram(process, (size_t)got);
    }
    if (process->batch->observations > 0 && !ev_is_active(&process->write_timer)) {
        ev_timer_set(&process->write_timer, WRITE_SECONDS, 0.);
        ev_timer_start(process->loop, &process->write_timer);
    }
}

static void on_data(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    take(io->data, DATAGRAMS_AT_ONCE);
}

static void on_write_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    write_batch(timer->data);
}

static void on_retry_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct ledger_process *process = timer->data;

    (void)events;
    ev_timer_stop(loop, timer);
    if (!ledger_store_is_open(process->store))
        open_database(process, false);
}

/* Delete what is too old, a part at a time. */
static void on_age_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct ledger_process *process = timer->data;
    char why[LEDGER_WHY_MAX];
    bool more = false;

    (void)events;
    if (ledger_store_is_open(process->store)) {
        enum ledger_opened aged = ledger_store_age(process->store, (int64_t)time(NULL), &more, why);
        if (aged == LEDGER_OPENED)
            show_extent(process);
        else
            fails(process, aged, why, false);
    }
    timer->repeat = more ? WRITE_SECONDS : AGE_SECONDS;
    ev_timer_again(loop, timer);
}

static void on_sigterm(struct ev_loop *loop, ev_signal *signal, int events)
{
    (void)signal;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

/* The master says nothing but by going away. */
static void on_channel(struct ev_loop *loop, ev_io *io, int events)
{
    struct ledger_process *process = io->data;
    struct channel_message message;
    int fd;

    (void)events;
    int got = channel_receive(process->channel, &message, &fd);
    if (fd >= 0)
        close(fd);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR && errno != EPROTO))
        ev_break(loop, EVBREAK_ALL);
}

/* The watchers. */
static void watch(struct ledger_process *process)
{
    ev_io_init(&process->data_io, on_data, process->observations, EV_READ);
    ev_io_init(&process->channel_io, on_channel, process->channel, EV_READ);
    ev_init(&process->write_timer, on_write_timer);
    ev_timer_init(&process->retry_timer, on_retry_timer, 0., RETRY_SECONDS);
    ev_timer_init(&process->age_timer, on_age_timer, WRITE_SECONDS, AGE_SECONDS);
    ev_signal_init(&process->sigterm, on_sigterm, SIGTERM);
    process->data_io.data = process->channel_io.data = process;
    process->write_timer.data = process->retry_timer.data = process->age_timer.data = process;
    process->sigterm.data = process;
    ev_io_start(process->loop, &process->channel_io);
    if (process->store != NULL) {
        ev_io_start(process->loop, &process->data_io);
        ev_timer_start(process->loop, &process->age_timer);
    }
    ev_signal_start(process->loop, &process->sigterm);
}

/* What the ledger takes. PATH: of the database, as this process will see it. */
static void prepare_ledger(struct ledger_process *process, const char *path,
                           const struct ledger_bounds *bounds)
{
    struct siphash_key key;

    if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
        log_fatal("cannot get random numbers: %s", strerror(errno));
    process->store = ledger_store_new(path, bounds);
    process->batch = ledger_batch_new(&key);
    process->datagram = malloc(OBSERVATION_DATAGRAM_MAX);
    if (process->store == NULL || process->batch == NULL || process->datagram == NULL)
        log_fatal("out of memory for the ledger");
}

/* The rights that it needs. */
static enum sandbox_role role(const struct ledger_process *process)
{
    if (process->store == NULL)
        return SANDBOX_METRICS;
    return process->metrics == NULL ? SANDBOX_LEDGER : SANDBOX_LEDGER_METRICS;
}

/* The end: the workers' last words. */
static void finish(struct ledger_process *process)
{
    metrics_server_free(process->metrics);
    if (process->store != NULL) {
        take(process, UINT16_MAX);
        write_batch(process);
        ledger_store_free(process->store);
        ledger_batch_free(process->batch);
        free(process->datagram);
    }
    ev_loop_destroy(process->loop);
}

/* Serve until the end. */
static void serve(struct ledger_process *process, bool sandbox)
{
    const struct channel_message ready = {.kind = CHANNEL_READY};

    watch(process);
#ifdef GATEPOST_TEST_HOOKS
    forbidden_calls_watch(process->loop);
#endif
    if (sandbox)
        sandbox_enter(role(process));
    if (process->store != NULL)
        open_database(process, false);
    if (channel_send(process->channel, &ready, -1) != 0)
        log_fatal("cannot tell the master: %s", strerror(errno));
    ev_run(process->loop, 0);
    finish(process);
}

/* Can the database have a directory? */
static bool make_directory(const struct ledger_process_job *job)
{
    char why[LEDGER_WHY_MAX];

    if (job->directory == NULL)
        return false;
    if (privileges_make_directory(job->privileges, job->directory, why, sizeof(why)))
        return true;
    log_error("%s: %s; sessions are served but not recorded", job->directory, why);
    return false;
}

int ledger_process_run(const struct ledger_process_job *job)
{
    char path[LEDGER_PATH_MAX] = "";
    char seen[LEDGER_PATH_MAX];
    char random[16];
    struct privileges privileges = *job->privileges;
    struct ledger_process process = {.stats = job->stats,
                                     .path = path,
                                     .observations = job->observations,
                                     .channel = job->channel};
    bool ledger = make_directory(job);
    const struct metrics_source source = {.counters = worker_slots_metrics(job->slots),
                                          .facts = job->facts,
                                          .limits = worker_slots_counters(job->slots),
                                          .ledger = ledger ? job->stats : NULL};

    if (!ledger && job->metrics->count == 0)
        return EX_CONFIG;
    if (ledger) {
        snprintf(path, sizeof(path), "%s/" LEDGER_FILE, job->directory);
        snprintf(seen, sizeof(seen), "%s/" LEDGER_FILE, privileges.root ? "" : job->directory);
        privileges.root_directory = job->directory;
        sqlite3_randomness((int)sizeof(random), random); /* it asks /dev/urandom, once */
        umask(027);
    }
    privileges_drop(&privileges);
    process.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (process.loop == NULL)
        log_fatal("cannot make an event loop: %s", strerror(errno));
    if (ledger)
        prepare_ledger(&process, seen, &job->bounds);
    if (job->metrics->count > 0)
        process.metrics = metrics_server_new(process.loop, job->metrics, &source);
    serve(&process, job->sandbox);
    return EX_OK;
}
