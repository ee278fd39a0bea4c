/* hello_suites.h: the suites that a client offers against those that a server has. Part of
 * hello_reason.c; not for others. */
#ifndef GATEPOST_TLS_HELLO_SUITES_H
#define GATEPOST_TLS_HELLO_SUITES_H

#include <openssl/bytestring.h>

#include "tls/handshake_reason.h"
#include "tls/hello_view.h"

/* What kinds of suites up to TLS 1.2 are in common. */
struct hello_shared {
    bool ecdhe_rsa;
    bool ecdhe_ecdsa;
    bool without_ecdhe; /* static RSA key exchange */
};

void hello_suites_shared(CBS suites, uint16_t version, const struct tls_offer *offer,
                         struct hello_shared *shared);

/* Is there none of SUITES at all that a server with OFFER can use for VERSION? Then say why. */
bool hello_suites_explain(CBS suites, uint16_t version, const struct tls_offer *offer,
                          struct tls_failure_reason *reason);

/* Is there no certificate that goes with what is SHARED and that the client can verify? Then say
 * so. */
bool hello_certificate_explain(const struct hello_view *view, uint16_t version,
                               const struct tls_offer *offer, const struct hello_shared *shared,
                               struct tls_failure_reason *reason);

#endif
