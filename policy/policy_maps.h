/*
 * policy_maps.h: the maps that a parameter such as smtpd_tls_policy_maps names, line by line:
 *
 *   KIND:/path                    a file
 *   inline:{ { rule }, { rule } } or KIND:{ ... }: rules in the parameter's value
 */
#ifndef GATEPOST_POLICY_POLICY_MAPS_H
#define GATEPOST_POLICY_POLICY_MAPS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"

#define POLICY_MAPS_MAX 1000

/* What a map is called. Strings live until the next map. */
struct policy_map_name {
    const char *file;   /* the path, or the beginning of what was written */
    const char *origin; /* "FILE, line N: " of the parameter for rules inside it, else "" */
};

/* Whose maps they are, for messages, and what is allowed. */
struct policy_maps_form {
    const char *param; /* "smtpd_tls_policy_maps" */
    const char *kind;  /* of a map in a file: "cidr" */
    const char *rule;  /* "{ address level ... }" */
};

/* Who gets the lines. */
struct policy_maps_reader {
    const struct policy_maps_form *form;
    void (*map)(void *ctx, const struct policy_map_name *name); /* a map begins */
    /* A logical line, or a rule, counted from 1. False: no more is wanted. */
    bool (*line)(void *ctx, const char *text, size_t length, unsigned number);
    void *ctx;
};

/*
 * Read all maps of VALUE. ORIGIN says where that comes from. Whatever is wrong with a map is
 * reported to DIAG, and the others are still read. Returns 0, or -1 if something was.
 */
int policy_maps_read(const char *value, const char *origin, const struct policy_maps_reader *reader,
                     struct diag *diag);

#endif
