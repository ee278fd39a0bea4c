/*
 * import_check.h: what "gatepost import" wrote, looked at by tests.
 */
#ifndef GATEPOST_TESTS_UNIT_IMPORT_CHECK_H
#define GATEPOST_TESTS_UNIT_IMPORT_CHECK_H

#include "policy/config.h"

#define IMPORT_CHECK_MOST 6

/* A sink of a diag: adds "E text" and a line end to the struct text CTX. */
void import_check_collect(void *ctx, enum diag_severity severity, const char *text);

/* Read a gatepost.cf with all that belongs to it. Fails the test NAME if gatepost would not take
 * it. */
struct config *import_check_take(const char *name, const char *output);

/* Fails the test NAME unless TEXT has all of HAS, and none of LACKS; wrapped comments count as one
 * line. */
void import_check_compare(const char *name, const char *text,
                          const char *const has[IMPORT_CHECK_MOST],
                          const char *const lacks[IMPORT_CHECK_MOST]);

#endif
