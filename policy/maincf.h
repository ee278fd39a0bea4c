/*
 * maincf.h: the syntax of main.cf (postconf(5)): bytes become names and values.
 *
 * A logical line begins at the first column and goes on over every following line that begins
 * with a blank; empty lines and lines whose first non-blank is '#' are dropped and end nothing.
 * "name = value", blanks around '=' and at the ends do not count. Nothing is expanded here and
 * no name is judged.
 */
#ifndef GATEPOST_POLICY_MAINCF_H
#define GATEPOST_POLICY_MAINCF_H

#include <stddef.h>

#include "policy/diag.h"

#define MAINCF_MAX_SIZE ((size_t)16 << 20)  /* bytes in a file */
#define MAINCF_MAX_ENTRIES ((size_t)100000) /* settings in a file */
#define MAINCF_MAX_ERRORS 100               /* reported before the reader gives up */

/* One setting, as written. */
struct maincf_entry {
    char *name;
    char *value;   /* may be empty, never NULL; holds no newline */
    unsigned line; /* where its logical line begins, from 1 */
};

/* All settings in the order of the file, duplicates included: the last one counts. */
struct maincf {
    struct maincf_entry *entries;
    size_t count;
};

/*
 * Read TEXT. FILE_NAME is for the messages. Errors (no '=', no name, a NUL byte, too large) are
 * reported with their line and the rest is still read; so are warnings: a setting that overrides
 * an earlier, different one, a line that continues nothing, text that looks like a comment after a
 * value. Returns 0, or -1 if there was an error; *FILE must be freed in both cases.
 */
int maincf_parse(const char *file_name, const char *text, size_t length, struct maincf *file,
                 struct diag *diag);
void maincf_free(struct maincf *file);

#endif
