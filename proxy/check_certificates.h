/*
 * check_certificates.h: the part of "gatepost check" that looks at certificates and keys.
 */
#ifndef GATEPOST_PROXY_CHECK_CERTIFICATES_H
#define GATEPOST_PROXY_CHECK_CERTIFICATES_H

#include "policy/config.h"
#include "policy/diag.h"

#include "tls/inventory.h"

/*
 * Report what is wrong with the chains in INVENTORY (tls/cert_check.h), which belong to the part of
 * CONFIG that LABEL names ("main configuration", "tls_policy.cidr:12"). Nothing is reported as an
 * error. Chains that all parts share are to be checked once.
 */
void check_certificates(const char *label, const struct config *config,
                        const struct tls_inventory *inventory, struct diag *diag);

/* Report key files of CONFIG that more than their owner can read. Files that only
 * tls_server_sni_maps names are not among them: tls_check_key_file. */
void check_key_files(const char *label, const struct config *config, struct diag *diag);

#endif
