/*
 * simulate_findings.h: what "gatepost simulate" has found, in the order of importance, as text and
 * as JSON.
 */
#ifndef GATEPOST_PROXY_SIMULATE_FINDINGS_H
#define GATEPOST_PROXY_SIMULATE_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proxy/stage.h"

enum change {
    CHANGE_LOST,   /* gets through today, and would not */
    CHANGE_GAINED, /* does not today, and would */
    CHANGE_OTHER,  /* gets through, otherwise than today */
    CHANGE_NONE,   /* as today */
    CHANGE_COUNT
};

/* One peer's sessions of one kind. Texts are owned by the list. */
struct finding {
    struct prefix prefix;
    enum change change;
    struct fate before, after;
    const char *place; /* the line of the policy table that would apply; NULL: main configuration */
    const char *helo;  /* escaped */
    int64_t sessions, messages;
};

struct findings {
    struct finding *list;
    size_t count, capacity;
    char **texts; /* different places and names of clients. Owned. */
    size_t text_count, text_capacity;
    /* Of all peers in the ledger. */
    uint64_t peers, sessions, messages;
    uint64_t unknown;         /* pairs of a peer and a hello that is not there */
    uint64_t refused_already; /* peers with a hello that got through once, and that the present
                                 configuration refuses */
    uint64_t lost_messages;
};

/* Add one; PLACE and HELO are copied. Sessions of the same peer with the same fates are added up.
 */
void findings_add(struct findings *findings, const struct finding *finding);
void findings_free(struct findings *findings);

/* Is somebody lost who delivers? */
bool findings_harm(const struct findings *findings);

/* Put them in order: lost ones, then by messages. Before printing. */
void findings_sort(struct findings *findings);
void findings_print(const struct findings *findings, bool all, FILE *out);
void findings_print_json(const struct findings *findings, FILE *out);

#endif
