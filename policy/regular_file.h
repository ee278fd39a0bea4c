/*
 * regular_file.h: opening and reading what must be a regular file: a directory, a device or a FIFO
 * in its place is an error, and nothing waits for a writer.
 */
#ifndef GATEPOST_POLICY_REGULAR_FILE_H
#define GATEPOST_POLICY_REGULAR_FILE_H

#include <stddef.h>

#include "policy/diag.h"
#include "policy/text.h"

/* Open PATH for reading. Returns a descriptor, or -1 after reporting to DIAG. */
int regular_file_open(const char *path, struct diag *diag);

/* Append all of PATH to TEXT, but of more than MAX bytes only so much that it can be seen that they
 * are too many. Returns 0, or -1 after reporting to DIAG. */
int regular_file_read(const char *path, size_t max, struct text *text, struct diag *diag);

#endif
