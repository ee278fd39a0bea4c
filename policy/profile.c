/*
 * profile.c: the tables of profile.def, and going through them.
 */
#include "policy/profile.h"

#include <string.h>

#include "policy/profile_checks.h"
#include "policy/text.h"

enum profile_key {
#define PROFILE(key, ...) KEY_##key,
#include "policy/profile.def"
};

struct profile {
    enum profile_key key;
    const char *name;
    const char *document;
};

static const struct profile profiles[] = {
#define PROFILE(key, name, document) {KEY_##key, name, document},
#include "policy/profile.def"
};

struct rule {
    enum profile_key key;
    const char *id;
    profile_check_fn *violated;
    long number;
    const char *list;
    const char *requirement;
    const char *section;
};

static const struct rule rules[] = {
#define RULE(key, id, check, number, list, requirement, section)                                   \
    {KEY_##key, id, profile_##check, number, list, requirement, section},
#include "policy/profile.def"
};

#define PROFILE_COUNT (sizeof(profiles) / sizeof(profiles[0]))
#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))

const struct profile *profile_find(const char *name)
{
    for (size_t i = 0; i < PROFILE_COUNT; i++)
        if (strcmp(profiles[i].name, name) == 0)
            return &profiles[i];
    return NULL;
}

const char *profile_name(size_t index)
{
    return index < PROFILE_COUNT ? profiles[index].name : NULL;
}

const char *profile_document(const struct profile *profile)
{
    return profile->document;
}

bool profile_rule(const struct profile *profile, size_t index, struct profile_rule_text *text)
{
    for (size_t i = 0; i < RULE_COUNT; i++) {
        if (rules[i].key != profile->key || index-- > 0)
            continue;
        *text = (struct profile_rule_text){rules[i].id, rules[i].requirement, rules[i].section};
        return true;
    }
    return false;
}

unsigned profile_check(const struct profile *profile, const struct profile_subject *subject,
                       const char *label, struct diag *diag)
{
    unsigned violations = 0;

    for (const struct rule *rule = rules; rule < rules + RULE_COUNT; rule++) {
        struct text found = {0};
        if (rule->key == profile->key &&
            rule->violated(subject, rule->number, rule->list, &found)) {
            violations++;
            diag_warning(diag, "%s: profile %s: %s (%s) [%s%s%s]", label, profile->name,
                         found.data != NULL ? found.data : "", rule->requirement, profile->document,
                         *rule->section != '\0' ? ", " : "", rule->section);
        }
        text_free(&found);
    }
    return violations;
}
