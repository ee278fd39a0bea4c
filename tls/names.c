/* names.c: see names.h. One row is one group. */
#include "tls/names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/obj.h>

#include "tls/library.h"

static const struct group {
    uint16_t id;         /* RFC 8446 section 4.2.7 */
    const char *library; /* what BoringSSL reads */
    const char *printed; /* what OpenSSL 3 prints */
    const char *alias;   /* what else OpenSSL reads; NULL if nothing */
} groups[] = {
    {0x0015, "P-224", "secp224r1", NULL},
    {0x0017, "P-256", "secp256r1", "prime256v1"},
    {0x0018, "P-384", "secp384r1", NULL},
    {0x0019, "P-521", "secp521r1", NULL},
    {0x001d, "X25519", "x25519", NULL},
    {0x0202, "MLKEM1024", "MLKEM1024", NULL},
    {0x11ec, "X25519MLKEM768", "X25519MLKEM768", NULL},
    {0x4138, "CECPQ2", "CECPQ2", NULL},
};

#define GROUP_COUNT (sizeof groups / sizeof groups[0])

const char *tls_group_library_name(const char *spelling)
{
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        const struct group *group = &groups[i];
        if (strcasecmp(spelling, group->library) == 0 ||
            strcasecmp(spelling, group->printed) == 0 ||
            (group->alias != NULL && strcasecmp(spelling, group->alias) == 0)) {
            return group->library;
        }
    }
    return NULL;
}

uint16_t tls_group_id(const char *library_name)
{
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        if (strcmp(library_name, groups[i].library) == 0) {
            return groups[i].id;
        }
    }
    return 0;
}

bool tls_group_is_foreign(const char *spelling)
{
    static const char *const prefixes[] = {
        "X448", "ffdhe", "brainpoolP", "sect",  "secp",  "prime",       "c2pnb",  "c2tnb",
        "wap-", "MLKEM", "curveSM2",   "GC256", "GC512", "X25519Kyber", "Oakley",
    };
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncasecmp(spelling, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

const char *tls_group_printed_name(uint16_t group_id)
{
    if (group_id == 0) {
        return "";
    }
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        if (groups[i].id == group_id) {
            return groups[i].printed;
        }
    }
    const char *name = SSL_get_curve_name(group_id);
    return name != NULL ? name : "unknown";
}

/* "prime256v1" for an EC key, NULL for others. */
static const char *curve_of_key(const EVP_PKEY *key)
{
    const EC_KEY *ec = key != NULL ? EVP_PKEY_get0_EC_KEY(key) : NULL;
    const EC_GROUP *group = ec != NULL ? EC_KEY_get0_group(ec) : NULL;
    return group != NULL ? OBJ_nid2sn(EC_GROUP_get_curve_name(group)) : NULL;
}

void tls_signature_name(uint16_t scheme, const EVP_PKEY *key, char out[TLS_SIGNATURE_NAME_MAX])
{
    const size_t size = TLS_SIGNATURE_NAME_MAX;
    switch (SSL_get_signature_algorithm_key_type(scheme)) {
    case EVP_PKEY_RSA: {
        const char *name = SSL_is_signature_algorithm_rsa_pss(scheme) ? "RSA-PSS" : "RSA";
        int bits = key != NULL ? EVP_PKEY_bits(key) : 0;
        snprintf(out, size, bits > 0 ? "%s (%d bits)" : "%s", name, bits);
        break;
    }
    case EVP_PKEY_EC: {
        const char *curve = curve_of_key(key);
        snprintf(out, size, curve != NULL ? "ECDSA (%s)" : "ECDSA", curve);
        break;
    }
    case EVP_PKEY_ED25519:
        snprintf(out, size, "ED25519");
        break;
    default: {
        const char *name = SSL_get_signature_algorithm_name(scheme, 0);
        snprintf(out, size, "%s", name != NULL ? name : "");
        break;
    }
    }
}

const char *tls_signature_digest(uint16_t scheme)
{
    const EVP_MD *digest = SSL_get_signature_algorithm_digest(scheme);
    const char *name = digest != NULL ? OBJ_nid2sn(EVP_MD_type(digest)) : NULL;
    return name != NULL ? name : "";
}
