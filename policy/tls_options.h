/*
 * tls_options.h: Postfix's tls_ssl_options, whose numbers are OpenSSL's and never BoringSSL's.
 */
#ifndef GATEPOST_POLICY_TLS_OPTIONS_H
#define GATEPOST_POLICY_TLS_OPTIONS_H

#include <stdbool.h>

#include "policy/diag.h"

/* What of OpenSSL's options makes a difference. */
struct tls_options {
    bool no_tickets;        /* NO_TICKET */
    bool prioritize_chacha; /* PRIORITIZE_CHACHA */
};

/*
 * Read names (any case) and hexadecimal numbers (0x...). Those that differ from what BoringSSL
 * does, and words that mean nothing, are reported as warnings that begin with WHERE.
 */
void tls_options_parse(const char *list, const char *where, struct tls_options *options,
                       struct diag *diag);

#endif
