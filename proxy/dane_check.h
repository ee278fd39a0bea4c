/*
 * dane_check.h: "gatepost check --dane": do the TLSA records in DNS fit the certificates that
 * gatepost shows? A sender that does DANE and finds records but none that fits does not deliver.
 */
#ifndef GATEPOST_PROXY_DANE_CHECK_H
#define GATEPOST_PROXY_DANE_CHECK_H

#include <stddef.h>

#include "policy/config.h"
#include "policy/diag.h"

#include "proxy/dane_offers.h"
#include "proxy/dns_tlsa.h"

/*
 * Compare the records of each name of QUESTION at each of its ports with what CONFIG has there, and
 * with the coming certificates in the files NEXT (NEXT_COUNT). Findings go to DIAG; what loading
 * the configuration has to say does not, since check_run (check.h) says it.
 */
void dane_check(const struct config *config, const struct dane_question *question,
                const char *const *next, size_t next_count, const struct dns_resolver *resolver,
                struct diag *diag);

/* What ANSWER about WHERE ("_25._tcp.NAME") means for OFFER's chains and for those that are COMING.
 * Pure. */
void dane_compare(const char *where, const struct dns_tlsa *answer,
                  const struct tls_tlsa_list *present, const struct tls_tlsa_list *coming,
                  struct diag *diag);

#endif
