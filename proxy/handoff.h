/*
 * handoff.h: telling the backend who the client is: PROXY protocol version 1 and 2 (HAProxy's
 * proxy-protocol.txt) and Postfix's XCLIENT (XCLIENT_README). Pure encoders.
 */
#ifndef GATEPOST_PROXY_HANDOFF_H
#define GATEPOST_PROXY_HANDOFF_H

#include <stddef.h>

#include "proxy/client_address.h"

enum handoff { HANDOFF_PROXY2, HANDOFF_PROXY1, HANDOFF_XCLIENT, HANDOFF_NONE };

#define HANDOFF_HEADER_MAX 128

/*
 * The PROXY header for a session of CLIENT that was accepted at SERVER. CLIENT and SERVER must be
 * of one family. Returns its length. CLIENT NULL: a probe of gatepost's own (v2: LOCAL; v1: a TCP4
 * header that names 127.0.0.1, since Postfix refuses UNKNOWN).
 */
size_t handoff_proxy2(const struct client_address *client, const struct client_address *server,
                      unsigned char out[HANDOFF_HEADER_MAX]);
size_t handoff_proxy1(const struct client_address *client, const struct client_address *server,
                      char out[HANDOFF_HEADER_MAX]);

/*
 * "XCLIENT NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE] ADDR=... PORT=... PROTO=... HELO=..." with
 * the line end, limited to the attributes that ATTRIBUTES announces (" NAME ADDR ..."); values are
 * xtext (RFC 3461), an IPv6 address gets "IPV6:". HELO may be NULL; ESMTP says which PROTO. Returns
 * the length, or 0 if ADDR or NAME is not announced: then the client's address cannot be told.
 */
#define HANDOFF_XCLIENT_MAX 2048
size_t handoff_xclient(const struct client_address *client, const char *helo, int esmtp,
                       const char *attributes, char out[HANDOFF_XCLIENT_MAX]);

#endif
