/*
 * regular_file.h: opening what must be a regular file: a directory, a device or a FIFO in its place
 * is an error, and nothing waits for a writer.
 */
#ifndef GATEPOST_POLICY_REGULAR_FILE_H
#define GATEPOST_POLICY_REGULAR_FILE_H

#include "policy/diag.h"

/* Open PATH for reading. Returns a descriptor, or -1 after reporting to DIAG. */
int regular_file_open(const char *path, struct diag *diag);

#endif
