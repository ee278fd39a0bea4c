/*
 * master_internal.h: the master's state, shared by the parts of its implementation: master.c has
 * the life of generations, master_control.c what is asked for on the control socket.
 */
#ifndef GATEPOST_PROXY_MASTER_INTERNAL_H
#define GATEPOST_PROXY_MASTER_INTERNAL_H

#include <ev.h>
#include <stdbool.h>
#include <time.h>

#include "proxy/control.h"
#include "proxy/generation.h"
#include "proxy/ledger_keeper.h"
#include "proxy/log_output.h"
#include "proxy/master.h"
#include "proxy/metrics_publish.h"
#include "proxy/notify.h"
#include "proxy/stress_report.h"
#include "proxy/worker_slots.h"

/* What is read anew; more comes after less. */
enum reload { RELOAD_NOTHING, RELOAD_CREDENTIALS, RELOAD_ALL };

struct master {
    struct ev_loop *loop;
    const struct master_source *source;
    struct log_output *output;
    struct control *control;
    struct worker_slots *slots;
    struct ledger_keeper *ledger;
    struct generation *current; /* NULL until the first one serves, and when stopping */
    struct generation *coming;  /* starting */
    struct generation *leaving; /* a list */
    enum reload coming_for;
    enum reload again;             /* asked for while one was under way */
    const char *problem;           /* of reload_kinds, for the service manager; or NULL */
    struct control_request *asker; /* "gatepost reload" */
    bool asker_waits;              /* not for COMING, but for what comes then */
    time_t started;
    bool stopping;
    int status;
    ev_signal sigterm;
    ev_signal sigint;
    ev_signal sighup;
    ev_signal sigusr1;
    struct notify_watchdog watchdog;
    ev_timer look; /* at certificates */
    struct stress_report stress;
    struct metrics_publish metrics;
};

/* Read WHAT anew. Credentials alone: with the configuration as it was loaded, since its files may
 * be in the midst of being edited. */
void master_reload(struct master *master, enum reload what);

/* Begin to stop; workers get their time. The master ends with STATUS. */
void master_stop(struct master *master, int status);

/* A control_command of the master OWNER. */
control_command master_on_command;

/* Tell whoever asked for a reload what came of it. */
void master_answer_reload(struct master *master, bool ok, const char *text);

#endif
