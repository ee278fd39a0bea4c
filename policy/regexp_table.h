/*
 * regexp_table.h: regexp_table(5), as far as it says yes or no: rules of the form
 *
 *     /pattern/flags result       !/pattern/flags result
 *
 * with any delimiter. Patterns are extended and match any case; the flags i, m and x turn that, one
 * line for all, and "extended" over. What a rule results in is not kept. if ... endif is refused.
 */
#ifndef GATEPOST_POLICY_REGEXP_TABLE_H
#define GATEPOST_POLICY_REGEXP_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"

struct regexp_table;

struct regexp_table *regexp_table_new(void);
void regexp_table_free(struct regexp_table *table);

/* Add the rule in LENGTH bytes at LINE; WHERE is where it stands ("FILE, line N"). False after
 * reporting to DIAG. */
bool regexp_table_add(struct regexp_table *table, const char *where, const char *line,
                      size_t length, struct diag *diag);

/* Add the rules of a file. False after reporting to DIAG. */
bool regexp_table_read(struct regexp_table *table, const char *path, struct diag *diag);

/* Whether some rule has a result for TEXT. Opens nothing. */
bool regexp_table_match(const struct regexp_table *table, const char *text);

#endif
