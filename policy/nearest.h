/*
 * nearest.h: which known name was meant by a mistyped one.
 */
#ifndef GATEPOST_POLICY_NEAREST_H
#define GATEPOST_POLICY_NEAREST_H

#include <stddef.h>

#define NEAREST_MAX_LENGTH 80 /* longer names are like nothing */

/*
 * How many edits (a byte inserted, lost or replaced, two neighbours swapped; a different case
 * counts half) make LEFT of RIGHT, in half edits. Anything above LIMIT may be reported as
 * LIMIT + 1.
 */
unsigned nearest_distance(const char *left, const char *right, unsigned limit);

/* The distance, in half edits, up to which a name as long as NAME is taken for a typing error. */
unsigned nearest_limit(const char *name);

#endif
