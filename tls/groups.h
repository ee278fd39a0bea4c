/* groups.h: tls_eecdh_auto_curves on BoringSSL. */
#ifndef GATEPOST_TLS_GROUPS_H
#define GATEPOST_TLS_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/diag.h"
#include "tls/library.h"

#define TLS_GROUPS_MAX 16

/* The groups of a context, in its order, by their numbers (RFC 8446 section 4.2.7). */
struct tls_groups {
    uint16_t ids[TLS_GROUPS_MAX];
    size_t count;
};

/*
 * Give CONTEXT the groups of LIST: names as OpenSSL spells them, separated by blanks, comma, colon
 * or "/", with OpenSSL 3.5's "?name" (if known), "*name", "-name" (remove) and "DEFAULT" (the
 * library's own list). An empty LIST is the library's own. Names that the library lacks are left
 * out and reported once; if none is left that is an error. Order is kept. RESULT says what it came
 * to. False after an error.
 */
bool tls_groups_apply(SSL_CTX *context, const char *list, struct tls_groups *result,
                      struct diag *diag);

#endif
