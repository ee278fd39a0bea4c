/*
 * setup_plan.h: what "gatepost setup" will do, found out without changing anything.
 */
#ifndef GATEPOST_PROXY_SETUP_PLAN_H
#define GATEPOST_PROXY_SETUP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "policy/config.h"
#include "policy/diag.h"

#include "proxy/setup.h"
#include "proxy/setup_trial.h"

#define SETUP_COMMANDS_MAX 16
#define SETUP_TEXTS_MAX 3

/* A file with what will be in it. Owned. */
struct setup_text {
    char *path;
    char *text;
};

/* {0} is an empty one. Strings are owned. */
struct setup_plan {
    struct setup_text texts[SETUP_TEXTS_MAX]; /* files that are written: gatepost.cf is the first */
    size_t text_count;
    char *master;                       /* the path of Postfix's master.cf, which commands change */
    char *commands[SETUP_COMMANDS_MAX]; /* for Postfix, in their order */
    size_t command_count;
    size_t removal; /* index of the first that takes its service off the port; or command_count */
    char *reload;   /* the last of them: Postfix reads its configuration anew */
    char *running;  /* command: does it run? */
    char *start;    /* commands: gatepost starts, gatepost ends */
    char *stop;
    struct config *config; /* as it will be */
    char *host;            /* of the first listener */
    char *port;
    char *recipient;
    struct setup_trial trial;   /* borrows these */
    struct setup_trial backend; /* the same for the new service of Postfix */
    char *backend_host;
    char *backend_port;
    bool tls_added; /* Postfix offered none */
};

/* Make the plan for REQUEST. Returns 0, or -1 after reporting to DIAG. Free with setup_plan_free in
 * either case. */
int setup_plan_make(const struct setup_request *request, struct setup_plan *plan,
                    struct diag *diag);
void setup_plan_free(struct setup_plan *plan);

/* Tell a person, with STORE, the directory that copies are kept in. */
void setup_plan_print(const struct setup_plan *plan, const char *store, FILE *out);

#endif
