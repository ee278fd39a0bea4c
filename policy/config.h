/*
 * config.h: gatepost's parameters, read from gatepost.cf in main.cf syntax (postconf(5)).
 *
 * A struct config is a complete, validated, immutable snapshot: every parameter has been
 * expanded and converted when it was made, so getters cannot fail. A listener with overrides of
 * its own (gatepost_listen = { host:port, name=value }) gets a snapshot of its own.
 *
 * The parameters are the rows of params.def: one row is name, type, default, bounds, help.
 */
#ifndef GATEPOST_POLICY_CONFIG_H
#define GATEPOST_POLICY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "policy/diag.h"

enum param {
#define PARAM(name, ...) PARAM_##name,
#include "policy/params.def"
#undef PARAM
    PARAM_COUNT
};

/* A "name=value" given with -o or inside a listener's braces. Strings are borrowed. */
struct config_override {
    const char *name;
    const char *value;
};

struct config;

/*
 * Read DIRECTORY/gatepost.cf, apply the overrides (later ones win, all win over the file), expand
 * and validate every parameter. Returns NULL if anything was reported as DIAG_ERROR (all findings
 * are reported first). A missing file is an error. The caller frees with config_free.
 */
struct config *config_load(const char *directory, const struct config_override *overrides,
                           size_t override_count, struct diag *diag);

/* The same from memory: TEXT (LENGTH bytes, need not end in NUL) read as if from the file named
 * FILE_NAME. For tests and fuzzing; config_load uses it. */
struct config *config_parse(const char *file_name, const char *text, size_t length,
                            const struct config_override *overrides, size_t override_count,
                            struct diag *diag);

/* BASE with more overrides on top, everything evaluated again. Does not keep a reference to
 * BASE's memory. NULL on error. */
struct config *config_derive(const struct config *base, const struct config_override *overrides,
                             size_t override_count, struct diag *diag);

/* The same, naming ORIGIN ("FILE, line N: gatepost_listen") instead of "-o" in what is reported on
 * the overrides. */
struct config *config_derive_from(const struct config *base,
                                  const struct config_override *overrides, size_t override_count,
                                  const char *origin, struct diag *diag);

/*
 * The value of one parameter as config_load would find it, whatever may be wrong with the rest,
 * also if there is no file: a daemon must be reachable when its configuration has been spoilt. NULL
 * if this very value cannot be had. The caller frees it.
 */
char *config_peek(const char *directory, const struct config_override *overrides,
                  size_t override_count, enum param param);

void config_free(struct config *config);

/* Getters. The type must be the row's type (asserted); config_str is for every type and gives the
 * expanded text. config_int is for INT, AUTO ("auto" is 0) and LOGLEVEL. Times are in seconds.
 * Strings are owned by CONFIG and never NULL. */
const char *config_str(const struct config *config, enum param param);
bool config_bool(const struct config *config, enum param param);
long config_int(const struct config *config, enum param param);
long config_time(const struct config *config, enum param param);

/* True if the operator gave the parameter a value, in the file or by an override. */
bool config_is_set(const struct config *config, enum param param);

/* Where a parameter got its value, for messages: "FILE, line N", "-o" or "default value". Owned by
 * CONFIG. */
const char *config_origin(const struct config *config, enum param param);

/* Name of a parameter; and back (false if unknown; exact case, as in Postfix). */
const char *config_param_name(enum param param);
bool config_param_find(const char *name, enum param *param);

/* The known name most like NAME (small edit distance, relative to its length), or NULL. */
const char *config_nearest_name(const char *name);

/*
 * postconf(1)'s listing: "name = value" lines on OUT, sorted by name, values unexpanded as written
 * (defaults as in the table). Restricted to NAMES if NAME_COUNT > 0; an unknown name is reported to
 * DIAG as a warning the way postconf does ("NAME: unknown parameter").
 */
enum config_listing { CONFIG_ALL, CONFIG_NON_DEFAULT, CONFIG_DEFAULTS };
void config_print(const struct config *config, enum config_listing listing,
                  const char *const *names, size_t name_count, FILE *out, struct diag *diag);

#endif
