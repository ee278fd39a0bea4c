/*
 * stages.h: a configuration with all its listeners: those that have parameters of their own have a
 * stage of their own, the others share one.
 */
#ifndef GATEPOST_PROXY_STAGES_H
#define GATEPOST_PROXY_STAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/endpoint.h"

#include "proxy/stage.h"

struct own_stage {
    const char *name; /* the listener's; borrowed */
    int64_t name_id;  /* the same in the ledger; 0: nobody has come there */
    struct stage stage;
};

struct stages {
    struct listen_list listeners;
    struct stage main;
    struct own_stage *own; /* owned */
    size_t own_count;
};

/* As stage_begin, for all listeners. stages_end is to be called in both cases. */
bool stages_begin(struct stages *stages, const char *label, const struct config *config,
                  struct ledger_read *ledger, struct diag *diag);
void stages_end(struct stages *stages);

/* The stage of the listener with this id in the ledger; *NAME: its name, NULL for the main part. */
struct stage *stages_find(struct stages *stages, int64_t name_id, const char **name);

/* Has it a listener of this name, whatever its parameters are? */
bool stages_listen(const struct stages *stages, const char *name);

/* Rehearse all that is expected (rehearsals.h). */
void stages_perform(const struct stages *stages);

#endif
