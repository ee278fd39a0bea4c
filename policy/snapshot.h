/*
 * snapshot.h: the inside of a struct config. Only for the files that implement config.h.
 */
#ifndef GATEPOST_POLICY_SNAPSHOT_H
#define GATEPOST_POLICY_SNAPSHOT_H

#include "policy/config.h"
#include "policy/settings.h"

/* One parameter, ready for use. */
struct config_value {
    char *text; /* expanded, canonical. Owned. */
    long number;
    const struct setting *setting; /* where it was set, or NULL: default. Borrowed. */
};

struct config {
    char *directory; /* $config_directory. Owned. */
    char *file_name; /* Owned. */
    struct settings settings;
    char *host_defaults[2]; /* defaults of myhostname and mydomain; NULL until known. Owned. */
    struct config_value values[PARAM_COUNT];
};

/* The default of a parameter as written: the table's, or what was found out at run time. */
const char *snapshot_default(const struct config *config, enum param param);

/*
 * Expand and check every parameter; the settings are complete and indexed. Reports every error.
 * Returns 0 or -1.
 */
int snapshot_evaluate(struct config *config, struct diag *diag);

#endif
