/*
 * mail_policy.h: what a session must have for mail to a recipient or from a sender:
 * gatepost_policy_service_maps. Addresses are looked up as access(5) does it, most particular
 * first: user+ext@domain, user@domain, domain, its parents with a dot before them, user+ext@,
 * user@; and then *. The first that is there counts.
 */
#ifndef GATEPOST_POLICY_MAIL_POLICY_H
#define GATEPOST_POLICY_MAIL_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/mail_line.h"

#define MAIL_ADDRESS_MAX 4096 /* bytes of an address that is looked up, with the NUL */

/* What a line says. Strings are owned by the table. */
struct mail_rule {
    char *pattern;
    char *place; /* "FILE, line N" */
    enum mail_demand demand;
    uint16_t min_version; /* TLS_VERSION_...; 0: any */
    uint16_t max_version;
    char *match;   /* fingerprints, separated by "|"; NULL: a trusted certificate */
    char *prepend; /* name of a header; NULL: none */
};

struct mail_policy;

/*
 * Read all maps of gatepost_policy_service_maps ("texthash:/path", "inline:{ { pattern demand ...
 * }, ... }"). A pattern that comes twice is an error. Every mistake is reported with file and line,
 * and any mistake makes the result NULL. No map: an empty table.
 */
struct mail_policy *mail_policy_load(const struct config *config, struct diag *diag);
void mail_policy_free(struct mail_policy *policy);

/*
 * The rule for ADDRESS (shorter than MAIL_ADDRESS_MAX), a recipient or a SENDER ("": the null
 * sender), or NULL. An address without a domain counts as one at $myhostname or $mydomain: Postfix
 * appends a domain of its own.
 */
const struct mail_rule *mail_policy_find(const struct mail_policy *policy, bool sender,
                                         const char *address);

/* Whether a rule demands something for mail to a recipient that it names. */
bool mail_policy_has_recipients(const struct mail_policy *policy);

/* The number of rules, and each of them. */
size_t mail_policy_size(const struct mail_policy *policy);
const struct mail_rule *mail_policy_rule(const struct mail_policy *policy, size_t index);

#endif
