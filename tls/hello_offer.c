#include "tls/hello_offer.h"

#include <openssl/nid.h>

bool hello_list_has(CBS list, uint16_t wanted)
{
    uint16_t value;
    while (CBS_get_u16(&list, &value)) {
        if (value == wanted) {
            return true;
        }
    }
    return false;
}

bool hello_list_has_any(CBS list, const uint16_t *wanted)
{
    for (; *wanted != 0; wanted++) {
        if (hello_list_has(list, *wanted)) {
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
static bool has_common_group(const struct hello_offer *offer, const struct tls_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        if (hello_list_has(offer->groups, groups->ids[i])) {
            return true;
        }
    }
    return false;
}

/* The first suite of the server's list, up to TLS 1.2, that both sides can use and that is
 * authenticated by keys of type AUTH_NID (NID_undef: any); NULL if there is none. */
static const SSL_CIPHER *first_suite(const struct hello_offer *offer, int auth_nid)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_get_ciphers(offer->hello->ssl);
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        if ((auth_nid == NID_undef || SSL_CIPHER_get_auth_nid(cipher) == auth_nid) &&
            SSL_CIPHER_get_min_version(cipher) <= offer->version &&
            (offer->has_group || SSL_CIPHER_get_kx_nid(cipher) != NID_kx_ecdhe) &&
            hello_list_has(offer->suites, SSL_CIPHER_get_protocol_id(cipher))) {
            return cipher;
        }
    }
    return NULL;
}

bool hello_offer_has_suite(const struct hello_offer *offer, int auth_nid)
{
    return first_suite(offer, auth_nid) != NULL;
}

bool hello_offer_leads_with_rsa(const struct hello_offer *offer)
{
    if (offer->version >= TLS1_3_VERSION ||
        (SSL_get_options(offer->hello->ssl) & SSL_OP_CIPHER_SERVER_PREFERENCE) == 0) {
        return false;
    }
    const SSL_CIPHER *first = first_suite(offer, NID_undef);
    return first != NULL && SSL_CIPHER_get_auth_nid(first) == NID_auth_rsa;
}

void hello_offer_read(struct hello_offer *offer, const SSL_CLIENT_HELLO *hello,
                      const struct tls_groups *groups)
{
    *offer = (struct hello_offer){.hello = hello, .version = common_version(hello)};
    offer->has_schemes = extension_list(hello, TLSEXT_TYPE_signature_algorithms, &offer->schemes);
    extension_list(hello, TLSEXT_TYPE_supported_groups, &offer->groups);
    offer->has_group = has_common_group(offer, groups);
    CBS_init(&offer->suites, hello->cipher_suites, hello->cipher_suites_len);
}
