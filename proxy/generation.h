/*
 * generation.h: one configuration and the certificates of one moment: the key process that holds
 * their keys, and the workers that serve under it. The key process is there before the workers and
 * after them; one that dies is replaced, as workers are.
 *
 * A reload is a two-phase change: the next generation is prepared and started beside the present
 * one, on the same listening sockets; only when all of its workers serve is the present one
 * retired. If anything goes wrong before, the next one is dropped and nobody has noticed. Sessions
 * stay with the generation that they began with.
 */
#ifndef GATEPOST_PROXY_GENERATION_H
#define GATEPOST_PROXY_GENERATION_H

#include <ev.h>
#include <stdio.h>

#include "policy/diag.h"

#include "proxy/blueprint.h"
#include "proxy/child.h"
#include "proxy/json.h"
#include "proxy/log_output.h"

enum generation_state {
    GENERATION_STARTING,
    GENERATION_SERVING,
    GENERATION_LEAVING /* its workers finish what is under way */
};

struct generation;

/* What the owner is told. */
struct generation_events {
    void (*serving)(struct generation *generation);
    /* It did not come to serve; STATUS is for exit(3). Its workers may still be ending. */
    void (*failed)(struct generation *generation, int status);
    void (*ended)(struct generation *generation); /* no process is left: may be freed */
    void (*forget)(
        struct generation *generation); /* in a new process: let go of the master's things */
    /* A new key process has found other certificates than the workers have. */
    void (*stale)(struct generation *generation);
    /* The load may have reached or left a level (limits.h). */
    void (*load)(struct generation *generation);
};

struct generation {
    struct ev_loop *loop;
    const struct generation_events *events;
    void *owner;
    struct log_output *output; /* of the master; borrowed */
    enum generation_state state;
    struct blueprint *blueprint; /* a reference */
    struct child_plan plan;
    struct child keys;        /* the key process */
    uint32_t chains_digest;   /* of what it has loaded */
    time_t certificates_read; /* when it did; 0: not yet */
    struct child *children;
    size_t child_count;
    struct worker_stats *stats; /* shared memory, one for each child */
    ev_timer kill_timer;
    ev_timer ticket_timer;
    struct generation *next; /* for the owner's list */
};

/*
 * A generation made from BLUEPRINT (a reference, taken over in any case). Listening sockets that
 * PREVIOUS (or NULL) has already are shared with it. Returns NULL after reporting to DIAG.
 */
struct generation *generation_new(struct blueprint *blueprint, const struct generation *previous,
                                  struct diag *diag);

/* Start the workers. loop, events, owner and output must be set, plan.slots and plan.facts. */
void generation_start(struct generation *generation);

/* End. The workers get SIGNAL: SIGTERM ends sessions at their next pause, SIGUSR2 lets them go on;
 * both within gatepost_drain_time. Listening sockets are closed here at once. */
void generation_leave(struct generation *generation, int signal_number);

/* True if no process is running. */
bool generation_is_over(const struct generation *generation);

/* Ask each process for a sign of life. False: one has let several questions pass. */
bool generation_ping(struct generation *generation);

/* A line for each process, for "gatepost status"; and the same as elements of an array. */
void generation_status(const struct generation *generation, FILE *out);
void generation_status_json(const struct generation *generation, struct json *json);
/* How its backends do, as objects of an array. */
void generation_backends_json(const struct generation *generation, struct json *json);

/* Free it; no process may be running. */
void generation_free(struct generation *generation);

/* In a new process: close what leads to GENERATION's other processes, and, unless it is the
 * process's own, its listening sockets and chains. */
void generation_forget(struct generation *generation, bool own);

#endif
