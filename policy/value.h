/*
 * value.h: an expanded value is checked against its parameter's type and becomes a number.
 */
#ifndef GATEPOST_POLICY_VALUE_H
#define GATEPOST_POLICY_VALUE_H

#include <stddef.h>

#include "policy/params.h"

/*
 * Check TEXT, which is changed in place to its canonical form (WORD and LOGLEVEL: lower case).
 * UNIT is the unit of a TIME that has none ('s', ...). *NUMBER gets the value of a BOOL (0, 1),
 * INT, AUTO, TIME (seconds) or LOGLEVEL, else 0. Returns 0, or -1 with what is wrong and what is
 * allowed in MESSAGE; a remark on a value that is accepted leaves MESSAGE not empty with 0.
 */
int value_check(const struct param_row *row, char *text, char unit, long *number, char *message,
                size_t message_size);

/* The unit in a default value of type TIME, 's' if there is none. */
char value_default_unit(const char *expanded_default);

#endif
