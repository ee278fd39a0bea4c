/*
 * decimal.h: numbers as text, and back. Writing is for where a session is charged for every
 * nanosecond: printf(3) takes ten times as long; reading takes what strtoul(3) would let through
 * (signs, blanks, what is too large, what stands behind) for what it is: no number.
 */
#ifndef GATEPOST_POLICY_DECIMAL_H
#define GATEPOST_POLICY_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#define DECIMAL_MAX 20 /* digits */

/* Writes VALUE at OUT, which has room for DECIMAL_MAX bytes, without a terminator. Returns its end.
 */
char *decimal_put(char *out, uint64_t value);

/* TEXT, which must be one or more digits and nothing else, as *VALUE of at most MAX. False: it is
 * not, and *VALUE is as it was. */
bool decimal_read(const char *text, uint64_t max, uint64_t *value);

#endif
