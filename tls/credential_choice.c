/*
 * credential_choice.c: see credential_choice.h.
 *
 * Without SSL_CREDENTIAL a context has room for one chain. Then, before anything of the ClientHello
 * has been acted upon, the first credential is found with which the handshake can succeed: the
 * version that will be negotiated, signature_algorithms (RFC 8446 section 4.2.3), supported_groups
 * (RFC 8422 section 5.1.1) and, up to TLS 1.2, the cipher suites both sides have. With
 * SSL_CREDENTIAL the library does this; what it does not do in either form is to let the server's
 * order of suites decide between certificates (tls_preempt_cipherlist), as OpenSSL does.
 */
#include "tls/credential_choice.h"

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pool.h>

#include "tls/hello_offer.h"
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
    return context->credentials->sni != NULL || context->credentials->count > 1;
}

/* Add those of CREDENTIALS that are RSA, or those that are not. */
static bool add(SSL *ssl, const struct tls_credentials *credentials, bool rsa)
{
    bool good = true;
    for (size_t i = 0; good && i < credentials->count; i++) {
        if ((EVP_PKEY_id(credentials->items[i].key) == EVP_PKEY_RSA) == rsa) {
            good = SSL_add1_credential(ssl, credentials->items[i].made) == 1;
        }
    }
    return good;
}

bool tls_credentials_present(const struct tls_context *context,
                             const struct tls_credentials *credentials,
                             const SSL_CLIENT_HELLO *hello)
{
    struct hello_offer offer;
    hello_offer_read(&offer, hello, &context->groups);
    bool rsa_first = hello_offer_leads_with_rsa(&offer);
    if (credentials == context->credentials && !rsa_first) {
        return true; /* they are the context's, in their own order: RSA last */
    }
    SSL_certs_clear(hello->ssl);
    return add(hello->ssl, credentials, rsa_first) && add(hello->ssl, credentials, !rsa_first);
}

#else

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

static bool ecdsa_is_usable(const struct hello_offer *offer, const EVP_PKEY *key)
{
    static const uint16_t any_ecdsa[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256,
                                         SSL_SIGN_ECDSA_SECP384R1_SHA384,
                                         SSL_SIGN_ECDSA_SECP521R1_SHA512, SSL_SIGN_ECDSA_SHA1, 0};
    uint16_t group, scheme;
    curve_numbers(key, &group, &scheme);
    if (offer->version >= TLS1_3_VERSION) {
        return scheme != 0 && hello_list_has(offer->schemes, scheme);
    }
    if (offer->version == TLS1_2_VERSION && offer->has_schemes &&
        !hello_list_has_any(offer->schemes, any_ecdsa)) {
        return false;
    }
    return hello_list_has(offer->groups, group) && hello_offer_has_suite(offer, NID_auth_ecdsa);
}

static bool ed25519_is_usable(const struct hello_offer *offer)
{
    if (offer->version < TLS1_2_VERSION || !hello_list_has(offer->schemes, SSL_SIGN_ED25519)) {
        return false;
    }
    return offer->version >= TLS1_3_VERSION || hello_offer_has_suite(offer, NID_auth_ecdsa);
}

static bool rsa_is_usable(const struct hello_offer *offer)
{
    static const uint16_t pss[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384,
                                   SSL_SIGN_RSA_PSS_RSAE_SHA512, 0};
    if (offer->version >= TLS1_3_VERSION) {
        return hello_list_has_any(offer->schemes, pss);
    }
    return hello_offer_has_suite(offer, NID_auth_rsa);
}

static bool is_usable(const struct hello_offer *offer, const struct tls_credential *credential)
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

/* The first credential that is usable; an RSA one before it where the server's order of suites says
 * so. */
static size_t choose(const struct hello_offer *offer, const struct tls_credentials *credentials)
{
    size_t chosen = 0;
    for (size_t i = 0; hello_offer_leads_with_rsa(offer) && i < credentials->count; i++) {
        if (EVP_PKEY_id(credentials->items[i].key) == EVP_PKEY_RSA) {
            return i;
        }
    }
    while (chosen + 1 < credentials->count && !is_usable(offer, &credentials->items[chosen])) {
        chosen++;
    }
    return chosen;
}

/* If none will do, the last (RSA, if there is one) is as good as any for the library to fail with.
 */
bool tls_credentials_present(const struct tls_context *context,
                             const struct tls_credentials *credentials,
                             const SSL_CLIENT_HELLO *hello)
{
    struct hello_offer offer;
    hello_offer_read(&offer, hello, &context->groups);
    size_t chosen = choose(&offer, credentials);
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
