/*
 * decimal.h: numbers as text where a session is charged for every nanosecond: printf(3) takes ten
 * times as long.
 */
#ifndef GATEPOST_POLICY_DECIMAL_H
#define GATEPOST_POLICY_DECIMAL_H

#include <stdint.h>

#define DECIMAL_MAX 20 /* digits */

/* Writes VALUE at OUT, which has room for DECIMAL_MAX bytes, without a terminator. Returns its end.
 */
char *decimal_put(char *out, uint64_t value);

#endif
