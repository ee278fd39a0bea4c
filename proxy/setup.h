/*
 * setup.h: "gatepost setup": a Postfix that works gets gatepost in front of it, or stays as it was.
 *
 * It does what "gatepost import" writes and says, in that order, starts gatepost, sends a message
 * through it, and puts everything back if any of this fails. Before the first change there are
 * copies of all files that change, and a journal of them, so that --undo can put them back at any
 * later time, also after a crash half-way.
 */
#ifndef GATEPOST_PROXY_SETUP_H
#define GATEPOST_PROXY_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "policy/config.h"
#include "policy/diag.h"

struct setup_request {
    const char *directory;                   /* where gatepost.cf is, or will be */
    const struct config_override *overrides; /* go into gatepost.cf */
    size_t override_count;
    const char *postfix;   /* where main.cf is */
    const char *start;     /* command that starts gatepost and comes back; NULL: systemctl */
    const char *stop;      /* and that ends it; both or none */
    const char *recipient; /* of the message that is sent to try it */
    bool yes;              /* do not ask */
    bool dry_run; /* only say what would be done, with the gatepost.cf that would be written */
    bool undo;
};

/* Carry out REQUEST, with the plan and its progress on OUT. Returns an exit status: 0, 1 if it
 * failed or was declined (the reason went to DIAG), EX_USAGE if it was asked for in vain. */
int setup_command(const struct setup_request *request, FILE *out, struct diag *diag);

#endif
