/*
 * expand.h: $name expansion of main.cf values (postconf(5)).
 *
 *   $name ${name} $(name)          the value, itself expanded; nothing if it has none
 *   $$                             a dollar sign
 *   ${name?text} ${name?{text}}    text if the value (as written) is not empty
 *   ${name:text} ${name:{text}}    text if it is empty or there is none
 *   ${name?{x}:{y}} ${name?{x}:y}  either; ${name?x:y} is not: it is "x:y" if name is not empty
 *   ${{l} op {r} ? {x} : {y}}      comparison, op is == != < <= >= >; numbers if both sides are
 *                                  digits, else strings; <level etc. compare Postfix versions
 *
 * Pure. Whatever is written, the time, the depth and the size of the result are bounded.
 */
#ifndef GATEPOST_POLICY_EXPAND_H
#define GATEPOST_POLICY_EXPAND_H

#include <stdbool.h>
#include <stddef.h>

#define EXPAND_MAX_DEPTH 100                /* nested references */
#define EXPAND_MAX_OUTPUT ((size_t)1 << 20) /* bytes in the result */
#define EXPAND_MAX_WORK ((size_t)4 << 20)   /* bytes looked at; a reference counts for many */

/*
 * Where names get their values. Returns the unexpanded text, which must live until the expansion is
 * over, or NULL if NAME (LENGTH bytes, only A-Z a-z 0-9 _) has none. TEST: only whether it is
 * empty is asked.
 */
typedef const char *expand_lookup(void *ctx, const char *name, size_t length, bool test);

/*
 * Expand VALUE, which belongs to the parameter NAME (may be NULL; a value that leads back to its
 * own name is an error). Returns the result for the caller to free, or NULL with a message in
 * ERROR.
 */
char *expand_value(const char *name, const char *value, expand_lookup *lookup, void *ctx,
                   char *error, size_t error_size);

#endif
