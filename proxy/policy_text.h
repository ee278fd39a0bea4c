/*
 * policy_text.h: dates as policy tables write them: year-month-day, local time.
 */
#ifndef GATEPOST_PROXY_POLICY_TEXT_H
#define GATEPOST_PROXY_POLICY_TEXT_H

#include <time.h>

#include "policy/policy_table.h"

#define POLICY_DATE_MAX 32

/* The day that WHEN is in. Returns OUT. */
const char *policy_date_text(time_t when, char out[POLICY_DATE_MAX]);

/* until= as it was written: the last day on which the line applies. Returns OUT. */
const char *policy_until_text(const struct policy_match *match, char out[POLICY_DATE_MAX]);

#endif
