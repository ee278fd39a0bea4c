/*
 * import_master.h: the syntax of Postfix's master.cf (master(5)): bytes become services.
 *
 * Logical lines are those of main.cf (maincf.h). A line is a name, a type, five columns, a command
 * and its arguments; an argument in balanced braces may hold blanks. Nothing is expanded here.
 */
#ifndef GATEPOST_POLICY_IMPORT_MASTER_H
#define GATEPOST_POLICY_IMPORT_MASTER_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"

#define MASTER_MAX_SIZE ((size_t)4 << 20)  /* bytes in a file */
#define MASTER_MAX_SERVICES ((size_t)4096) /* services in a file */
#define MASTER_MAX_OPTIONS 1000            /* -o options of a service */
#define MASTER_MAX_ERRORS 100              /* reported before the reader gives up */
#define MASTER_COLUMNS 5

/* The columns between a service's type and its command. */
enum master_column { MASTER_PRIVATE, MASTER_UNPRIV, MASTER_CHROOT, MASTER_WAKEUP, MASTER_MAXPROC };

/* One "-o name=value". */
struct master_option {
    char *name;
    char *value; /* may be empty, never NULL */
};

/* One service. All strings are owned. */
struct master_service {
    char *name; /* "smtp", "192.0.2.1:25", "[::1]:smtp", "pickup" */
    char *type; /* "inet", "unix", "unix-dgram", "fifo", "pass" */
    char *columns[MASTER_COLUMNS];
    char *command;
    struct master_option *options; /* in their order: the last of a name counts */
    size_t option_count;
    char *others;  /* all arguments that are no -o, separated by blanks; "" if there are none */
    unsigned line; /* where its logical line begins, from 1 */
};

/* All services in the order of the file. */
struct master_cf {
    struct master_service *services;
    size_t count;
};

/*
 * Read TEXT. FILE_NAME is for the messages. What Postfix's master(8) would stop at is reported as
 * an error with its line, and the rest is still read. Returns 0, or -1 if there was an error; *FILE
 * must be freed in both cases.
 */
int master_cf_parse(const char *file_name, const char *text, size_t length, struct master_cf *file,
                    struct diag *diag);
void master_cf_free(struct master_cf *file);

/* The value that a service gives to a parameter, or NULL if it gives it none. */
const char *master_service_option(const struct master_service *service, const char *name);

/* The first service with that name and type, or NULL. */
const struct master_service *master_cf_find(const struct master_cf *file, const char *name,
                                            const char *type);

#endif
