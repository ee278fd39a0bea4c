/*
 * hello_offer.h: what of a ClientHello decides which certificate can be presented.
 */
#ifndef GATEPOST_TLS_HELLO_OFFER_H
#define GATEPOST_TLS_HELLO_OFFER_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/bytestring.h>

#include "tls/groups.h"
#include "tls/library.h"

/* The lists are of 16-bit numbers, empty if the extension is absent; a malformed one counts as
 * absent: the library will refuse it right after. */
struct hello_offer {
    const SSL_CLIENT_HELLO *hello; /* borrowed, and all lists with it */
    uint16_t version;              /* to be negotiated; 0 if there is none in common */
    CBS schemes;
    bool has_schemes;
    CBS groups;
    bool has_group; /* one for key exchange in common */
    CBS suites;
};

/* Read HELLO, which a server with GROUPS got. */
void hello_offer_read(struct hello_offer *offer, const SSL_CLIENT_HELLO *hello,
                      const struct tls_groups *groups);

bool hello_list_has(CBS list, uint16_t wanted);
bool hello_list_has_any(CBS list, const uint16_t *wanted); /* WANTED ends in 0 */

/* Is there a suite in common, up to TLS 1.2, that is authenticated by keys of type AUTH_NID? */
bool hello_offer_has_suite(const struct hello_offer *offer, int auth_nid);

/*
 * Does the server's own order of suites, if it counts, begin with one for RSA, of those that both
 * sides have? Then the RSA certificate goes before the others (up to TLS 1.2; RFC 8446 suites go
 * with any certificate).
 */
bool hello_offer_leads_with_rsa(const struct hello_offer *offer);

#endif
