/*
 * import.h: a Postfix configuration becomes a gatepost.cf ("gatepost import").
 *
 * What is written keeps each line under Postfix's own name. A comment above a line says why it is
 * not as it was; a line that does nothing here is kept as a comment; parameters that are Postfix's
 * business are named at the end. Then come the commands that put the same Postfix behind gatepost,
 * each on a line that begins with "#$ ", and what that Postfix loses there. Comments of main.cf are
 * not carried over. Nothing but OUT is changed.
 */
#ifndef GATEPOST_POLICY_IMPORT_H
#define GATEPOST_POLICY_IMPORT_H

#include <stddef.h>
#include <stdio.h>

#include "policy/diag.h"

/*
 * Read DIRECTORY/main.cf and DIRECTORY/master.cf and write a gatepost.cf to OUT. Returns 0, or -1
 * after reporting to DIAG: files that cannot be read or that Postfix itself would not take, with
 * file and line (nothing is written then); or something that gatepost refuses to run with (it is
 * written as it stands, with the reason above it, and has to be decided by a person). What needs
 * the operator's attention is reported as warnings too, so that it is seen when OUT is a file.
 * Errors in writing show in OUT.
 */
int import_postfix(const char *directory, FILE *out, struct diag *diag);

/* The two files as text, which need not end in NUL. */
struct import_source {
    const char *directory; /* where they are: $config_directory */
    const char *main_text;
    size_t main_length;
    const char *master_text;
    size_t master_length;
};

/* The same from memory. For tests and fuzzing; import_postfix uses it. */
int import_text(const struct import_source *source, FILE *out, struct diag *diag);

#endif
