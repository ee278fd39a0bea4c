/*
 * trace_text.h: what the trace header fields that gatepost writes (Received-TLS, Received) have in
 * common: texts that come from outside made harmless and cut, Postfix's words for what protects a
 * session, and the date. Pure, but for the time zone, which must have been loaded (tzset).
 */
#ifndef GATEPOST_PROXY_TRACE_TEXT_H
#define GATEPOST_PROXY_TRACE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "proxy/client_address.h"
#include "tls/summary.h"

#define TRACE_NAME_MAX 255

/* No TLS comments and date are longer than this: fixed words, every text of the summary, two names
 * in the certificate's. */
#define TRACE_PROTECTION_MAX                                                                       \
    (sizeof(struct tls_summary) - 2 * 256 + 2 * (size_t)TRACE_NAME_MAX + 300)
#define TRACE_DATE_MAX 64

/* Header fields as they grow; what does not fit in CAPACITY (with a NUL) is cut off. */
struct trace_text {
    char *out;
    size_t capacity;
    size_t length;
};

/* Append formatted text. */
void trace_put(struct trace_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* NAME (NULL or "": "unknown") with only what host names and address literals are made of, the rest
 * as "?". Returns OUT. */
const char *trace_name(const char *name, char out[TRACE_NAME_MAX + 1]);

/* TEXT for use in a comment: printable ASCII, no backslash, parentheses balanced by adding what is
 * missing; room for the missing ones is kept when the text has to be cut. Returns OUT. */
const char *trace_comment(const char *text, char out[TRACE_NAME_MAX + 1]);

/* Two lines in parentheses, as Postfix's smtpd_tls_received_header has them, without the last
 * line's end: what protects the session, and what the client showed of itself. ASK_CCERT: a client
 * certificate was asked for. */
void trace_put_protection(struct trace_text *text, const struct tls_summary *summary,
                          bool ask_ccert);

/* "Sun, 22 Nov 2026 01:30:54 +0000 (UTC)" (RFC 5322 section 3.3), in English whatever the locale.
 */
void trace_put_date(struct trace_text *text, time_t now);

#endif
