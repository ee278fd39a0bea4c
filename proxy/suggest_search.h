/*
 * suggest_search.h: the tightest line that some ClientHellos get through with. Candidates are what
 * holds for the peer anyway with ever more allowed; each is tried by rehearsal.
 */
#ifndef GATEPOST_PROXY_SUGGEST_SEARCH_H
#define GATEPOST_PROXY_SUGGEST_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "policy/policy_table.h"

#include "proxy/stage.h"

struct suggest_search;

/* CONFIG and STAGE must outlive it. */
struct suggest_search *suggest_search_new(const struct config *config, struct stage *stage);
void suggest_search_free(struct suggest_search *search);

/* What was found. */
struct suggestion {
    bool found;
    struct policy_settings settings;  /* strings live as long as the search */
    const struct tls_rehearsal *weak; /* what comes of the oldest of the hellos */
    uint16_t min_version;
    unsigned attributes; /* how many the settings have about protocols, ciphers and curves */
    size_t hopeless;     /* hellos that no candidate lets through */
};

/* The tightest candidate on top of RULE (one of the stage's service, with TLS) for the COUNT HELLOS
 * (ids), except those that are hopeless. Not FOUND: all are. */
struct suggestion suggest_search_find(struct suggest_search *search, const struct tls_rule *rule,
                                      const int64_t *hellos, size_t count);

/* What the line of RULE says, or of the main configuration. */
struct policy_settings suggest_settings_of(const struct stage *stage, const struct tls_rule *rule);
unsigned suggest_attributes_of(const struct policy_settings *settings);

/* Write "PATTERN LEVEL ATTRIBUTES" without a newline. */
void suggest_write(const char *pattern, const struct policy_settings *settings, FILE *out);

#endif
