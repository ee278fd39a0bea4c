/*
 * profile_checks.c: the checks that look at protocols, suites and groups. Those of certificates are
 * in profile_certificates.c.
 */
#include "policy/profile_checks.h"

#include <string.h>
#include <strings.h>

#define LEVEL_SEPARATOR "|"

/* Things of one kind that violate a rule, while they are collected. */
struct offenders {
    struct text names;
    size_t count;
};

static void offenders_add(struct offenders *offenders, const char *name)
{
    if (offenders->count++ > 0)
        text_add_string(&offenders->names, ", ");
    text_add_string(&offenders->names, name);
}

/* "NOUN a is offered", "NOUNs a, b are offered". Frees OFFENDERS. Returns whether there are any. */
static bool offenders_report(struct offenders *offenders, const char *noun, struct text *found)
{
    bool any = offenders->count > 0, several = offenders->count > 1;

    if (any)
        text_format(found, "%s%s%s%s %s offered", noun, several && *noun != '\0' ? "s" : "",
                    *noun != '\0' ? " " : "", offenders->names.data, several ? "are" : "is");
    text_free(&offenders->names);
    return any;
}

/* Whether NAME is one of the words in LENGTH bytes at LIST. */
static bool words_have(const char *list, size_t length, const char *name)
{
    size_t name_length = strlen(name);

    for (size_t at = 0, end; at < length; at = end + 1) {
        for (end = at; end < length && list[end] != ' ';)
            end++;
        if (end - at == name_length && strncasecmp(list + at, name, name_length) == 0)
            return true;
    }
    return false;
}

bool profile_list_has(const char *list, const char *name)
{
    return words_have(list, strlen(list), name);
}

bool profile_oldest_version(const struct profile_subject *subject, long number, const char *list,
                            struct text *found)
{
    static const char *const names[] = {"TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"};
    struct offenders old = {0};

    (void)list;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint16_t version = (uint16_t)(0x0301 + i);
        if (version < number && version >= subject->min_version && version <= subject->max_version)
            offenders_add(&old, names[i]);
    }
    return offenders_report(&old, "", found);
}

bool profile_needs_version(const struct profile_subject *subject, long number, const char *list,
                           struct text *found)
{
    (void)list;
    if (number >= subject->min_version && number <= subject->max_version)
        return false;
    text_format(found, "TLS 1.%ld is not offered", number - 0x0301);
    return true;
}

/* Says of TLS 1.3 suites among the offenders that nothing can be done about them. */
static bool suites_report(const struct profile_subject *subject, struct offenders *suites,
                          bool tls13, struct text *found)
{
    bool any = offenders_report(suites, "cipher suite", found);

    if (tls13 && subject->tls13_suites_fixed)
        text_add_string(found, "; those of TLS 1.3 cannot be switched off one by one");
    return any;
}

/* Suites that are in LIST, or that are not, are not wanted. */
static bool report_suites(const struct profile_subject *subject, const char *list, bool unwanted,
                          struct text *found)
{
    struct offenders suites = {0};
    bool tls13 = false;

    for (size_t i = 0; i < subject->suite_count; i++) {
        if (profile_list_has(list, subject->suites[i].name) != unwanted)
            continue;
        offenders_add(&suites, subject->suites[i].name);
        tls13 = tls13 || subject->suites[i].tls13;
    }
    return suites_report(subject, &suites, tls13, found);
}

bool profile_suites_only(const struct profile_subject *subject, long number, const char *list,
                         struct text *found)
{
    (void)number;
    return report_suites(subject, list, false, found);
}

bool profile_suites_not(const struct profile_subject *subject, long number, const char *list,
                        struct text *found)
{
    (void)number;
    return report_suites(subject, list, true, found);
}

bool profile_suite_min_bits(const struct profile_subject *subject, long number, const char *list,
                            struct text *found)
{
    struct offenders suites = {0};

    (void)list;
    for (size_t i = 0; i < subject->suite_count; i++)
        if (subject->suites[i].bits < number)
            offenders_add(&suites, subject->suites[i].name);
    return offenders_report(&suites, "cipher suite", found);
}

bool profile_cbc_needs_encrypt_then_mac(const struct profile_subject *subject, long number,
                                        const char *list, struct text *found)
{
    struct offenders suites = {0};

    (void)number;
    (void)list;
    for (size_t i = 0; i < subject->suite_count && !subject->encrypt_then_mac; i++)
        if (!subject->suites[i].aead && subject->suites[i].bits > 0)
            offenders_add(&suites, subject->suites[i].name);
    if (!offenders_report(&suites, "cipher suite", found))
        return false;
    text_add_string(found, " without Encrypt-then-MAC");
    return true;
}

bool profile_groups_only(const struct profile_subject *subject, long number, const char *list,
                         struct text *found)
{
    struct offenders groups = {0};

    (void)number;
    for (size_t i = 0; i < subject->group_count; i++)
        if (!profile_list_has(list, subject->groups[i]))
            offenders_add(&groups, subject->groups[i]);
    return offenders_report(&groups, "key exchange group", found);
}

bool profile_client_order(const struct profile_subject *subject, long number, const char *list,
                          struct text *found)
{
    (void)number;
    (void)list;
    if (subject->server_preference)
        text_add_string(found, "the server's order of suites decides");
    return subject->server_preference;
}

/* The number of the level that NAME is in, 0 for the first; the number of levels if in none. */
static unsigned level_of(const char *levels, const char *name)
{
    unsigned level = 0;

    for (size_t length; *levels != '\0'; level++) {
        length = strcspn(levels, LEVEL_SEPARATOR);
        if (words_have(levels, length, name))
            break;
        levels += length + strspn(levels + length, LEVEL_SEPARATOR);
    }
    return level;
}

/* The first suite of TLS 1.2 or older that stands before, or on a par with, BETTER and is of a
 * worse level; NULL if there is none. */
static const struct profile_suite *worse_before(const struct profile_subject *subject,
                                                const char *levels,
                                                const struct profile_suite *better)
{
    for (size_t i = 0; i < subject->suite_count; i++) {
        const struct profile_suite *suite = &subject->suites[i];
        if (suite >= better && suite->group != better->group)
            break;
        if (!suite->tls13 && level_of(levels, suite->name) > level_of(levels, better->name))
            return suite;
    }
    return NULL;
}

bool profile_ordered_levels(const struct profile_subject *subject, long number, const char *list,
                            struct text *found)
{
    bool all_good = true;

    (void)number;
    for (size_t i = 0; i < subject->suite_count; i++)
        if (!subject->suites[i].tls13 && level_of(list, subject->suites[i].name) > 0)
            all_good = false;
    if (all_good)
        return false;
    if (!subject->server_preference) {
        text_add_string(found, "the client's order of suites decides");
        return true;
    }
    for (size_t i = 0; i < subject->suite_count; i++) {
        const struct profile_suite *better = &subject->suites[i];
        const struct profile_suite *worse =
            better->tls13 ? NULL : worse_before(subject, list, better);
        if (worse != NULL) {
            text_format(found, "%s is not preferred to %s", better->name, worse->name);
            return true;
        }
    }
    return false;
}

bool profile_no_compression(const struct profile_subject *subject, long number, const char *list,
                            struct text *found)
{
    (void)number;
    (void)list;
    if (subject->compression)
        text_add_string(found, "TLS compression is offered");
    return subject->compression;
}

bool profile_no_insecure_renegotiation(const struct profile_subject *subject, long number,
                                       const char *list, struct text *found)
{
    (void)number;
    (void)list;
    if (subject->insecure_renegotiation)
        text_add_string(found, "insecure renegotiation is possible");
    return subject->insecure_renegotiation;
}

bool profile_no_early_data(const struct profile_subject *subject, long number, const char *list,
                           struct text *found)
{
    (void)number;
    (void)list;
    if (subject->early_data)
        text_add_string(found, "0-RTT data is accepted");
    return subject->early_data;
}
