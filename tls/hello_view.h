/* hello_view.h: a ClientHello taken to pieces (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2),
 * by a reader that can say what is wrong with it. Pure and bounded. */
#ifndef GATEPOST_TLS_HELLO_VIEW_H
#define GATEPOST_TLS_HELLO_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/bytestring.h>

/* Lists are of 16-bit numbers, borrowed from the message, and empty if the extension is not there.
 */
struct hello_view {
    uint16_t version; /* legacy_version */
    CBS suites;
    bool uncompressed; /* null compression is offered */
    bool has_versions;
    CBS versions; /* supported_versions */
    CBS groups;
    bool has_groups;
    CBS schemes; /* signature_algorithms */
    bool has_schemes;
    CBS protocols; /* ALPN: names with a length byte before each */
    bool has_key_share;
    CBS server_name; /* raw; empty: none */
};

/* Read the body of a ClientHello. False: it is malformed, and *WHY says what is, as the object of
 * "malformed in ..." (static text). */
bool hello_view_read(struct hello_view *view, const uint8_t *hello, size_t length,
                     const char **why);

/* Numbers that mean nothing, sent to keep servers honest (RFC 8701). */
bool hello_is_grease(uint16_t number);

/* The highest protocol version that is offered, and the lowest that is known to be (without
 * supported_versions, clients do not say: then it is 0). 0: none. */
uint16_t hello_highest_version(const struct hello_view *view);
uint16_t hello_lowest_version(const struct hello_view *view);
/* The highest offered one between MIN and MAX, or 0. */
uint16_t hello_common_version(const struct hello_view *view, uint16_t min, uint16_t max);

#endif
