/*
 * tls_options.h: Postfix's tls_ssl_options, whose numbers are OpenSSL's and never BoringSSL's.
 */
#ifndef GATEPOST_POLICY_TLS_OPTIONS_H
#define GATEPOST_POLICY_TLS_OPTIONS_H

#include <stdbool.h>

#include "policy/diag.h"

/*
 * Read names (any case) and hexadecimal numbers (0x...). *NO_TICKETS tells whether NO_TICKET is
 * among them, the only one that makes a difference. Others that differ from what BoringSSL does,
 * and words that mean nothing, are reported as warnings that begin with WHERE.
 */
void tls_options_parse(const char *list, const char *where, bool *no_tickets, struct diag *diag);

#endif
