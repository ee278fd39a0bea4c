/*
 * metrics_facts.h: what only the master knows and the metrics show: in memory that it shares with
 * the process that shows them, and that no other process keeps (metrics_facts_forget). Written by
 * the master, a few numbers at a time; lists are replaced as a whole, and read again if that
 * happens meanwhile.
 */
#ifndef GATEPOST_PROXY_METRICS_FACTS_H
#define GATEPOST_PROXY_METRICS_FACTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/metrics_labels.h"

#define METRICS_BACKENDS_MAX 64
#define METRICS_CERTIFICATES_MAX 256 /* if there are more, those that end first */
#define METRICS_NAME_MAX 160

struct metrics_backend {
    char listener[METRICS_NAME_MAX];
    char name[METRICS_NAME_MAX];
    bool serves;
};

struct metrics_certificate {
    char name[METRICS_NAME_MAX]; /* the server name it is for, or the first one in it */
    char key[48];                /* "ECDSA (prime256v1)" */
    int64_t not_after;           /* unix seconds */
};

/* What is in force now. */
struct metrics_present {
    uint32_t session_limit;
    uint32_t handshake_limit;
    uint32_t chances;       /* clients that have a second chance */
    uint64_t chances_begun; /* since the daemon started */
    uint64_t chances_used;
    uint32_t workers; /* that serve */
    uint32_t workers_finishing;
    uint32_t exceptions;         /* lines of the policy table with a date that is to come */
    uint32_t exceptions_expired; /* whose date has passed */
    int64_t exception_ends;      /* unix seconds: the first such date; 0: there is none */
    uint32_t backend_count;
    uint32_t certificate_count;
    struct metrics_backend backends[METRICS_BACKENDS_MAX];
    struct metrics_certificate certificates[METRICS_CERTIFICATES_MAX];
};

/* All of it. Atomic members may be read and, by the master, written at any time. */
struct metrics_facts {
    int64_t started;             /* unix seconds; set before any other process is there */
    _Atomic uint64_t generation; /* how many configurations have been in force */
    _Atomic int64_t last_reload; /* unix seconds: when the present one came into force */
    _Atomic bool last_reload_ok;
    _Atomic uint64_t reloads[METRICS_RELOAD_COUNT];
    _Atomic uint64_t reloads_failed[METRICS_RELOAD_COUNT];
    _Atomic uint64_t restarts[METRICS_ROLE_COUNT]; /* of processes that ended unasked */
    _Atomic uint32_t changing;                     /* odd while PRESENT is being written */
    struct metrics_present present;
};

/* NULL with errno. */
struct metrics_facts *metrics_facts_new(int64_t started);
void metrics_facts_free(struct metrics_facts *facts); /* NULL does no harm */
/* In a process that shows no metrics: the same, for this process. */
#define metrics_facts_forget metrics_facts_free

/* PRESENT holds from now on. For the master. */
void metrics_facts_set(struct metrics_facts *facts, const struct metrics_present *present);
/* A copy of what holds. Texts end, and counts are within bounds. */
void metrics_facts_get(const struct metrics_facts *facts, struct metrics_present *present);

/* Put CERTIFICATE among the COUNT that there are in LIST (METRICS_CERTIFICATES_MAX of them), unless
 * it is there already (then the earlier end counts); if there is no room, the one that ends last is
 * left out. */
void metrics_certificate_add(struct metrics_certificate *list, uint32_t *count,
                             const struct metrics_certificate *certificate);

#endif
