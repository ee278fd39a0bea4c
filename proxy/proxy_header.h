/*
 * proxy_header.h: what a proxy in front of gatepost says about the client: the header of the PROXY
 * protocol, version 1 and 2 (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2).
 *
 * A pure parser of hostile bytes: no allocation, no descriptor. Whether the sender may be believed
 * is for the caller to decide before it reads a byte.
 *
 * Stricter than Postfix where the specification is: version 1 ends in CRLF, has one blank between
 * its words, and ports without leading zeros. More patient: the header may arrive in pieces.
 */
#ifndef GATEPOST_PROXY_PROXY_HEADER_H
#define GATEPOST_PROXY_PROXY_HEADER_H

#include <stddef.h>

#include "proxy/client_address.h"

/* The most that a header may take, with line end or TLVs: version 1 by the specification, version 2
 * as Postfix has it. The caller needs room for PROXY_HEADER_MAX bytes and no more. */
#define PROXY_HEADER_V1_MAX 107
#define PROXY_HEADER_MAX 536

enum proxy_header_result {
    PROXY_HEADER_MORE, /* good so far, but not yet complete */
    PROXY_HEADER_DONE,
    PROXY_HEADER_BAD
};

enum proxy_header_kind {
    PROXY_HEADER_PROXIED, /* CLIENT and SERVER are the ends of the connection to the proxy */
    PROXY_HEADER_LOCAL,   /* the proxy speaks for itself, a health check perhaps: the addresses of
                             the socket are the true ones */
    PROXY_HEADER_UNKNOWN  /* the proxy does not know the client, or may not tell it. Postfix refuses
                             this, since rules by address would be sidestepped */
};

struct proxy_header {
    enum proxy_header_kind kind;
    size_t length; /* bytes that belong to the header; what follows is the client's */
    struct client_address client; /* family 0 unless PROXIED */
    struct client_address server; /* may be of the other family, if one of them was IPv4-mapped */
    const char *error;            /* BAD: why, a constant text to be shown to a person */
};

/*
 * Parse the header at the beginning of DATA. BAD is said as soon as it is certain, so that a client
 * that speaks SMTP here need not be waited for. MORE is never said of PROXY_HEADER_MAX bytes or
 * more. HEADER is always written.
 */
enum proxy_header_result proxy_header_parse(const void *data, size_t length,
                                            struct proxy_header *header);

#endif
