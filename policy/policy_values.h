/*
 * policy_values.h: whether what a line of a policy table says about TLS can be honoured, as far as
 * that can be known without a TLS library.
 */
#ifndef GATEPOST_POLICY_POLICY_VALUES_H
#define GATEPOST_POLICY_POLICY_VALUES_H

#include "policy/diag.h"
#include "policy/policy_table.h"

/*
 * Check protocols=, exclude=, and that the fingerprints of match= are as long as those of DIGEST
 * (a value of smtpd_tls_fingerprint_digest). WHERE ("FILE, line N") begins each message. Returns 0,
 * or -1 if an error was reported.
 */
int policy_values_check(const struct policy_settings *settings, const char *digest,
                        const char *where, struct diag *diag);

#endif
