/*
 * report_query.h: questions to the ledger about those whom a report is about.
 */
#ifndef GATEPOST_PROXY_REPORT_QUERY_H
#define GATEPOST_PROXY_REPORT_QUERY_H

#include "proxy/ledger_read.h"

/*
 * BEGINNING ("SELECT ... WHERE last >= ?1") is restricted to chosen peers, whose ids are in COLUMN,
 * and followed by END ("GROUP BY ..."). ?1 is bound to SINCE. NULL after an error.
 */
sqlite3_stmt *report_query(struct ledger_read *read, int64_t since, const char *beginning,
                           const char *column, const char *end);

/* A column as a string of its own, NUL bytes replaced, for free(3). Never NULL. */
char *report_column(sqlite3_stmt *query, int column);

#endif
