/*
 * credential_choice.c: see credential_choice.h.
 *
 * Without SSL_CREDENTIAL a context has room for one chain. Then a callback, run before anything of
 * the ClientHello has been acted upon, finds the first credential with which the handshake can
 * succeed: the version that will be negotiated, signature_algorithms (RFC 8446 section 4.2.3),
 * supported_groups (RFC 8422 section 5.1.1) and, up to TLS 1.2, the cipher suites both sides have.
 */
#include "tls/credential_choice.h"

#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

#ifdef HAVE_SSL_CREDENTIAL_new_x509

/* Add one credential to CONTEXT, behind those already there. */
static bool install_one(SSL_CTX *context, const struct tls_credential *credential)
{
    SSL_CREDENTIAL *item = SSL_CREDENTIAL_new_x509();
    bool good =
        item != NULL &&
        SSL_CREDENTIAL_set1_cert_chain(item, credential->chain, credential->chain_length) == 1 &&
        SSL_CREDENTIAL_set1_private_key(item, credential->key) == 1 &&
        SSL_CTX_add1_credential(context, item) == 1;
    SSL_CREDENTIAL_free(item);
    return good;
}

bool tls_credentials_install(struct tls_context *context)
{
    for (size_t i = 0; i < context->credentials->count; i++) {
        if (!install_one(context->ssl, &context->credentials->items[i])) {
            return false;
        }
    }
    return true;
}

#else

/* What of a ClientHello decides. The lists are of 16-bit numbers, empty if the extension is absent;
 * a malformed one counts as absent: the library will refuse it right after. */
struct offer {
    const SSL_CLIENT_HELLO *hello;
    uint16_t version; /* to be negotiated; 0 if there is none in common */
    CBS schemes;
    bool has_schemes;
    CBS groups;
    bool has_group; /* one for key exchange in common */
    CBS suites;
};

static bool list_has(CBS list, uint16_t wanted)
{
    uint16_t value;
    while (CBS_get_u16(&list, &value)) {
        if (value == wanted) {
            return true;
        }
    }
    return false;
}

static bool list_has_any(CBS list, const uint16_t *wanted)
{
    for (; *wanted != 0; wanted++) {
        if (list_has(list, *wanted)) {
            return true;
        }
    }
    return false;
}

/* Set LIST to the 16-bit list that extension TYPE holds. */
static bool extension_list(const SSL_CLIENT_HELLO *hello, uint16_t type, CBS *list)
{
    const uint8_t *data;
    size_t length;
    CBS contents;
    CBS_init(list, NULL, 0);
    if (!SSL_early_callback_ctx_extension_get(hello, type, &data, &length)) {
        return false;
    }
    CBS_init(&contents, data, length);
    return CBS_get_u16_length_prefixed(&contents, list) != 0;
}

/* The version that the library will negotiate, or 0. */
static uint16_t common_version(const SSL_CLIENT_HELLO *hello)
{
    uint16_t lowest = SSL_get_min_proto_version(hello->ssl);
    uint16_t highest = SSL_get_max_proto_version(hello->ssl);
    uint16_t best = 0, version;
    const uint8_t *data;
    size_t length;
    CBS contents, list;
    if (SSL_early_callback_ctx_extension_get(hello, TLSEXT_TYPE_supported_versions, &data,
                                             &length)) {
        CBS_init(&contents, data, length);
        if (!CBS_get_u8_length_prefixed(&contents, &list)) {
            return 0;
        }
        while (CBS_get_u16(&list, &version)) {
            if (version >= lowest && version <= highest && version > best) {
                best = version;
            }
        }
        return best;
    }
    version = hello->version > TLS1_2_VERSION ? TLS1_2_VERSION : hello->version;
    version = version > highest ? highest : version;
    return version >= lowest ? version : 0;
}

/* Is there a group in common? Without any, suites with ECDHE cannot be used. */
static bool has_common_group(const struct offer *offer, const struct tls_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        if (list_has(offer->groups, groups->ids[i])) {
            return true;
        }
    }
    return false;
}

/* Is there a suite in common that is authenticated by keys of type AUTH_NID? */
static bool has_common_suite(const struct offer *offer, int auth_nid)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_get_ciphers(offer->hello->ssl);
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        if (SSL_CIPHER_get_auth_nid(cipher) == auth_nid &&
            SSL_CIPHER_get_min_version(cipher) <= offer->version &&
            (offer->has_group || SSL_CIPHER_get_kx_nid(cipher) != NID_kx_ecdhe) &&
            list_has(offer->suites, SSL_CIPHER_get_protocol_id(cipher))) {
            return true;
        }
    }
    return false;
}

/* Group and TLS 1.3 signature scheme of an EC key. */
static void curve_numbers(const EVP_PKEY *key, uint16_t *group, uint16_t *scheme)
{
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(ec))) {
    case NID_X9_62_prime256v1:
        *group = SSL_CURVE_SECP256R1;
        *scheme = SSL_SIGN_ECDSA_SECP256R1_SHA256;
        break;
    case NID_secp384r1:
        *group = SSL_CURVE_SECP384R1;
        *scheme = SSL_SIGN_ECDSA_SECP384R1_SHA384;
        break;
    case NID_secp521r1:
        *group = SSL_CURVE_SECP521R1;
        *scheme = SSL_SIGN_ECDSA_SECP521R1_SHA512;
        break;
    default:
        *group = 0;
        *scheme = 0;
    }
}

static bool ecdsa_is_usable(const struct offer *offer, const EVP_PKEY *key)
{
    static const uint16_t any_ecdsa[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256,
                                         SSL_SIGN_ECDSA_SECP384R1_SHA384,
                                         SSL_SIGN_ECDSA_SECP521R1_SHA512, SSL_SIGN_ECDSA_SHA1, 0};
    uint16_t group, scheme;
    curve_numbers(key, &group, &scheme);
    if (offer->version >= TLS1_3_VERSION) {
        return scheme != 0 && list_has(offer->schemes, scheme);
    }
    if (offer->version == TLS1_2_VERSION && offer->has_schemes &&
        !list_has_any(offer->schemes, any_ecdsa)) {
        return false;
    }
    return list_has(offer->groups, group) && has_common_suite(offer, NID_auth_ecdsa);
}

static bool ed25519_is_usable(const struct offer *offer)
{
    if (offer->version < TLS1_2_VERSION || !list_has(offer->schemes, SSL_SIGN_ED25519)) {
        return false;
    }
    return offer->version >= TLS1_3_VERSION || has_common_suite(offer, NID_auth_ecdsa);
}

static bool rsa_is_usable(const struct offer *offer)
{
    static const uint16_t pss[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384,
                                   SSL_SIGN_RSA_PSS_RSAE_SHA512, 0};
    if (offer->version >= TLS1_3_VERSION) {
        return list_has_any(offer->schemes, pss);
    }
    return has_common_suite(offer, NID_auth_rsa);
}

static bool is_usable(const struct offer *offer, const struct tls_credential *credential)
{
    switch (EVP_PKEY_id(credential->key)) {
    case EVP_PKEY_EC:
        return ecdsa_is_usable(offer, credential->key);
    case EVP_PKEY_ED25519:
        return ed25519_is_usable(offer);
    case EVP_PKEY_RSA:
        return rsa_is_usable(offer);
    default:
        return false;
    }
}

/* The callback: give this connection its chain. If none will do, the last (RSA, if there is one) is
 * as good as any for the library to fail with. */
static enum ssl_select_cert_result_t select_certificate(const SSL_CLIENT_HELLO *hello)
{
    const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(hello->ssl));
    const struct tls_credentials *credentials = context->credentials;
    struct offer offer = {.hello = hello, .version = common_version(hello)};
    offer.has_schemes = extension_list(hello, TLSEXT_TYPE_signature_algorithms, &offer.schemes);
    extension_list(hello, TLSEXT_TYPE_supported_groups, &offer.groups);
    offer.has_group = has_common_group(&offer, &context->groups);
    CBS_init(&offer.suites, hello->cipher_suites, hello->cipher_suites_len);
    size_t chosen = 0;
    while (chosen + 1 < credentials->count && !is_usable(&offer, &credentials->items[chosen])) {
        chosen++;
    }
    const struct tls_credential *credential = &credentials->items[chosen];
    return SSL_set_chain_and_key(hello->ssl, credential->chain, credential->chain_length,
                                 credential->key, NULL) == 1
               ? ssl_select_cert_success
               : ssl_select_cert_error;
}

bool tls_credentials_install(struct tls_context *context)
{
    const struct tls_credentials *credentials = context->credentials;
    const struct tls_credential *fallback = &credentials->items[credentials->count - 1];
    if (credentials->count > 1) {
        SSL_CTX_set_app_data(context->ssl, (char *)context);
        SSL_CTX_set_select_certificate_cb(context->ssl, select_certificate);
    }
    return SSL_CTX_set_chain_and_key(context->ssl, fallback->chain, fallback->chain_length,
                                     fallback->key, NULL) == 1;
}

#endif
