/*
 * tls_protocols.c: Postfix's lists of TLS protocol versions become a range.
 */
#include "policy/tls_policy.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/text.h"

#define SEPARATORS ", \t\r\n:"
#define VERSION_COUNT 4

/* Names of versions. Bits 0 to 3 are TLS 1.0 to 1.3; the older ones have none. */
static const struct {
    const char *name;
    unsigned bit;
    uint16_t version;
    bool bound; /* may follow ">=" and "<=" */
} versions[] = {
    {"SSLv2", 0, 0x0002, false},           {"SSLv3", 0, 0x0300, true},
    {"TLSv1", 1, TLS_VERSION_1_0, true},   {"TLSv1.1", 2, TLS_VERSION_1_1, true},
    {"TLSv1.2", 4, TLS_VERSION_1_2, true}, {"TLSv1.3", 8, TLS_VERSION_1_3, true},
};
#define NAME_COUNT (sizeof(versions) / sizeof(versions[0]))

static const char *const version_names[VERSION_COUNT] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

/* What a list says so far. */
struct protocols {
    unsigned included; /* bits */
    unsigned excluded;
    bool any_included; /* even an old one */
    bool old_included;
    uint16_t floor; /* 0: none */
    uint16_t ceiling;
};

/* The index of a name in versions, or NAME_COUNT. */
static size_t find_name(const char *name)
{
    size_t i = 0;

    while (i < NAME_COUNT && strcasecmp(versions[i].name, name) != 0)
        i++;
    return i;
}

/* A hexadecimal version number: digits, perhaps behind 0x. -1 if it is none or beyond 16 bits. */
static long parse_hex(const char *text)
{
    long number = 0;

    if (text[0] == '0' && text_lower(text[1]) == 'x')
        text += 2;
    if (*text == '\0' || strlen(text) > 8)
        return -1;
    for (; *text != '\0'; text++) {
        const char *digits = "0123456789abcdef";
        const char *digit = strchr(digits, text_lower(*text));

        if (digit == NULL)
            return -1;
        number = number * 16 + (digit - digits);
    }
    return number <= 0xffff ? number : -1;
}

/* Parse what follows ">=" or "<=". Returns -1 for what is not known: a bound must not vanish. */
static int parse_bound(const char *text, uint16_t *bound)
{
    size_t i = find_name(text);
    long number;

    if (i < NAME_COUNT) {
        *bound = versions[i].version;
        return versions[i].bound ? 0 : -1;
    }
    number = strcasecmp(text, "none") == 0 ? 0 : parse_hex(text);
    if (number != 0 && (number < 0x0300 || number > TLS_VERSION_1_3))
        return -1;
    *bound = (uint16_t)number;
    return 0;
}

/* Parse one element of the list. */
static int parse_token(const char *token, struct protocols *protocols)
{
    bool exclude = *token == '!';

    if (strncmp(token, ">=", 2) == 0)
        return parse_bound(token + 2, &protocols->floor);
    if (strncmp(token, "<=", 2) == 0)
        return parse_bound(token + 2, &protocols->ceiling);
    size_t i = find_name(token + exclude);
    if (i == NAME_COUNT)
        return -1;
    if (exclude) {
        protocols->excluded |= versions[i].bit;
    } else {
        protocols->included |= versions[i].bit;
        protocols->any_included = true;
        protocols->old_included = protocols->old_included || versions[i].bit == 0;
    }
    return 0;
}

/* The versions that are allowed, as bits. */
static unsigned allowed_versions(const struct protocols *protocols)
{
    unsigned allowed = protocols->any_included ? protocols->included : 0xf;

    allowed &= ~protocols->excluded;
    for (unsigned i = 0; i < VERSION_COUNT; i++) {
        unsigned version = TLS_VERSION_1_0 + i;

        if (version < protocols->floor || (protocols->ceiling != 0 && version > protocols->ceiling))
            allowed &= ~(1u << i);
    }
    return allowed;
}

/* Read all elements. */
static int parse_list(const char *list, const char *param_name, struct protocols *protocols,
                      struct diag *diag)
{
    const char *cursor = list;
    const char *word;
    size_t length;

    while ((word = text_next(&cursor, SEPARATORS, false, &length)) != NULL) {
        char token[32];

        snprintf(token, sizeof(token), "%.*s", length < sizeof(token) ? (int)length : 0, word);
        if (parse_token(token, protocols) != 0) {
            diag_error(diag,
                       "%s: invalid TLS protocol list \"%.100s\": \"%.*s\" is not known; allowed "
                       "are TLSv1 TLSv1.1 TLSv1.2 TLSv1.3, !NAME, >=NAME and <=NAME",
                       param_name, list, length > 40 ? 40 : (int)length, word);
            return -1;
        }
    }
    return 0;
}

/* Reduce ALLOWED to its highest run without a hole, and say so: BoringSSL has no holes. */
static void take_range(unsigned allowed, const char *list, const char *param_name,
                       uint16_t *min_version, uint16_t *max_version, struct diag *diag)
{
    unsigned high = VERSION_COUNT - 1;
    unsigned low;

    while ((allowed & (1u << high)) == 0)
        high--;
    for (low = high; low > 0 && (allowed & (1u << (low - 1))) != 0; low--)
        ;
    *min_version = (uint16_t)(TLS_VERSION_1_0 + low);
    *max_version = (uint16_t)(TLS_VERSION_1_0 + high);
    if ((allowed & ((1u << low) - 1)) != 0)
        diag_warning(diag,
                     "%s: the TLS protocol list \"%.100s\" has a hole, which BoringSSL cannot "
                     "have: only %s to %s are offered",
                     param_name, list, version_names[low], version_names[high]);
}

int tls_protocols_parse(const char *list, const char *param_name, uint16_t *min_version,
                        uint16_t *max_version, struct diag *diag)
{
    struct protocols protocols = {0};

    if (parse_list(list, param_name, &protocols, diag) != 0)
        return -1;
    unsigned allowed = allowed_versions(&protocols);
    if (allowed == 0) {
        diag_error(diag,
                   "%s: the TLS protocol list \"%.100s\" leaves no version of TLSv1 to TLSv1.3",
                   param_name, list);
        return -1;
    }
    if (protocols.old_included)
        diag_warning(diag, "%s: \"%.100s\": BoringSSL has no SSLv2 and SSLv3, they are not offered",
                     param_name, list);
    take_range(allowed, list, param_name, min_version, max_version, diag);
    return 0;
}
