/*
 * dane_options.h: the options of "gatepost tlsa" and "gatepost check".
 */
#ifndef GATEPOST_PROXY_DANE_OPTIONS_H
#define GATEPOST_PROXY_DANE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/config.h"
#include "policy/diag.h"

#include "proxy/dane_offers.h"
#include "proxy/dns_tlsa.h"

#define DANE_OPTIONS_MAX 32 /* of one kind */

struct dane_options {
    const char *profile; /* check: NULL: none */
    /* check: one for each --dane; tlsa: the first, with all names and ports */
    struct dane_question questions[DANE_OPTIONS_MAX];
    size_t question_count;
    const char *next[DANE_OPTIONS_MAX]; /* files */
    size_t next_count;
    struct dns_resolver resolver;
    /* what the questions point to */
    char *names[DANE_OPTIONS_MAX];
    size_t name_count;
    uint16_t ports[DANE_OPTIONS_MAX];
    size_t port_count;
};

/* Read ARGV (ARGV[0] is the command) for "check" or "tlsa". Returns NULL, or what is wrong (static
 * text). dane_options_free in both cases; the strings of ARGV must live as long. */
const char *dane_options_check(int argc, char **argv, struct dane_options *options);
const char *dane_options_tlsa(int argc, char **argv, struct dane_options *options);
void dane_options_free(struct dane_options *options);

/* Do what --dane asks for (dane_check.h). */
void dane_options_run(const struct config *config, const struct dane_options *options,
                      struct diag *diag);

#endif
