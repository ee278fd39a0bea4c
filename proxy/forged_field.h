/*
 * forged_field.h: does a Received-TLS: field say that this host wrote it? Pure.
 */
#ifndef GATEPOST_PROXY_FORGED_FIELD_H
#define GATEPOST_PROXY_FORGED_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#define FORGED_FIELD_MAX 4096 /* bytes of VALUE that are looked at */

/*
 * Whether VALUE (the text behind the colon, folded or not) has the word "by", then blanks or
 * comments, then HOSTNAME: in any case, with any blanks around its dots and with or without a final
 * dot, but not as the beginning of a longer name. Judged twice, so that neither a reader that knows
 * comments (RFC 5322 section 3.2.2) nor one that merely searches for the words is fooled: with
 * comments taken out, and with all that cannot be part of a name read as blanks.
 */
bool forged_field_claims(const char *value, size_t length, const char *hostname);

#endif
