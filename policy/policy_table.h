/*
 * policy_table.h: which policy holds for which peer: smtpd_tls_policy_maps, in gatepost's form of
 * cidr_table(5) with the attributes of smtp_tls_policy_maps (gatepost_tls_policy(5)).
 *
 * A million prefixes are an ordinary table: lookups neither allocate nor take longer than the depth
 * of an address, and lines that say the same about TLS share one struct policy_settings, so that
 * whoever makes contexts makes as many as there are different settings.
 */
#ifndef GATEPOST_POLICY_POLICY_TABLE_H
#define GATEPOST_POLICY_POLICY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "policy/config.h"
#include "policy/diag.h"

enum policy_level {
    POLICY_LEVEL_NONE,
    POLICY_LEVEL_MAY,
    POLICY_LEVEL_ENCRYPT,
    POLICY_LEVEL_REJECT
};
enum policy_choice { POLICY_INHERIT, POLICY_NO, POLICY_YES };
enum policy_ccert { POLICY_CCERT_INHERIT, POLICY_CCERT_NO, POLICY_CCERT_ASK, POLICY_CCERT_REQUIRE };

/* What a line says about TLS; strings are NULL where the line says nothing and the main
 * configuration holds. Owned by the table. */
struct policy_settings {
    enum policy_level level;
    const char *protocols; /* a protocol list, blanks and colons as separators */
    const char *ciphers;   /* a grade */
    const char *exclude;   /* replaces both exclusion lists of the main configuration */
    const char *curves;
    const char *cipherlist; /* an OpenSSL cipher string, instead of a grade's */
    const char *match;      /* client certificate fingerprints, separated by "|" */
    enum policy_ccert ccert;
    enum policy_choice tickets;
};

/* The line that applies to an address. */
struct policy_match {
    unsigned settings; /* index for policy_table_settings */
    const char *file;  /* the map as written, or its path */
    unsigned line;     /* 1.. */
    const char *note;  /* note=, or NULL */
    time_t until;      /* the first second at which the line no longer applies; 0: for ever */
    char prefix[64];   /* "198.51.100.0/24", as a canonical text */
};

struct policy_table;

/*
 * Read all maps of smtpd_tls_policy_maps ("cidr:/path", "inline:{ {rule}, ... }", several; a prefix
 * that two of them name is an error, the longest prefix wins over all). Every mistake is reported
 * with file and line, and any mistake makes the result NULL: an operator's policy is never served
 * in part. Lines whose until= is before NOW are left out and reported as a warning each. No map: an
 * empty table.
 */
struct policy_table *policy_table_load(const struct config *config, time_t now, struct diag *diag);
void policy_table_free(struct policy_table *table);

/*
 * The line with the longest prefix that contains ADDRESS (4 bytes for AF_INET, 16 for AF_INET6, in
 * network order; an IPv4-mapped IPv6 address is looked up as IPv4). A line whose until= is before
 * NOW does not apply: the next shorter prefix does. False: no line applies.
 */
bool policy_table_lookup(const struct policy_table *table, int family, const uint8_t *address,
                         time_t now, struct policy_match *match);

size_t policy_table_settings_count(const struct policy_table *table);
const struct policy_settings *policy_table_settings(const struct policy_table *table, size_t index);

/* Number of prefixes. */
size_t policy_table_size(const struct policy_table *table);

/* Call EACH for every line in the order of files and lines, also expired ones (EXPIRED), for
 * "gatepost check". */
void policy_table_each(const struct policy_table *table,
                       void (*each)(void *ctx, const struct policy_match *line, bool expired),
                       void *ctx);

#endif
