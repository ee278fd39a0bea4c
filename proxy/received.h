/*
 * received.h: the Received: header field (RFC 5321 section 4.4) that gatepost puts on a message
 * with gatepost_received_header, in the layout of Postfix's own, which programs that read them
 * know:
 *
 *   Received: from HELO (unknown [ADDRESS])
 *   	(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
 *   	 key-exchange x25519 server-signature ECDSA (prime256v1) server-digest SHA256)
 *   	(No client certificate requested)
 *   	by MYHOSTNAME (gatepost) with ESMTPS id ID
 *   	for <RECIPIENT>; DATE
 */
#ifndef GATEPOST_PROXY_RECEIVED_H
#define GATEPOST_PROXY_RECEIVED_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "proxy/client_address.h"
#include "tls/summary.h"

#define RECEIVED_MAX 2560

/* An address that is longer, or has other characters than addresses without quotes, is not named:
 * the "for" clause is optional. RFC 5321 section 4.5.3.1.3. */
#define RECEIVED_RECIPIENT_MAX 254

struct received {
    const char *helo; /* as the client gave it, or NULL (written as "unknown") */
    const struct client_address *client;
    const char *hostname;              /* myhostname */
    const struct tls_summary *summary; /* NULL: cleartext */
    bool ask_ccert;                    /* a client certificate was asked for */
    bool esmtp;                        /* EHLO was said, not HELO */
    bool authenticated;
    bool utf8;             /* MAIL has asked for SMTPUTF8 */
    const char *id;        /* message_id.h */
    const char *recipient; /* the only one, without <>; NULL: there are several, or not named */
    time_t now;
};

/* What stands behind "with": ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848), SMTP, and UTF8SMTP and so
 * on (RFC 6531 section 4.3). SMTP has no form for TLS: HELO and then TLS is "SMTP", as with
 * Postfix.
 */
const char *received_protocol(const struct received *values);

/* Write the field with CRLF line ends and a final CRLF; return its length (always fits; names over
 * 255 bytes are cut). Nothing in it can break the line, close a comment or forge a field. */
size_t received_format(const struct received *values, char out[RECEIVED_MAX]);

/* How much longer than without a recipient, and with another protocol's name, it may become. */
#define RECEIVED_MORE_MAX (RECEIVED_RECIPIENT_MAX + 24)

#endif
