/* key_rules.c: see key_rules.h. */
#include "tls/key_rules.h"

#include <string.h>

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

#include "tls/library.h"

#define RANDOM_SIZE 32
#define NAMED_CURVE 3 /* ECCurveType, RFC 8422 section 5.4 */
#define BLANKS 64

static const struct tls_signature_rule rules[] = {
    {SSL_SIGN_RSA_PKCS1_MD5_SHA1, EVP_PKEY_RSA, EVP_md5_sha1, 0, false, true, false},
    {SSL_SIGN_RSA_PKCS1_SHA1, EVP_PKEY_RSA, EVP_sha1, 0, false, true, false},
    {SSL_SIGN_RSA_PKCS1_SHA256, EVP_PKEY_RSA, EVP_sha256, 0, false, true, false},
    {SSL_SIGN_RSA_PKCS1_SHA384, EVP_PKEY_RSA, EVP_sha384, 0, false, true, false},
    {SSL_SIGN_RSA_PKCS1_SHA512, EVP_PKEY_RSA, EVP_sha512, 0, false, true, false},
    {SSL_SIGN_RSA_PSS_RSAE_SHA256, EVP_PKEY_RSA, EVP_sha256, 0, true, true, true},
    {SSL_SIGN_RSA_PSS_RSAE_SHA384, EVP_PKEY_RSA, EVP_sha384, 0, true, true, true},
    {SSL_SIGN_RSA_PSS_RSAE_SHA512, EVP_PKEY_RSA, EVP_sha512, 0, true, true, true},
    {SSL_SIGN_ECDSA_SHA1, EVP_PKEY_EC, EVP_sha1, 0, false, true, false},
    {SSL_SIGN_ECDSA_SECP256R1_SHA256, EVP_PKEY_EC, EVP_sha256, NID_X9_62_prime256v1, false, true,
     true},
    {SSL_SIGN_ECDSA_SECP384R1_SHA384, EVP_PKEY_EC, EVP_sha384, NID_secp384r1, false, true, true},
    {SSL_SIGN_ECDSA_SECP521R1_SHA512, EVP_PKEY_EC, EVP_sha512, NID_secp521r1, false, true, true},
    {SSL_SIGN_ED25519, EVP_PKEY_ED25519, NULL, 0, false, true, true},
#ifdef SSL_SIGN_ML_DSA_44
    {SSL_SIGN_ML_DSA_44, EVP_PKEY_ML_DSA_44, NULL, 0, false, false, true},
    {SSL_SIGN_ML_DSA_65, EVP_PKEY_ML_DSA_65, NULL, 0, false, false, true},
    {SSL_SIGN_ML_DSA_87, EVP_PKEY_ML_DSA_87, NULL, 0, false, false, true},
#endif
};

/* ServerECDHParams with a group that BoringSSL has, of the right size. */
static bool is_exchange(CBS params)
{
    static const struct {
        uint16_t group;
        size_t point;
    } groups[] = {{21, 57}, {23, 65}, {24, 97}, {25, 133}, {29, 32}};
    uint8_t type;
    uint16_t group;
    CBS point;
    if (!CBS_get_u8(&params, &type) || type != NAMED_CURVE || !CBS_get_u16(&params, &group) ||
        !CBS_get_u8_length_prefixed(&params, &point) || CBS_len(&params) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (groups[i].group == group) {
            return groups[i].point == CBS_len(&point);
        }
    }
    return false;
}

/* With the hash of a cipher suite's transcript: SHA-256 or SHA-384. */
static bool is_certificate_verify(CBS input)
{
    static const char context[] = "TLS 1.3, server CertificateVerify"; /* with its NUL */
    CBS blanks, text;
    if (!CBS_get_bytes(&input, &blanks, BLANKS) || !CBS_get_bytes(&input, &text, sizeof context) ||
        !CBS_mem_equal(&text, (const uint8_t *)context, sizeof context)) {
        return false;
    }
    for (size_t i = 0; i < BLANKS; i++) {
        if (CBS_data(&blanks)[i] != ' ') {
            return false;
        }
    }
    return CBS_len(&input) == 32 || CBS_len(&input) == 48;
}

enum tls_signed_form tls_signed_form(const uint8_t *input, size_t length)
{
    CBS all, params;
    CBS_init(&all, input, length);
    params = all;
    if (is_certificate_verify(all)) {
        return TLS_SIGNED_CERTIFICATE_VERIFY;
    }
    return CBS_skip(&params, 2 * (size_t)RANDOM_SIZE) && is_exchange(params) ? TLS_SIGNED_EXCHANGE
                                                                             : TLS_SIGNED_NOTHING;
}

/* Has an RSA key of this size room for the signature? RFC 8017 sections 9.1.1 and 9.2. */
static bool has_room(const EVP_PKEY *key, const struct tls_signature_rule *rule)
{
    size_t size = (size_t)EVP_PKEY_size(key);
    size_t hash = EVP_MD_size(rule->md());
    return size >= (rule->pss ? 2 * hash + 2 : hash + 19 + 11);
}

const struct tls_signature_rule *tls_signature_rule(const EVP_PKEY *key, uint16_t scheme,
                                                    enum tls_signed_form form)
{
    bool tls13 = form == TLS_SIGNED_CERTIFICATE_VERIFY;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct tls_signature_rule *rule = &rules[i];
        if (rule->scheme != scheme) {
            continue;
        }
        if (form == TLS_SIGNED_NOTHING || EVP_PKEY_id(key) != rule->key_type ||
            !(tls13 ? rule->in_tls13 : rule->before_tls13) ||
            (rule->key_type == EVP_PKEY_RSA && !has_room(key, rule))) {
            return NULL;
        }
        const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
        bool curve_fits =
            !tls13 || rule->curve == 0 ||
            (ec != NULL && EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) == rule->curve);
        return curve_fits ? rule : NULL;
    }
    return NULL;
}
