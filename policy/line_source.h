/*
 * line_source.h: the logical lines of a table that may be large, as in cidr_table(5): a line that
 * begins with a blank continues the one before; empty lines and lines whose first byte that is not
 * blank is '#' are dropped and end nothing.
 *
 * The file is read in pieces: memory does not grow with it.
 */
#ifndef GATEPOST_POLICY_LINE_SOURCE_H
#define GATEPOST_POLICY_LINE_SOURCE_H

#include <stddef.h>

#include "policy/diag.h"

#define LINE_SOURCE_MAX_FILE ((size_t)1 << 30) /* bytes */
#define LINE_SOURCE_MAX_LINE ((size_t)65536)   /* bytes in a logical line */

struct line_source;

/* Open a regular file. NULL after reporting to DIAG, which (like PATH) is kept. */
struct line_source *line_source_open(const char *path, struct diag *diag);
void line_source_close(struct line_source *source);

/*
 * The next logical line, with its *LENGTH and the *NUMBER of its first physical line, from 1. It
 * keeps the newlines between its physical lines, and lives until the next call. NULL at the end, or
 * after reporting an error, after which line_source_failed is true: no rest is ever skipped in
 * silence.
 */
const char *line_source_next(struct line_source *source, size_t *length, unsigned *number);
int line_source_failed(const struct line_source *source);

#endif
