/*
 * import_internal.h: what the steps of an import hand to each other.
 *
 * import.c reads and calls the steps: import_lines.c makes a struct import_line of everything in
 * main.cf and of the -o options that hold on port 25; import_level.c decides on the security level;
 * import_values.c rewrites values that would
 * not mean the same here; import_listen.c finds out where to listen; import_findings.c asks
 * gatepost's own configuration reader what it has to say on each line; import_write.c writes the
 * file, with import_loss.c and import_advice.c for what is to be said about Postfix.
 */
#ifndef GATEPOST_POLICY_IMPORT_INTERNAL_H
#define GATEPOST_POLICY_IMPORT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "policy/diag.h"
#include "policy/import_master.h"
#include "policy/maincf.h"
#include "policy/settings.h"
#include "policy/text.h"

/* What becomes of a line. */
enum import_fate {
    IMPORT_KEEP,    /* a setting of the gatepost.cf */
    IMPORT_COMMENT, /* the same as a comment: it does nothing here, and there is a reason */
    IMPORT_STAYS    /* Postfix's business: named in a list */
};

/* One setting. */
struct import_line {
    const char *name;    /* borrowed from the setting */
    const char *written; /* the value in main.cf or master.cf; the same */
    char *value;         /* the value to be written. Owned. */
    const char *file;    /* "main.cf", "master.cf"; NULL: made here */
    unsigned line;
    bool effective;        /* no later one has its name */
    enum import_fate fate; /* of an effective one; others are IMPORT_COMMENT or IMPORT_STAYS */
    enum setting_role role;
    struct text reasons; /* paragraphs, each ends in a newline */
};

/* Everything about one import. */
struct import {
    char *directory; /* owned */
    struct maincf main;
    struct master_cf master;
    const struct master_service *front;   /* what listens on port 25, or NULL */
    const struct master_service *handler; /* the smtpd that gets the sessions; FRONT or, with
                                             postscreen in front, the service smtpd/pass; or NULL */
    bool postscreen;                      /* FRONT is one */
    const char *backend_host;             /* "127.0.0.1" or "[::1]" */
    unsigned *ports;       /* of a backend for each service that could have one, else 0. Owned. */
    unsigned backend_port; /* the one for FRONT */
    struct settings settings; /* the lines, in their order and with the same index, then others */
    struct settings main_settings; /* main.cf alone, with the index of its entries */
    struct import_line *lines;
    size_t count;
    struct diag *diag;
};

/* import_lines.c: fill in settings and lines; roles and fates are set. */
void import_make_lines(struct import *import);
/* The line that counts for NAME (LENGTH bytes), or NULL. */
struct import_line *import_find(struct import *import, const char *name, size_t length);
/* The value that holds on port 25, unexpanded, or NULL. */
const char *import_value(struct import *import, const char *name);
/* The value in main.cf, unexpanded, or NULL. */
const char *import_main_value(const struct import *import, const char *name);
/* Whether an entry of main.cf is the last one with its name there. */
bool import_counts_in_main(const struct import *import, size_t index);
/* Whether LENGTH bytes at NAME are the name of one of gatepost's parameters. */
bool import_is_param(const char *name, size_t length);
/* Whether clients of a service get nowhere without TLS: it is enforced by gatepost. */
bool import_is_enforced(struct import *import, const struct master_service *service);
/* The same for AUTH. */
bool import_is_auth_only(struct import *import, const struct master_service *service);
/* Append a paragraph to a line's reasons. */
void import_reason(struct import_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* import_level.c: decide on smtpd_tls_security_level and what it replaces. */
void import_decide_level(struct import *import);

/* import_values.c: rewrite the values of the lines that are kept; the operator's own names that
 * they refer to are kept too. */
void import_rewrite_values(struct import *import);
/* VALUE with everything that gatepost.cf will not know replaced; for the caller to free. */
char *import_portable_value(struct import *import, const char *name, const char *value,
                            struct text *reasons);
/* VALUE with all references replaced, as far as they can be; for the caller to free. */
char *import_full_value(struct import *import, const char *name, const char *value);

/* import_listen.c: find the services and a free port for the backend. */
void import_find_services(struct import *import);
/* Decide on the address of the backends; the lines are there. */
void import_choose_backend(struct import *import);
/* Whether a service takes mail from other hosts, so that gatepost could stand before it. */
bool import_is_public(const struct master_service *service);
/* Write gatepost_listen and gatepost_backend. */
void import_write_listen(struct import *import, FILE *out);

/* import_findings.c: what gatepost has to say becomes reasons. */
void import_add_findings(struct import *import);

/* import_loss.c: write and report what Postfix will not see any more. */
void import_write_losses(struct import *import, FILE *out);
/* Whether a line is a list of restrictions with reject_plaintext_session, which would refuse all
 * mail behind gatepost. */
bool import_checks_plaintext(struct import *import, const char *name, const char *value);
/* VALUE without reject_plaintext_session; for the caller to free. */
char *import_without_plaintext_check(struct import *import, const char *name, const char *value);

/* import_advice.c: write the commands for the Postfix behind gatepost. */
void import_write_commands(struct import *import, FILE *out);
/* Write the commands for another service, to be served by PORT. */
void import_write_service_commands(struct import *import, const struct master_service *service,
                                   unsigned port, FILE *out);
/* Whether an -o option goes with the service to the backend: TLS is done by gatepost. */
bool import_is_carried(const char *name);

/* import_write.c: write everything. */
void import_write(struct import *import, FILE *out);
/* Write TEXT as comment lines, wrapped; its newlines end paragraphs. */
void import_comment(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
