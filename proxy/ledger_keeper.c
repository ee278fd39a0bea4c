#include "proxy/ledger_keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "proxy/channel.h"
#include "proxy/ledger_process.h"
#include "proxy/ledger_store.h"
#include "proxy/log.h"

#define BACKOFF_MAX 30.
#define KILL_SECONDS 10.      /* for its last words */
#define BUFFER_SIZE (1 << 20) /* of the socket; the kernel may give less */

/* What a ledger process is made for. */
struct ledger_settings {
    bool ledger;
    bool sandbox;
    uid_t uid;
    gid_t gid;
    struct ledger_bounds bounds;
    char directory[LEDGER_PATH_MAX];
    char root[LEDGER_PATH_MAX]; /* without a ledger, the process is locked in here; "": nowhere */
};

struct ledger_keeper {
    struct ev_loop *loop;
    struct log_output *output;
    const struct ledger_keeper_events *events;
    void *owner;
    struct ledger_settings settings; /* as they shall be */
    struct ledger_settings running;  /* those of the process */
    struct listener_sockets metrics; /* of SETTINGS. Owned. */
    bool metrics_changed;            /* the process has others */
    struct worker_slots *slots;
    struct metrics_facts *facts;
    struct privileges privileges;
    struct child_plan plan;
    struct ledger_process_job job;
    struct ledger_stats *stats; /* shared memory */
    int ends[2];                /* where observations come out, and where they go in */
    bool stopping;
    bool ending; /* the process was told to end */
    struct child child;
    ev_timer kill_timer;
};

static void start(struct ledger_keeper *keeper);

/* Shall there be a process? */
static bool is_wanted(const struct ledger_keeper *keeper)
{
    return (keeper->settings.ledger || keeper->metrics.count > 0) && !keeper->stopping;
}

static void on_log(struct ev_loop *loop, ev_io *io, int events)
{
    const struct ledger_keeper *keeper = io->data;

    (void)events;
    if (!child_read_log(&keeper->child, keeper->output))
        ev_io_stop(loop, io);
}

/* It says that it serves. */
static void on_channel(struct ev_loop *loop, ev_io *io, int events)
{
    struct ledger_keeper *keeper = io->data;
    struct channel_message message;
    int fd;

    (void)events;
    int got = channel_receive(keeper->child.channel, &message, &fd);
    if (fd >= 0)
        close(fd);
    if (got == 0)
        ev_io_stop(loop, io);
    if (got <= 0 || message.kind != CHANNEL_READY)
        return;
    keeper->child.ready = true;
    if (keeper->ending)
        kill(keeper->child.pid, SIGTERM); /* it did not hear that when it was told */
}

/* "was killed by signal 9", unless it was to end. */
static void log_exit(const struct ledger_keeper *keeper, int status)
{
    if (WIFSIGNALED(status))
        log_warning("ledger process %ld was killed by signal %d", (long)keeper->child.pid,
                    WTERMSIG(status));
    else if (!keeper->ending && WEXITSTATUS(status) != EX_CONFIG)
        log_warning("ledger process %ld exited with status %d", (long)keeper->child.pid,
                    WEXITSTATUS(status));
}

static void on_exit_of_child(struct ev_loop *loop, ev_child *watcher, int events)
{
    struct ledger_keeper *keeper = watcher->data;
    struct child *child = &keeper->child;
    int status = watcher->rstatus;
    /* It has said why it cannot be. A reload may change that. */
    bool hopeless = WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG;

    (void)events;
    ev_timer_stop(loop, &keeper->kill_timer);
    child_reap(child, loop, keeper->output);
    log_exit(keeper, status);
    child_close(child);
    bool told = keeper->ending;
    keeper->ending = false;
    if (!told && !keeper->stopping)
        atomic_fetch_add(&keeper->facts->restarts[METRICS_ROLE_LEDGER], 1);
    if (keeper->stopping)
        keeper->events->ended(keeper->owner);
    else if (is_wanted(keeper) && told)
        start(keeper);
    else if (is_wanted(keeper) && !hopeless)
        child_restart_later(&keeper->child, keeper->loop, BACKOFF_MAX);
}

static void on_restart(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct ledger_keeper *keeper = timer->data;

    (void)loop;
    (void)events;
    if (is_wanted(keeper))
        start(keeper);
}

static void on_kill_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct ledger_keeper *keeper = timer->data;

    (void)loop;
    (void)events;
    kill(keeper->child.pid, SIGKILL);
}

/* In the new process. */
static void forget(void *owner)
{
    struct ledger_keeper *keeper = owner;

    close(keeper->ends[1]);
    keeper->events->forget(keeper->owner);
}

/* Fork it and watch it. */
static void start(struct ledger_keeper *keeper)
{
    struct child *child = &keeper->child;

    ev_timer_stop(keeper->loop, &child->restart);
    keeper->running = keeper->settings;
    keeper->metrics_changed = false;
    keeper->privileges.root_directory = keeper->running.root;
    keeper->plan = (struct child_plan){.privileges = keeper->privileges,
                                       .slots = keeper->slots,
                                       .facts = keeper->facts,
                                       .chains = -1,
                                       .ledger = -1,
                                       .ledger_job = &keeper->job};
    keeper->job = (struct ledger_process_job){
        .directory = keeper->running.ledger ? keeper->running.directory : NULL,
        .metrics = &keeper->metrics,
        .slots = keeper->slots,
        .facts = keeper->facts,
        .bounds = keeper->running.bounds,
        .privileges = &keeper->privileges,
        .stats = keeper->stats,
        .observations = keeper->ends[0],
        .sandbox = keeper->running.sandbox};
    child->started = ev_now(keeper->loop);
    if (child_start(child, &keeper->plan, -1, forget) != 0) {
        log_error("cannot start the ledger process: %s", strerror(errno));
        child_restart_later(&keeper->child, keeper->loop, BACKOFF_MAX);
        return;
    }
    ev_child_init(&child->watcher, on_exit_of_child, child->pid, 0);
    ev_io_init(&child->channel_io, on_channel, child->channel, EV_READ);
    ev_io_init(&child->log_io, on_log, child->log, EV_READ);
    child->watcher.data = child->channel_io.data = child->log_io.data = keeper;
    ev_child_start(keeper->loop, &child->watcher);
    ev_io_start(keeper->loop, &child->channel_io);
    ev_io_start(keeper->loop, &child->log_io);
}

/* Tell the process to end. */
static void end(struct ledger_keeper *keeper)
{
    ev_timer_stop(keeper->loop, &keeper->child.restart);
    if (keeper->child.pid == 0 || keeper->ending)
        return;
    keeper->ending = true;
    kill(keeper->child.pid, SIGTERM);
    ev_timer_set(&keeper->kill_timer, KILL_SECONDS, 0.);
    ev_timer_start(keeper->loop, &keeper->kill_timer);
}

/* Would a process that is made for A do for B? */
static bool same_settings(const struct ledger_settings *a, const struct ledger_settings *b)
{
    return a->ledger == b->ledger && a->sandbox == b->sandbox && a->uid == b->uid &&
           a->gid == b->gid && a->bounds.max_peers == b->bounds.max_peers &&
           a->bounds.max_age == b->bounds.max_age && strcmp(a->directory, b->directory) == 0 &&
           (a->ledger || strcmp(a->root, b->root) == 0);
}

/* Are FD and OTHER descriptors of one socket? */
static bool same_socket(int fd, int other)
{
    struct stat a, b;

    return fstat(fd, &a) == 0 && fstat(other, &b) == 0 && a.st_ino == b.st_ino;
}

/* Metrics are to be served on SOCKETS. */
static void take_metrics(struct ledger_keeper *keeper, const struct listener_sockets *sockets)
{
    struct diag silent = {0};
    struct listener_sockets copy;
    bool same = sockets->count == keeper->metrics.count;

    for (size_t i = 0; same && i < sockets->count; i++)
        same = same_socket(sockets->sockets[i].fd, keeper->metrics.sockets[i].fd);
    if (same)
        return;
    if (listener_copy(sockets, &copy, &silent) != 0) {
        log_error("metrics are served as before: cannot duplicate a socket: %s", strerror(errno));
        return;
    }
    listener_close(&keeper->metrics);
    keeper->metrics = copy;
    keeper->metrics_changed = true;
}

void ledger_keeper_apply(struct ledger_keeper *keeper, const struct config *config,
                         const struct privileges *privileges,
                         const struct listener_sockets *metrics)
{
    struct ledger_settings settings;

    settings = (struct ledger_settings){
        .ledger = config_bool(config, PARAM_gatepost_ledger),
        .sandbox = config_bool(config, PARAM_gatepost_sandbox),
        .uid = privileges->uid,
        .gid = privileges->gid,
        .bounds = {.max_peers = config_int(config, PARAM_gatepost_ledger_max_peers),
                   .max_age = config_time(config, PARAM_gatepost_ledger_max_age),
                   .max_hellos = LEDGER_HELLOS_MAX,
                   .max_hello_bytes = LEDGER_HELLO_BYTES_MAX}};
    snprintf(settings.directory, sizeof(settings.directory), "%s/" LEDGER_DIRECTORY,
             config_str(config, PARAM_gatepost_state_directory));
    snprintf(settings.root, sizeof(settings.root), "%s",
             privileges->root_directory != NULL ? privileges->root_directory : "");
    keeper->settings = settings;
    keeper->privileges = *privileges;
    take_metrics(keeper, metrics);
    if (keeper->child.pid == 0) {
        if (is_wanted(keeper))
            start(keeper);
    } else if (keeper->metrics_changed || !same_settings(&settings, &keeper->running)) {
        end(keeper);
    }
}

int ledger_keeper_way(const struct ledger_keeper *keeper, const struct config *config)
{
    return config_bool(config, PARAM_gatepost_ledger) ? keeper->ends[1] : -1;
}

void ledger_keeper_stop(struct ledger_keeper *keeper)
{
    keeper->stopping = true;
    end(keeper);
}

bool ledger_keeper_is_over(const struct ledger_keeper *keeper)
{
    return keeper->child.pid == 0;
}

void ledger_keeper_forget(struct ledger_keeper *keeper, bool keep_way)
{
    if (keeper == NULL)
        return;
    ev_child_stop(keeper->loop, &keeper->child.watcher);
    if (keeper->child.pid != 0)
        child_close(&keeper->child);
    listener_close(&keeper->metrics);
    close(keeper->ends[0]);
    if (!keep_way)
        close(keeper->ends[1]);
}

const struct ledger_stats *ledger_keeper_stats(const struct ledger_keeper *keeper)
{
    return keeper->running.ledger ? keeper->stats : NULL;
}

void ledger_keeper_status(const struct ledger_keeper *keeper, FILE *out)
{
    const struct ledger_stats *stats = keeper->stats;

    if (keeper->child.pid == 0) {
        if (is_wanted(keeper))
            fprintf(out, "ledger: not running, see the log\n");
        return;
    }
    if (!keeper->running.ledger) {
        fprintf(out, "metrics %ld: %s, no ledger is kept\n", (long)keeper->child.pid,
                keeper->child.ready ? "serving" : "starting");
        return;
    }
    fprintf(out, "ledger %ld: %s, records %llu, lost %llu, peers %llu, ClientHellos %llu\n",
            (long)keeper->child.pid,
            !keeper->child.ready           ? "starting"
            : atomic_load(&stats->failing) ? "cannot use its database, see the log"
                                           : "serving",
            (unsigned long long)atomic_load(&stats->recorded),
            (unsigned long long)atomic_load(&stats->lost),
            (unsigned long long)atomic_load(&stats->peers),
            (unsigned long long)atomic_load(&stats->hellos));
}

void ledger_keeper_status_json(const struct ledger_keeper *keeper, struct json *json)
{
    const struct ledger_stats *stats = keeper->stats;

    if (keeper->child.pid == 0 && !is_wanted(keeper))
        return;
    json_object(json, NULL);
    json_string(json, "role", keeper->settings.ledger ? "ledger" : "metrics");
    json_number(json, "pid", (long long)keeper->child.pid);
    json_string(json, "state",
                keeper->child.pid == 0         ? "stopped"
                : !keeper->child.ready         ? "starting"
                : atomic_load(&stats->failing) ? "failing"
                                               : "serving");
    json_number(json, "records", (long long)atomic_load(&stats->recorded));
    json_number(json, "records_lost", (long long)atomic_load(&stats->lost));
    json_number(json, "datagrams_malformed", (long long)atomic_load(&stats->malformed));
    json_number(json, "peers", (long long)atomic_load(&stats->peers));
    json_number(json, "client_hellos", (long long)atomic_load(&stats->hellos));
    json_end_object(json);
}

/* The socket between workers and ledger. It goes one way. */
static bool open_ends(int ends[2])
{
    const int size = BUFFER_SIZE;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return false;
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    (void)shutdown(ends[0], SHUT_WR);
    return true;
}

struct ledger_keeper *ledger_keeper_new(const struct ledger_keeper_job *job, struct diag *diag)
{
    struct ledger_keeper *keeper = calloc(1, sizeof(*keeper));

    if (keeper == NULL)
        abort();
    *keeper = (struct ledger_keeper){.loop = job->loop,
                                     .output = job->output,
                                     .events = job->events,
                                     .owner = job->owner,
                                     .slots = job->slots,
                                     .facts = job->facts,
                                     .child = {.role = CHILD_LEDGER,
                                               .channel = -1,
                                               .log = -1,
                                               .slot = -1,
                                               .backoff = CHILD_BACKOFF_FIRST,
                                               .owner = keeper}};
    keeper->child.reader = log_pipe_reader_new();
    keeper->stats = mmap(NULL, sizeof(*keeper->stats), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ev_init(&keeper->child.restart, on_restart);
    keeper->child.restart.data = keeper;
    ev_init(&keeper->kill_timer, on_kill_timer);
    keeper->kill_timer.data = keeper;
    if (keeper->child.reader != NULL && keeper->stats != MAP_FAILED && open_ends(keeper->ends))
        return keeper;
    diag_error(diag, "cannot make a way to the ledger: %s", strerror(errno));
    log_pipe_reader_free(keeper->child.reader);
    if (keeper->stats != MAP_FAILED)
        munmap(keeper->stats, sizeof(*keeper->stats));
    free(keeper);
    return NULL;
}

void ledger_keeper_free(struct ledger_keeper *keeper)
{
    if (keeper == NULL)
        return;
    listener_close(&keeper->metrics);
    close(keeper->ends[0]);
    close(keeper->ends[1]);
    log_pipe_reader_free(keeper->child.reader);
    munmap(keeper->stats, sizeof(*keeper->stats));
    free(keeper);
}
