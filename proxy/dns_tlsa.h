/*
 * dns_tlsa.h: TLSA records (RFC 6698) asked of the resolver, for "gatepost check --dane". The
 * daemon asks no name server.
 */
#ifndef GATEPOST_PROXY_DNS_TLSA_H
#define GATEPOST_PROXY_DNS_TLSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/tlsa.h"

#define DNS_TLSA_RECORDS_MAX 64    /* more of one name are not looked at */
#define DNS_TLSA_MESSAGE_MAX 65535 /* the longest DNS message */

struct dns_tlsa {
    unsigned rcode; /* 0: no error, 3: no such name, 2: the server could not find out... */
    bool secure;    /* the resolver says that all of it was verified (DNSSEC) */
    size_t count;
    bool more;                                            /* there are more than RECORDS_MAX */
    struct tls_tlsa_record records[DNS_TLSA_RECORDS_MAX]; /* they point into the message */
};

/* Read a DNS MESSAGE, whoever has sent it: the TLSA records of its answer section. False: it is not
 * one, or no answer. Pure. */
bool dns_tlsa_parse(const uint8_t *message, size_t length, struct dns_tlsa *answer);

/* A resolver: those of resolv.conf(5), or one that is given. */
struct dns_resolver {
    bool given;
    uint8_t address[4]; /* IPv4 */
    uint16_t port;
};

/* "192.0.2.1" or "192.0.2.1:5353". */
bool dns_resolver_parse(const char *text, struct dns_resolver *resolver);

/*
 * Ask RESOLVER for the TLSA records of NAME. MESSAGE has room for DNS_TLSA_MESSAGE_MAX bytes and
 * must live as long as ANSWER. Returns NULL, or why there is no answer (static text). *LOCAL: the
 * resolver is on this host, so that its word about DNSSEC cannot have been changed on the way.
 */
const char *dns_tlsa_ask(const struct dns_resolver *resolver, const char *name, uint8_t *message,
                         struct dns_tlsa *answer, bool *local);

#endif
