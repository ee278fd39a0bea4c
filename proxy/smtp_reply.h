/*
 * smtp_reply.h: replies of the backend (RFC 5321 section 4.2), collected whole.
 * A reply is passed on only when its last line is there: half a reply says nothing.
 */
#ifndef GATEPOST_PROXY_SMTP_REPLY_H
#define GATEPOST_PROXY_SMTP_REPLY_H

#include <stddef.h>

#define SMTP_REPLY_MAX 131072 /* bytes of one reply, line ends included */

enum smtp_reply_status {
    SMTP_REPLY_MORE, /* incomplete: read on */
    SMTP_REPLY_DONE,
    SMTP_REPLY_BAD /* not SMTP: error says why */
};

struct smtp_reply {
    int code;          /* 200..599 */
    size_t length;     /* bytes of the input that this reply takes */
    const char *error; /* BAD: constant text, such as "reply code is not three digits" */
};

/*
 * Look for one complete reply at the start of TEXT (LENGTH bytes). Lines end in CRLF or LF. Codes
 * of a multi-line reply must agree; the code must be 200 to 599 and be followed by SP, "-" or the
 * line end; NUL bytes, and more than SMTP_REPLY_MAX bytes, are BAD.
 */
enum smtp_reply_status smtp_reply_parse(const char *text, size_t length, struct smtp_reply *reply);

/* Copy the reply (reply->length bytes at TEXT) with every line end as CRLF, lone CRs as blanks.
 * OUT must hold 2 * reply->length + 2 bytes. Returns the length. */
size_t smtp_reply_normalize(const char *text, const struct smtp_reply *reply, char *out);

#endif
