/*
 * chains.h: the certificate chains of all services on their way from the key process to the
 * workers: sealed memory behind a descriptor, which the master keeps and never reads.
 */
#ifndef GATEPOST_PROXY_CHAINS_H
#define GATEPOST_PROXY_CHAINS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/diag.h"

#include "tls/chain_transfer.h"

#include "proxy/service.h"

/* Put BYTES behind a new descriptor; nobody can change them any more. -1 with errno. */
int chains_seal(const struct tls_chain_bytes *bytes);

/* A number that tells one set of chains from another. */
uint32_t chains_digest(const struct tls_chain_bytes *bytes);

/*
 * In a worker: give the COUNT SERVICES the chains behind FD, with the keys that KEYS reaches.
 * Returns 0, or -1 after reporting to DIAG.
 */
int chains_load(int fd, struct service **services, size_t count, struct tls_key_client *keys,
                struct diag *diag);

#endif
