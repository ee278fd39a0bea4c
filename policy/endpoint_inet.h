/*
 * endpoint_inet.h: host and port, the part that listeners and backends have in common.
 */
#ifndef GATEPOST_POLICY_ENDPOINT_INET_H
#define GATEPOST_POLICY_ENDPOINT_INET_H

#include <stdbool.h>

#include "policy/endpoint.h"

/*
 * Parse "host:port" or "[address]:port"; with LISTENER also "port", "*:port" and ":port" (any
 * address: the host is "") and port 0 (any free one). Returns NULL, or what is wrong, and then
 * there is nothing to free.
 */
const char *endpoint_parse_inet(const char *text, bool listener, struct endpoint *endpoint);

#endif
