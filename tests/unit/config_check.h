/*
 * config_check.h: a configuration from a text, and all that was reported on it, for tests.
 */
#ifndef GATEPOST_TESTS_UNIT_CONFIG_CHECK_H
#define GATEPOST_TESTS_UNIT_CONFIG_CHECK_H

#include "policy/config.h"
#include "policy/text.h"

/* A sink of a diag: adds "E text|" to the struct text CTX. */
void config_check_collect(void *ctx, enum diag_severity severity, const char *text);

/* Parse TEXT as the file "F"; what is reported goes to FINDINGS. NULL: errors are among it. */
struct config *config_check_parse(const char *text, struct text *findings);

#endif
