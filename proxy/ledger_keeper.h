/*
 * ledger_keeper.h: the ledger process as the master sees it: it writes the ledger, serves the
 * metrics, or does both. It belongs to no generation: reloads pass it by unless they change what it
 * does, and the workers of several generations may tell it what they saw, over one socket whose
 * both ends stay with the master: what a ledger process that died has not read, the next one finds
 * there.
 */
#ifndef GATEPOST_PROXY_LEDGER_KEEPER_H
#define GATEPOST_PROXY_LEDGER_KEEPER_H

#include <ev.h>
#include <stdbool.h>
#include <stdio.h>

#include "policy/config.h"
#include "policy/diag.h"

#include "proxy/child.h"
#include "proxy/json.h"
#include "proxy/log_output.h"

struct ledger_keeper;
struct ledger_stats;

/* What the owner is told. */
struct ledger_keeper_events {
    void (*ended)(void *owner);  /* after ledger_keeper_stop: the process is gone */
    void (*forget)(void *owner); /* in the new process: let go of the master's things */
};

/* What it is made from. All borrowed. */
struct ledger_keeper_job {
    struct ev_loop *loop;
    struct log_output *output;
    struct worker_slots *slots;
    struct metrics_facts *facts;
    const struct ledger_keeper_events *events;
    void *owner;
};

/* Nothing runs yet. NULL after reporting to DIAG. */
struct ledger_keeper *ledger_keeper_new(const struct ledger_keeper_job *job, struct diag *diag);
void ledger_keeper_free(struct ledger_keeper *keeper);

/* From now on it is as CONFIG says, and metrics are served on METRICS (which may be none): start
 * the process, end it, or replace it by another. */
void ledger_keeper_apply(struct ledger_keeper *keeper, const struct config *config,
                         const struct privileges *privileges,
                         const struct listener_sockets *metrics);

/* A worker's way to it, under CONFIG: to be inherited, and to stay open here. -1: no ledger. */
int ledger_keeper_way(const struct ledger_keeper *keeper, const struct config *config);

/* End, for good. */
void ledger_keeper_stop(struct ledger_keeper *keeper);
bool ledger_keeper_is_over(const struct ledger_keeper *keeper);

/* In a new process that is not the ledger: close what leads to it, but for a worker's way to it
 * (KEEP_WAY). KEEPER may be NULL. */
void ledger_keeper_forget(struct ledger_keeper *keeper, bool keep_way);

/* What is recorded; NULL: no ledger is kept. */
const struct ledger_stats *ledger_keeper_stats(const struct ledger_keeper *keeper);

/* A line for "gatepost status", and the same as an element of an array. */
void ledger_keeper_status(const struct ledger_keeper *keeper, FILE *out);
void ledger_keeper_status_json(const struct ledger_keeper *keeper, struct json *json);

#endif
