/*
 * policy_rules.h: what the lines of a policy table say, each different thing once.
 *
 * Settings are what a line says about TLS; a rule is settings, a date and a note, which thousands
 * of lines may share.
 */
#ifndef GATEPOST_POLICY_POLICY_RULES_H
#define GATEPOST_POLICY_POLICY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy_table.h"
#include "policy/text.h"

#define POLICY_NOTES_MAX ((size_t)1 << 31) /* bytes of all notes */

struct policy_rule {
    time_t until; /* as in struct policy_match */
    uint32_t settings;
    uint32_t note; /* where it begins in NOTES; 0: none */
};

/* Numbers by the hash of what they stand for; open addressing. */
struct policy_hash {
    uint64_t *slots; /* a number plus 1 in the lower half, its hash in the upper; or 0 */
    size_t size;     /* a power of two, or 0 */
    size_t used;
};

/* {0} is an empty one. */
struct policy_rules {
    struct policy_rule *rules;
    size_t rule_count;
    size_t rule_capacity;
    struct policy_settings *settings; /* strings are owned by STRINGS */
    size_t settings_count;
    size_t settings_capacity;
    char **strings; /* one a settings: all its strings, one after the other */
    struct text notes;
    struct policy_hash rule_hash; /* only while lines are added */
    struct policy_hash settings_hash;
};

/* The number of these settings, which are copied if they are new (*IS_NEW). */
uint32_t policy_rules_settings(struct policy_rules *rules, const struct policy_settings *settings,
                               bool *is_new);

/* The number of a rule; NOTE (may be NULL) is copied if it is new. UINT32_MAX if there is too much
 * in notes. */
uint32_t policy_rules_add(struct policy_rules *rules, uint32_t settings, time_t until,
                          const char *note);

/* The note of a rule, or NULL. */
const char *policy_rules_note(const struct policy_rules *rules, const struct policy_rule *rule);

/* Nothing will be added any more: give back the memory that was only needed for that. */
void policy_rules_finish(struct policy_rules *rules);
void policy_rules_free(struct policy_rules *rules);

#endif
