/*
 * policy_values.c: values of attributes are checked the way those of parameters are.
 */
#include "policy/policy_values.h"

#include <stdbool.h>
#include <string.h>

#include "policy/text.h"
#include "policy/tls_policy.h"

#define CIPHER_SEPARATORS ", \t\r\n:"
#define LIST_SEPARATORS ", \t\r\n:/"

/* protocols= */
static int check_protocols(const char *protocols, const char *where, struct diag *diag)
{
    struct text name = {0};
    uint16_t min_version;
    uint16_t max_version;

    text_format(&name, "%s: protocols", where);
    int status = tls_protocols_parse(protocols, name.data, &min_version, &max_version, diag);
    text_free(&name);
    return status;
}

/* exclude=: plain names, as in smtpd_tls_exclude_ciphers. */
static int check_exclude(const char *exclude, const char *where, struct diag *diag)
{
    const char *cursor = exclude;
    const char *word;
    size_t length;
    size_t count = 0;

    while ((word = text_next(&cursor, CIPHER_SEPARATORS, false, &length)) != NULL) {
        count++;
        if (strchr("!+-@", *word) != NULL) {
            diag_error(diag,
                       "%s: exclude=%.100s: invalid unary '!+-@' in cipher exclusion: specify "
                       "plain names, separated by ':'",
                       where, exclude);
            return -1;
        }
    }
    if (count == 0)
        diag_error(diag, "%s: exclude=%.100s: no ciphers: leave exclude= out, or specify names",
                   where, exclude);
    return count > 0 ? 0 : -1;
}

/* Values of nothing but separators would be taken for "no value", and so for the defaults. */
static int check_not_empty(const char *name, const char *value, const char *where,
                           struct diag *diag)
{
    if (value[strspn(value, LIST_SEPARATORS)] != '\0')
        return 0;
    diag_error(diag, "%s: %s=%.100s: nothing but separators", where, name, value);
    return -1;
}

/* How many bytes a digest has. */
static size_t digest_size(const char *digest)
{
    static const struct {
        const char *name;
        size_t size;
    } digests[] = {{"md5", 16},    {"sha1", 20},   {"sha224", 28},
                   {"sha256", 32}, {"sha384", 48}, {"sha512", 64}};

    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        if (strcmp(digests[i].name, digest) == 0)
            return digests[i].size;
    }
    return 0;
}

/* match= */
static int check_match(const char *match, const char *digest, const char *where, struct diag *diag)
{
    const char *cursor = match;
    const char *fingerprint;
    size_t length;
    size_t size = digest_size(digest);

    while ((fingerprint = text_next(&cursor, "|", false, &length)) != NULL) {
        if ((length + 1) / 3 != size) {
            diag_error(diag,
                       "%s: match=%.*s has %zu bytes and can never match: fingerprints of "
                       "smtpd_tls_fingerprint_digest = %s have %zu",
                       where, length > 60 ? 60 : (int)length, fingerprint, (length + 1) / 3, digest,
                       size);
            return -1;
        }
    }
    return 0;
}

int policy_values_check(const struct policy_settings *settings, const char *digest,
                        const char *where, struct diag *diag)
{
    int status = 0;

    if (settings->protocols != NULL && check_protocols(settings->protocols, where, diag) != 0)
        status = -1;
    if (settings->exclude != NULL && check_exclude(settings->exclude, where, diag) != 0)
        status = -1;
    if (settings->match != NULL && check_match(settings->match, digest, where, diag) != 0)
        status = -1;
    if (settings->curves != NULL && check_not_empty("curves", settings->curves, where, diag) != 0)
        status = -1;
    if (settings->cipherlist != NULL &&
        check_not_empty("cipherlist", settings->cipherlist, where, diag) != 0)
        status = -1;
    return status;
}
