#include "proxy/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "proxy/activation.h"
#include "proxy/log.h"
#include "proxy/master_internal.h"
#include "proxy/version.h"

/* How often certificates are looked at; where there are very many files, or slow ones, less often,
 * so that looking takes no more than a hundredth of the time. */
#define LOOK_SECONDS 2.
#define LOOK_SECONDS_MAX 60.
#define LOOK_PAUSE 100. /* times as long as the look took */

/* What is said if that fails: to the log and whoever asked, and as a status. */
static const struct {
    const char *log;
    const char *status;
    enum metrics_reload counted;
} reload_kinds[] = {
    [RELOAD_CREDENTIALS] = {"cannot use the certificates on disk: the old ones stay in force",
                            "the certificates on disk cannot be used", METRICS_RELOAD_CERTIFICATES},
    [RELOAD_ALL] = {"reload failed: the old configuration stays in force", "the last reload failed",
                    METRICS_RELOAD_CONFIGURATION},
};

/* Records of the master itself. */
static void master_log(void *ctx, enum log_severity severity, const char *text, size_t length)
{
    log_output_write(ctx, severity, "master", getpid(), text, length);
    log_output_flush(ctx);
}

/* Findings while reloading: into the log, and to whoever asked for it. */
static void reload_finding(void *ctx, enum diag_severity severity, const char *text)
{
    struct master *master = ctx;

    if (severity == DIAG_ERROR)
        log_error("%s", text);
    else if (severity == DIAG_WARNING)
        log_warning("%s", text);
    if (master->asker != NULL && !master->asker_waits && severity != DIAG_INFO)
        fprintf(control_out(master->asker), "%s: %s\n",
                severity == DIAG_ERROR ? "error" : "warning", text);
}

/* Put GENERATION among those that finish, and tell its workers. */
static void master_retire(struct master *master, struct generation *generation, int signal_number)
{
    generation->next = master->leaving;
    master->leaving = generation;
    generation_leave(generation, signal_number);
}

/* When nothing is left that runs. The ledger hears the workers' last words. */
static void master_check_stopped(struct master *master)
{
    if (!master->stopping || master->leaving != NULL)
        return;
    ledger_keeper_stop(master->ledger);
    if (ledger_keeper_is_over(master->ledger))
        ev_break(master->loop, EVBREAK_ALL);
}

/* Generations whose last worker has gone. */
static void master_reap(struct master *master)
{
    struct generation **link = &master->leaving;

    while (*link != NULL) {
        struct generation *generation = *link;
        if (!generation_is_over(generation)) {
            link = &generation->next;
            continue;
        }
        *link = generation->next;
        generation_free(generation);
    }
    master_check_stopped(master);
}

void master_stop(struct master *master, int status)
{
    if (master->stopping)
        return;
    master->stopping = true;
    master->status = status;
    notify_stopping();
    ev_timer_stop(master->loop, &master->look);
    ev_timer_stop(master->loop, &master->metrics.timer);
    master->asker_waits = false;
    master_answer_reload(master, false, "gatepost: the daemon is stopping");
    for (struct generation *one = master->leaving; one != NULL; one = one->next)
        generation_leave(one, SIGTERM);
    if (master->coming != NULL)
        master_retire(master, master->coming, SIGTERM);
    if (master->current != NULL)
        master_retire(master, master->current, SIGTERM);
    master->coming = master->current = NULL;
    master_reap(master);
}

/* What was asked for meanwhile. */
static void master_reload_again(struct master *master)
{
    enum reload what = master->again;

    master->again = RELOAD_NOTHING;
    if (what != RELOAD_NOTHING)
        master_reload(master, what);
}

/* The log line for what serves now. */
static void log_serving(const struct master *master, bool first)
{
    if (!first && master->coming_for == RELOAD_CREDENTIALS)
        log_info("the new certificates are in force");
    else
        log_info("%s -- version %s, configuration %s", first ? "daemon started" : "reload",
                 GATEPOST_VERSION, master->source->directory);
}

/* The coming generation serves: it takes over. */
static void on_serving(struct generation *generation)
{
    struct master *master = generation->owner;
    bool first = master->current == NULL;

    if (!first)
        master_retire(master, master->current, SIGUSR2);
    master->current = generation;
    master->coming = NULL;
    master->stress.totals = generation->plan.totals;
    worker_slots_set_stress(master->slots, &generation->plan.totals);
    stress_report_look(&master->stress);
    ledger_keeper_apply(master->ledger, generation->blueprint->config, &generation->plan.privileges,
                        &generation->plan.metrics_sockets);
    metrics_publish_serving(&master->metrics, first, reload_kinds[master->coming_for].counted);
    log_output_set_starting(master->output, false);
    log_serving(master, first);
    if (master->coming_for == RELOAD_ALL ||
        master->problem == reload_kinds[RELOAD_CREDENTIALS].status)
        master->problem = NULL;
    notify_serving(generation->child_count, master->problem);
    master_answer_reload(master, true, "gatepost: the new configuration is in force");
    master_reap(master);
    master_reload_again(master);
}

/* A reload of WHAT is over, and nothing has changed. */
static void reload_failed(struct master *master, enum reload what)
{
    metrics_publish_failed(&master->metrics, reload_kinds[what].counted);
    log_error("%s", reload_kinds[what].log);
    master->problem = reload_kinds[what].status;
    notify_serving(master->current->child_count, master->problem);
    master_answer_reload(master, false,
                         "gatepost: reload failed, the old configuration stays in force");
}

/* The coming generation cannot serve: at the start that is the end, later the old one stays. */
static void on_failed(struct generation *generation, int status)
{
    struct master *master = generation->owner;

    master->coming = NULL;
    master_retire(master, generation, SIGTERM);
    if (master->current == NULL) {
        log_error("cannot start");
        master_stop(master, status);
        return;
    }
    reload_failed(master, master->coming_for);
    master_reap(master);
    master_reload_again(master);
}

/* Certificates have changed on disk, and a key process had to be replaced: the workers must follow.
 */
static void on_stale(struct generation *generation)
{
    struct master *master = generation->owner;

    if (generation != master->current)
        return;
    log_warning("a new key process has found other certificates than the workers have");
    master_reload(master, RELOAD_CREDENTIALS);
}

static void on_ended(struct generation *generation)
{
    master_reap(generation->owner);
}

/* A worker has seen stress mode begin or end, or has ended with all its sessions. */
static void on_load(struct generation *generation)
{
    struct master *master = generation->owner;

    stress_report_look(&master->stress);
}

/* In a new process, of GENERATION or (NULL) of none: nothing of the master's may stay. */
static void master_forget(struct master *master, struct generation *generation)
{
    ev_signal_stop(master->loop, &master->sigterm);
    ev_signal_stop(master->loop, &master->sigint);
    ev_signal_stop(master->loop, &master->sighup);
    ev_signal_stop(master->loop, &master->sigusr1);
    if (generation != NULL)
        generation_forget(generation, true);
    if (master->current != NULL && master->current != generation)
        generation_forget(master->current, false);
    if (master->coming != NULL && master->coming != generation)
        generation_forget(master->coming, false);
    for (struct generation *one = master->leaving; one != NULL; one = one->next)
        if (one != generation)
            generation_forget(one, false);
    control_forget(master->control);
    activation_forget();
    log_output_close(master->output);
    ev_loop_destroy(master->loop);
}

/* In a worker or key process of GENERATION. */
static void on_forget(struct generation *generation)
{
    struct master *master = generation->owner;

    ledger_keeper_forget(master->ledger, generation->plan.ledger >= 0);
    metrics_facts_forget(master->metrics.facts);
    master_forget(master, generation);
}

/* In the ledger process. */
static void on_ledger_forget(void *owner)
{
    master_forget(owner, NULL);
}

static void on_ledger_ended(void *owner)
{
    master_check_stopped(owner);
}

static const struct ledger_keeper_events ledger_events = {.ended = on_ledger_ended,
                                                          .forget = on_ledger_forget};

static const struct generation_events master_events = {
    .serving = on_serving,
    .failed = on_failed,
    .ended = on_ended,
    .forget = on_forget,
    .stale = on_stale,
    .load = on_load,
};

/* Start GENERATION's workers. */
static void master_launch(struct master *master, struct generation *generation, enum reload what)
{
    generation->loop = master->loop;
    generation->events = &master_events;
    generation->owner = master;
    generation->output = master->output;
    generation->plan.slots = master->slots;
    generation->plan.facts = master->metrics.facts;
    generation->plan.ledger = ledger_keeper_way(master->ledger, generation->blueprint->config);
    master->coming = generation;
    master->coming_for = what;
    if (master->current == NULL) /* else not before it serves */
        ledger_keeper_apply(master->ledger, generation->blueprint->config,
                            &generation->plan.privileges, &generation->plan.metrics_sockets);
    generation_start(generation);
}

/* The configuration, with everything that it names, as it is on disk. */
static struct blueprint *read_blueprint(const struct master_source *source,
                                        const struct generation *current, struct diag *diag)
{
    struct config *config =
        config_load(source->directory, source->overrides, source->override_count, diag);

    if (config == NULL)
        return NULL;
    return blueprint_new(config, current != NULL ? current->blueprint : NULL, diag);
}

void master_reload(struct master *master, enum reload what)
{
    struct diag diag = {.sink = reload_finding, .ctx = master};

    if (master->stopping)
        return;
    if (master->coming != NULL) {
        master->again = what > master->again ? what : master->again;
        return;
    }
    if (what == RELOAD_ALL) {
        master->asker_waits = false;
        notify_reloading();
    }
    struct blueprint *blueprint = what == RELOAD_ALL
                                      ? read_blueprint(master->source, master->current, &diag)
                                      : blueprint_again(master->current->blueprint);
    struct generation *generation =
        blueprint != NULL ? generation_new(blueprint, master->current, &diag) : NULL;
    if (generation != NULL)
        master_launch(master, generation, what);
    else
        reload_failed(master, what);
}

/* Look whether certificates have changed; not while others are being read. */
static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct master *master = timer->data;
    const char *changed;
    ev_tstamp before = ev_time();

    (void)events;
    metrics_publish_look(&master->metrics);
    if (master->current != NULL && master->coming == NULL &&
        master->current->blueprint->credentials != NULL &&
        file_watch_look(master->current->blueprint->credentials, &changed) == FILE_WATCH_SETTLED) {
        log_info("%s has changed: reading certificates anew", changed);
        master_reload(master, RELOAD_CREDENTIALS);
    }
    ev_tstamp pause = (ev_time() - before) * LOOK_PAUSE;
    timer->repeat = pause < LOOK_SECONDS       ? LOOK_SECONDS
                    : pause > LOOK_SECONDS_MAX ? LOOK_SECONDS_MAX
                                               : pause;
    ev_timer_again(loop, timer);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct master *master = watcher->data;

    (void)loop;
    (void)events;
    switch (watcher->signum) {
    case SIGHUP:
        master_reload(master, RELOAD_ALL);
        return;
    case SIGUSR1:
        log_output_reopen(master->output);
        return;
    default:
        log_info("terminating on signal %d", watcher->signum);
        master_stop(master, EX_OK);
    }
}

/* One signal of the master. */
static void master_watch(struct master *master, ev_signal *watcher, int signal_number)
{
    ev_signal_init(watcher, on_signal, signal_number);
    watcher->data = master;
    ev_signal_start(master->loop, watcher);
}

/* For systemd's watchdog: as long as all that serve answer. */
static bool is_healthy(void *owner)
{
    const struct master *master = owner;

    return master->current == NULL || generation_ping(master->current);
}

/* Where logs go and commands come from; then only the rights that remain needed are kept. */
static int master_open(struct master *master, const struct generation *generation,
                       struct diag *diag)
{
    const struct config *config = generation->blueprint->config;

    master->output = log_output_open(config, diag);
    if (master->output == NULL)
        return -1;
    master->control = control_open(master->loop, config_str(config, PARAM_gatepost_control_socket),
                                   master_on_command, master, diag);
    if (master->control == NULL)
        return -1;
    master->slots =
        worker_slots_new(&generation->plan.totals, blueprint_workers(generation->blueprint));
    master->metrics = (struct metrics_publish){.loop = master->loop,
                                               .facts = metrics_facts_new(master->started),
                                               .slots = master->slots,
                                               .current = &master->current,
                                               .leaving = &master->leaving};
    if (master->slots == NULL || master->metrics.facts == NULL) {
        diag_error(diag, "cannot make memory for counters: %s", strerror(errno));
        return -1;
    }
    metrics_publish_begin(&master->metrics);
    const struct ledger_keeper_job job = {master->loop,          master->output, master->slots,
                                          master->metrics.facts, &ledger_events, master};
    master->ledger = ledger_keeper_new(&job, diag);
    if (master->ledger == NULL)
        return -1;
    master->stress = (struct stress_report){
        .loop = master->loop, .slots = master->slots, .totals = generation->plan.totals};
    stress_report_begin(&master->stress);
    privileges_limit_master(&generation->plan.privileges);
    log_output_set_starting(master->output, true);
    log_set_sink(master_log, NULL, master->output);
    signal(SIGPIPE, SIG_IGN);
    master_watch(master, &master->sigterm, SIGTERM);
    master_watch(master, &master->sigint, SIGINT);
    master_watch(master, &master->sighup, SIGHUP);
    master_watch(master, &master->sigusr1, SIGUSR1);
    ev_timer_init(&master->look, on_look, LOOK_SECONDS, LOOK_SECONDS);
    master->look.data = master;
    ev_timer_start(master->loop, &master->look);
    notify_watchdog_start(&master->watchdog, master->loop, is_healthy, master);
    return 0;
}

int master_run(struct config *config, const struct master_source *source,
               struct diag_record *findings)
{
    struct master master = {.loop = ev_default_loop(EVFLAG_AUTO | EVFLAG_NOENV),
                            .source = source,
                            .started = time(NULL)};

    if (master.loop == NULL)
        log_fatal("cannot make an event loop");
    activation_take(&findings->diag);
    privileges_raise_limits();
    struct blueprint *blueprint = blueprint_new(config, NULL, &findings->diag);
    struct generation *generation =
        blueprint != NULL ? generation_new(blueprint, NULL, &findings->diag) : NULL;
    if (generation == NULL)
        return EX_CONFIG;
    if (master_open(&master, generation, &findings->diag) == 0) {
        diag_record_replay(findings, reload_finding, &master);
        master_launch(&master, generation, RELOAD_ALL);
        ev_run(master.loop, 0);
    } else {
        generation_free(generation);
        master.status = EX_CONFIG;
    }
    control_close(master.control);
    log_set_sink(NULL, NULL, NULL);
    log_output_close(master.output);
    worker_slots_free(master.slots);
    ledger_keeper_free(master.ledger);
    metrics_facts_free(master.metrics.facts);
    return master.status;
}
