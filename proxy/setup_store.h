/*
 * setup_store.h: files changed in a way that can be undone: copies of what was there, with a
 * journal of what they are copies of, in a directory that only root looks into.
 */
#ifndef GATEPOST_PROXY_SETUP_STORE_H
#define GATEPOST_PROXY_SETUP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "policy/diag.h"

#include "proxy/setup_journal.h"

#define SETUP_FILE_MAX_SIZE (4 * 1024 * 1024) /* of one file that is changed */

struct setup_store {
    char *directory; /* owned */
    struct setup_journal journal;
};

/* The store in DIRECTORY/setup. Nothing is touched. */
void setup_store_begin(struct setup_store *store, const char *directory);
void setup_store_free(struct setup_store *store);

/* Whether there is one already. */
bool setup_store_exists(const struct setup_store *store);

/* The file PATH (absolute, one line) will be changed. Returns 0, or -1 after reporting to DIAG. */
int setup_store_add(struct setup_store *store, const char *path, struct diag *diag);

/* Make the directory, with copies of all files that were added, and the journal, down to the disk.
 * Returns 0, or -1 after reporting to DIAG, and then nothing is left. */
int setup_store_keep(struct setup_store *store, struct diag *diag);

/* Everything is changed: note what it was changed to. Returns 0, or -1 after reporting to DIAG. */
int setup_store_complete(struct setup_store *store, struct diag *diag);

/* Read the journal. Returns 0, or -1 after reporting to DIAG. */
int setup_store_load(struct setup_store *store, struct diag *diag);

/*
 * Put back every file: content, mode and owner. What somebody has changed after
 * setup_store_complete is first copied to PATH.before-undo, and OUT told. Returns 0, or -1 after
 * reporting to DIAG; the store is still complete then.
 */
int setup_store_restore(const struct setup_store *store, FILE *out, struct diag *diag);

/* Remove the directory. */
void setup_store_remove(const struct setup_store *store);

/* Replace or make the file PATH at once: the old one keeps its mode and owner, a new one has MODE.
 * The directory is made if it is missing. Returns 0, or -1 after reporting to DIAG. */
int setup_write_file(const char *path, const char *bytes, size_t length, unsigned mode,
                     struct diag *diag);

#endif
