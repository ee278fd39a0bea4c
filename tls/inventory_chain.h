/* inventory_chain.h: one certificate chain, for people. */
#ifndef GATEPOST_TLS_INVENTORY_CHAIN_H
#define GATEPOST_TLS_INVENTORY_CHAIN_H

#include "tls/credentials.h"
#include "tls/inventory.h"

/* Fill all of OUT but its sni. */
void tls_inventory_describe_chain(const struct tls_credential *credential,
                                  struct tls_inventory_chain *out);

#endif
