/*
 * policy_settings_text.h: what a line of the policy table says, as it would be written there.
 */
#ifndef GATEPOST_POLICY_POLICY_SETTINGS_TEXT_H
#define GATEPOST_POLICY_POLICY_SETTINGS_TEXT_H

#include "policy/policy_table.h"
#include "policy/text.h"

/* Append level and attributes of SETTINGS: "may protocols=>=TLSv1 ciphers=medium". Blanks and
 * commas in values become colons. */
void policy_settings_text(const struct policy_settings *settings, struct text *out);

#endif
