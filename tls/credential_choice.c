/*
 * credential_choice.c: see credential_choice.h.
 *
 * Without SSL_CREDENTIAL a context has room for one chain. Then, before anything of the ClientHello
 * has been acted upon, the first credential is found with which the handshake can succeed: the
 * version that will be negotiated, signature_algorithms (RFC 8446 section 4.2.3), supported_groups
 * (RFC 8422 section 5.1.1) and, up to TLS 1.2, the cipher suites both sides have.
 */
#include "tls/credential_choice.h"

#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pool.h>

#include "tls/key_use.h"
#include "tls/sni.h"

#ifdef HAVE_SSL_CREDENTIAL_new_x509

/* Make the library's form of CREDENTIAL, unless it is there. METHOD: see tls_key_method. */
static bool make(struct tls_credential *credential, const SSL_PRIVATE_KEY_METHOD *method)
{
    if (credential->made != NULL) {
        return true;
    }
    SSL_CREDENTIAL *made = SSL_CREDENTIAL_new_x509();
    if (made == NULL ||
        SSL_CREDENTIAL_set1_cert_chain(made, credential->chain, credential->chain_length) != 1 ||
        (method != NULL ? SSL_CREDENTIAL_set_private_key_method(made, method)
                        : SSL_CREDENTIAL_set1_private_key(made, credential->key)) != 1 ||
        (credential->ocsp != NULL &&
         SSL_CREDENTIAL_set1_ocsp_response(made, credential->ocsp) != 1)) {
        SSL_CREDENTIAL_free(made);
        return false;
    }
    credential->made = made;
    return true;
}

/* The same for all of CREDENTIALS. */
static bool make_all(struct tls_credentials *credentials)
{
    bool good = true;
    for (size_t i = 0; good && i < credentials->count; i++) {
        good = make(&credentials->items[i], tls_key_method(credentials));
    }
    return good;
}

bool tls_credentials_install(struct tls_context *context)
{
    struct tls_credentials *credentials = context->credentials;
    bool good = make_all(credentials);
    for (size_t i = 0; good && i < credentials->count; i++) {
        good = SSL_CTX_add1_credential(context->ssl, credentials->items[i].made) == 1;
    }
    for (size_t i = 0; good && credentials->sni != NULL && i < credentials->sni->set_count; i++) {
        good = make_all(credentials->sni->sets[i].credentials);
    }
    return good;
}

bool tls_credentials_need_hello(const struct tls_context *context)
{
    return context->credentials->sni != NULL;
}

bool tls_credentials_present(const struct tls_context *context,
                             const struct tls_credentials *credentials,
                             const SSL_CLIENT_HELLO *hello)
{
    if (credentials == context->credentials) {
        return true; /* they are the context's */
    }
    bool good = true;
    SSL_certs_clear(hello->ssl);
    for (size_t i = 0; good && i < credentials->count; i++) {
        good = SSL_add1_credential(hello->ssl, credentials->items[i].made) == 1;
    }
    return good;
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

bool tls_credentials_need_hello(const struct tls_context *context)
{
    return context->credentials->sni != NULL || context->credentials->count > 1;
}

/* If none will do, the last (RSA, if there is one) is as good as any for the library to fail with.
 */
bool tls_credentials_present(const struct tls_context *context,
                             const struct tls_credentials *credentials,
                             const SSL_CLIENT_HELLO *hello)
{
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
    const SSL_PRIVATE_KEY_METHOD *method = tls_key_method(credentials);
    tls_key_use_choose(hello->ssl, credential);
    return SSL_set_chain_and_key(hello->ssl, credential->chain, credential->chain_length,
                                 method == NULL ? credential->key : NULL, method) == 1 &&
           (credential->ocsp == NULL ||
            SSL_set_ocsp_response(hello->ssl, CRYPTO_BUFFER_data(credential->ocsp),
                                  CRYPTO_BUFFER_len(credential->ocsp)) == 1);
}

/* The response goes to the context only if no other credential can take the place of the one it is
 * for: a connection cannot get rid of it. */
bool tls_credentials_install(struct tls_context *context)
{
    const struct tls_credentials *credentials = context->credentials;
    const struct tls_credential *fallback = &credentials->items[credentials->count - 1];
    const SSL_PRIVATE_KEY_METHOD *method = tls_key_method(credentials);
    return SSL_CTX_set_chain_and_key(context->ssl, fallback->chain, fallback->chain_length,
                                     method == NULL ? fallback->key : NULL, method) == 1 &&
           (fallback->ocsp == NULL || tls_credentials_need_hello(context) ||
            SSL_CTX_set_ocsp_response(context->ssl, CRYPTO_BUFFER_data(fallback->ocsp),
                                      CRYPTO_BUFFER_len(fallback->ocsp)) == 1);
}

#endif
