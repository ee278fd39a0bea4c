/*
 * extensions.h: the SMTP extensions that a client may have been promised and then uses: what
 * announces them in EHLO's reply, and what parameters of MAIL and RCPT belong to them. Pure.
 *
 * gatepost promises them before it knows the backend of the session. A backend that turns out not
 * to have them would answer 5xx, and mail would bounce that another session could deliver.
 */
#ifndef GATEPOST_PROXY_EXTENSIONS_H
#define GATEPOST_PROXY_EXTENSIONS_H

#include <stddef.h>

#include "proxy/smtp_command.h"

/* X(ID, keyword in EHLO's reply, its parameters as "NAME NAME ") */
#define EXTENSIONS(X)                                                                              \
    X(SIZE, "SIZE", "SIZE ")                   /* RFC 1870 */                                      \
    X(EIGHTBIT, "8BITMIME", "BODY ")           /* RFC 6152 */                                      \
    X(DSN, "DSN", "RET ENVID NOTIFY ORCPT ")   /* RFC 3461 */                                      \
    X(UTF8, "SMTPUTF8", "SMTPUTF8 ")           /* RFC 6531 */                                      \
    X(CHUNKING, "CHUNKING", "")                /* RFC 3030 */                                      \
    X(REQUIRETLS, "REQUIRETLS", "REQUIRETLS ") /* RFC 8689; gatepost's own, never the backend's */

enum extension_index {
#define X(id, keyword, parameters) EXTENSION_INDEX_##id,
    EXTENSIONS(X)
#undef X
        EXTENSION_COUNT
};

/* Sets of them. */
enum extension {
#define X(id, keyword, parameters) EXTENSION_##id = 1 << EXTENSION_INDEX_##id,
    EXTENSIONS(X)
#undef X
};

/* The extension that KEYWORD (LENGTH bytes, any case) announces; 0: none of these. */
unsigned extension_announced(const char *keyword, size_t length);

/* The set of those that COMMAND, a MAIL or RCPT, uses. */
unsigned extensions_used(const struct smtp_command *command);

/* The keyword of the first one in SET, for logs; "" if there is none. */
const char *extension_name(unsigned set);

#endif
