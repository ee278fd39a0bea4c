/*
 * params.h: the table of parameters, made from params.def.
 */
#ifndef GATEPOST_POLICY_PARAMS_H
#define GATEPOST_POLICY_PARAMS_H

#include <stddef.h>

#include "policy/config.h"

enum param_type {
    PARAM_TYPE_BOOL,
    PARAM_TYPE_INT,
    PARAM_TYPE_AUTO,
    PARAM_TYPE_TIME,
    PARAM_TYPE_STR,
    PARAM_TYPE_LIST,
    PARAM_TYPE_PATH,
    PARAM_TYPE_CERTPATH,
    PARAM_TYPE_PATHS,
    PARAM_TYPE_HOST,
    PARAM_TYPE_LOGLEVEL,
    PARAM_TYPE_WORD,
};

struct param_row {
    const char *name;
    enum param_type type;
    const char *words; /* WORD: what is allowed, separated by blanks; else NULL */
    const char *default_text;
    long min;
    long max;
    const char *help;
};

extern const struct param_row param_table[PARAM_COUNT];

/* The row of a name (LENGTH bytes), or NULL. */
const struct param_row *param_row_find(const char *name, size_t length);

/* Order of a NUL-terminated string and LENGTH bytes without NUL, as strcmp's. */
int param_compare(const char *name, const char *bytes, size_t length);

#endif
