/*
 * dane_offers.h: which certificates gatepost, as it is configured, shows at which names and ports:
 * what "gatepost tlsa" prints records for, and "gatepost check --dane" compares with DNS.
 */
#ifndef GATEPOST_PROXY_DANE_OFFERS_H
#define GATEPOST_PROXY_DANE_OFFERS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/config.h"
#include "policy/diag.h"

#include "tls/tlsa.h"

/* One name at one port. */
struct dane_offer {
    char *name; /* ".example.com": each name below it, but for those that have their own. Owned. */
    uint16_t port;
    struct tls_tlsa_list chains; /* none: there is no TLS */
};

struct dane_offers {
    struct dane_offer *items;
    size_t count;
};

/* What is asked for. */
struct dane_question {
    char *const *names; /* none: myhostname and those of tls_server_sni_maps */
    size_t name_count;
    const uint16_t *ports; /* none: those of gatepost_listen. One at which nothing listens is taken
                              for one that leads to all listeners. */
    size_t port_count;
};

/* A name for DNS, without its final dot; malloc'ed. NULL: TEXT is none. */
char *dane_name(const char *text);

/* Load certificates and keys of all listeners of CONFIG, and fill in OFFERS, in the order of the
 * listeners. Returns 0, or -1 after reporting to DIAG; dane_offers_free in both cases. */
int dane_offers_load(const struct config *config, const struct dane_question *question,
                     struct dane_offers *offers, struct diag *diag);
void dane_offers_free(struct dane_offers *offers);

#endif
