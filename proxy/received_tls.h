/*
 * received_tls.h: the Received-TLS: header that gatepost puts on a message, in the layout and the
 * words of Postfix's own Received comment (smtpd_tls_received_header in postconf(5)).
 */
#ifndef GATEPOST_PROXY_RECEIVED_TLS_H
#define GATEPOST_PROXY_RECEIVED_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "proxy/client_address.h"
#include "tls/summary.h"

#define RECEIVED_TLS_MAX 2048

/* What SIZE has to allow for a message: no header is longer than this together with the empty line
 * or the "X-Mailbox-Line: " that may follow it (data_stream.h). */
#define RECEIVED_TLS_RESERVE RECEIVED_TLS_MAX

struct received_tls {
    const char *helo; /* as the client gave it, or NULL (written as "unknown") */
    const struct client_address *client;
    const char *hostname;              /* myhostname */
    const struct tls_summary *summary; /* NULL: cleartext, "(no TLS)" */
    bool ask_ccert;                    /* a client certificate was asked for */
    time_t now;
};

/*
 * Write the header with CRLF line ends and a final CRLF; return its length (always fits; a HELO,
 * host or certificate name over 255 bytes is cut). HELO and certificate texts cannot break the
 * line, close a comment or forge a field: HELO keeps letters, digits and ".:-_[]" only, others
 * become "?"; names in certificates as Postfix neuters them.
 */
size_t received_tls_format(const struct received_tls *values, char out[RECEIVED_TLS_MAX]);

#endif
