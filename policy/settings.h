/*
 * settings.h: what an operator wrote: the settings of a gatepost.cf and the overrides on top of it,
 * before anything is expanded or judged.
 */
#ifndef GATEPOST_POLICY_SETTINGS_H
#define GATEPOST_POLICY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/config.h"

enum setting_role {
    SETTING_PARAM,   /* a parameter of gatepost */
    SETTING_FOREIGN, /* a parameter of Postfix that gatepost does not have */
    SETTING_USER,    /* the operator's own name, which some value refers to */
    SETTING_UNUSED   /* nobody's */
};

struct setting {
    char *name;
    char *value;
    char *origin; /* "FILE, line N", "-o": for messages */
    bool fresh;   /* not inherited from another snapshot, where it was reported on already */
    enum setting_role role; /* set by names_classify */
};

struct settings {
    struct setting *all; /* in the order in which they were given */
    size_t count;
    struct setting **effective; /* sorted by name, the last one of each name */
    size_t effective_count;
};

/* Append one; strings are copied. settings_index must follow before anything is looked up. */
void settings_add(struct settings *settings, const char *name, const char *value,
                  const char *origin, bool fresh);
void settings_index(struct settings *settings);
void settings_free(struct settings *settings);

/* The setting that counts for a name (LENGTH bytes), or NULL. */
const struct setting *settings_find(const struct settings *settings, const char *name,
                                    size_t length);

/*
 * Give every setting its role, and report those that are fresh and not gatepost's: unknown names as
 * warnings with the nearest known one, parameters of Postfix as far as worth a word.
 */
void names_classify(struct settings *settings, struct diag *diag);

#endif
