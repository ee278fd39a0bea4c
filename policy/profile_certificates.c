/*
 * profile_certificates.c: the checks of profile_checks.h that look at certificates.
 */
#include <string.h>
#include <strings.h>

#include "policy/profile_checks.h"

#define DAY 86400 /* seconds */

/* Begins what is said of one more certificate. */
static void add_certificate(const struct profile_certificate *certificate, struct text *found)
{
    text_format(found, "%scertificate %s ", found->length > 0 ? "; " : "", certificate->subject);
}

/* A curve by one name: of P-256 there are two in use. */
static const char *curve_name(const char *curve)
{
    return strcasecmp(curve, "prime256v1") == 0 ? "secp256r1" : curve;
}

bool profile_key_types(const struct profile_subject *subject, long number, const char *list,
                       struct text *found)
{
    (void)number;
    for (size_t i = 0; i < subject->certificate_count; i++) {
        const struct profile_certificate *certificate = &subject->certificates[i];
        if (profile_list_has(list, certificate->key_type))
            continue;
        add_certificate(certificate, found);
        text_format(found, "is of type %s", certificate->key_type);
    }
    return found->length > 0;
}

bool profile_key_curves(const struct profile_subject *subject, long number, const char *list,
                        struct text *found)
{
    (void)number;
    for (size_t i = 0; i < subject->certificate_count; i++) {
        const struct profile_certificate *certificate = &subject->certificates[i];
        if (strcmp(certificate->key_type, "ECDSA") != 0 ||
            profile_list_has(list, curve_name(certificate->curve)))
            continue;
        add_certificate(certificate, found);
        text_format(found, "has a key on the curve %s", certificate->curve);
    }
    return found->length > 0;
}

bool profile_rsa_min_bits(const struct profile_subject *subject, long number, const char *list,
                          struct text *found)
{
    (void)list;
    for (size_t i = 0; i < subject->certificate_count; i++) {
        const struct profile_certificate *certificate = &subject->certificates[i];
        if (strcmp(certificate->key_type, "RSA") != 0 || certificate->key_bits >= number)
            continue;
        add_certificate(certificate, found);
        text_format(found, "has an RSA key of %d bits", certificate->key_bits);
    }
    return found->length > 0;
}

/* Certificates whose signature is in LIST, or is not, are not wanted. */
static bool report_signatures(const struct profile_subject *subject, const char *list,
                              bool unwanted, struct text *found)
{
    for (size_t i = 0; i < subject->certificate_count; i++) {
        const struct profile_certificate *certificate = &subject->certificates[i];
        if (profile_list_has(list, certificate->signature) != unwanted)
            continue;
        add_certificate(certificate, found);
        text_format(found, "is signed with %s", certificate->signature);
    }
    return found->length > 0;
}

bool profile_signatures_only(const struct profile_subject *subject, long number, const char *list,
                             struct text *found)
{
    (void)number;
    return report_signatures(subject, list, false, found);
}

bool profile_signatures_not(const struct profile_subject *subject, long number, const char *list,
                            struct text *found)
{
    (void)number;
    return report_signatures(subject, list, true, found);
}

bool profile_longest_validity(const struct profile_subject *subject, long number, const char *list,
                              struct text *found)
{
    (void)list;
    for (size_t i = 0; i < subject->certificate_count; i++) {
        const struct profile_certificate *certificate = &subject->certificates[i];
        /* Whole days: an hour that was added for clocks that are slow does not count. */
        long days = (long)(difftime(certificate->not_after, certificate->not_before) / DAY);
        if (days <= number)
            continue;
        add_certificate(certificate, found);
        text_format(found, "is valid for %ld days", days);
    }
    return found->length > 0;
}

bool profile_valid_now(const struct profile_subject *subject, long number, const char *list,
                       struct text *found)
{
    (void)number;
    (void)list;
    for (size_t i = 0; i < subject->certificate_count; i++) {
        const struct profile_certificate *certificate = &subject->certificates[i];
        bool early = subject->now < certificate->not_before;
        if (!early && subject->now <= certificate->not_after)
            continue;
        add_certificate(certificate, found);
        text_add_string(found, early ? "is not valid yet" : "has expired");
    }
    return found->length > 0;
}

bool profile_not_self_signed(const struct profile_subject *subject, long number, const char *list,
                             struct text *found)
{
    (void)number;
    (void)list;
    for (size_t i = 0; i < subject->certificate_count; i++) {
        if (!subject->certificates[i].self_signed)
            continue;
        add_certificate(&subject->certificates[i], found);
        text_add_string(found, "signed itself");
    }
    return found->length > 0;
}
