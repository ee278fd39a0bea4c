/*
 * sni.h: other certificates for other names: tls_server_sni_maps, loaded whole.
 */
#ifndef GATEPOST_TLS_SNI_H
#define GATEPOST_TLS_SNI_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"
#include "tls/credentials.h"
#include "tls/library.h"

/* Many names may share one set of chains. Everything here is owned; reference counted. */
struct tls_sni_table {
    struct tls_sni_name *names; /* sorted */
    size_t name_count;
    struct tls_sni_set *sets;
    size_t set_count;
    unsigned references;
};

struct tls_sni_name {
    char *name; /* in lower case; ".example.com": all names below that one */
    size_t set; /* index */
};

struct tls_sni_set {
    char *files; /* the list that names it */
    struct tls_credentials *credentials;
};

/*
 * Load what LIST (tls/sni_maps.h) names; OCSP_SUFFIX as in tls/ocsp.h, or NULL. A name that stands
 * in two maps is looked up in the first; one that a map has twice is an error. NULL after
 * reporting.
 */
struct tls_sni_table *tls_sni_load(const struct tls_sni_list *list, const char *ocsp_suffix,
                                   struct diag *diag);
struct tls_sni_table *tls_sni_ref(struct tls_sni_table *sni); /* NULL stays NULL */
void tls_sni_unref(struct tls_sni_table *sni);

/* The chains for NAME (any case) as postconf(5) looks them up: the name, then its parent domains
 * with a dot before each. NULL: none. */
struct tls_credentials *tls_sni_find(const struct tls_sni_table *sni, const char *name);

/* What a client that has sent its ClientHello on SSL asks for. */
const char *tls_sni_asked(const SSL *ssl); /* "" if it does not; raw */

/* The chains that this client gets: those of the name it asks for, or CREDENTIALS themselves. */
const struct tls_credentials *tls_sni_choose(const struct tls_credentials *credentials,
                                             const SSL *ssl);

/* The credential of those that the Certificate message BODY of this server presents on SSL (RFC
 * 8446 section 4.4.2, RFC 5246 section 7.4.2). NULL: none of them. */
const struct tls_credential *tls_sni_presented(const struct tls_credentials *credentials,
                                               const SSL *ssl, CBS body);

#endif
