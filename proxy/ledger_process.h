/*
 * ledger_process.h: the process that alone writes the ledger: it takes what workers observed off a
 * socket, and puts it into the database once a second. It never gives up because of the database:
 * while that cannot be written (a full disk, a damaged file, one of a later gatepost) it says so
 * once, counts what is lost, and tries again. The same process serves the metrics, for which it
 * needs no database: there may be either, or both.
 */
#ifndef GATEPOST_PROXY_LEDGER_PROCESS_H
#define GATEPOST_PROXY_LEDGER_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/ledger_prune.h"
#include "proxy/listener.h"
#include "proxy/metrics_facts.h"
#include "proxy/privileges.h"
#include "proxy/worker_slots.h"

/* In memory that is shared with the master, for "gatepost status". Survives the process. */
struct ledger_stats {
    _Atomic uint64_t recorded;  /* observations that are in the database */
    _Atomic uint64_t lost;      /* that came, and could not be written */
    _Atomic uint64_t malformed; /* datagrams that were not understood to their end */
    _Atomic uint64_t peers;     /* single addresses that are in the database */
    _Atomic uint64_t hellos;
    _Atomic uint64_t errors; /* times that the database could not be opened or written */
    _Atomic bool failing;    /* the database cannot be used at present */
};

/* What the master prepared for it. */
struct ledger_process_job {
    const char *directory; /* of the database; made if it is missing. NULL: no ledger is kept */
    const struct listener_sockets *metrics; /* where metrics are served; there may be none */
    struct worker_slots *slots;             /* what they show, with the next one and STATS */
    const struct metrics_facts *facts;
    struct ledger_bounds bounds;
    const struct privileges *privileges;
    struct ledger_stats *stats;
    int observations; /* where the workers' datagrams come out */
    int channel;      /* to the master */
    bool sandbox;     /* gatepost_sandbox */
};

/* Serve until SIGTERM, or until the master is gone; what has come by then is written. Returns the
 * exit status: EX_OK, or EX_CONFIG if there can be no directory, and no metrics are to be served.
 */
int ledger_process_run(const struct ledger_process_job *job);

#endif
