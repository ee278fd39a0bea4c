/* handshake_offer.c: tls_context_offer of handshake_reason.h. */
#include <string.h>

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

#include "tls/context_private.h"
#include "tls/handshake_reason.h"
#include "tls/hello_view.h"
#include "tls/name_match.h"
#include "tls/sni.h"
#include "tls/sni_maps.h"

/* The bit of KEY. */
static unsigned key_kind(const EVP_PKEY *key)
{
    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
        return TLS_KEYS_RSA;
    case EVP_PKEY_ED25519:
        return TLS_KEYS_ED25519;
    case EVP_PKEY_EC:
        break;
    default:
        return 0;
    }
    switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)))) {
    case NID_X9_62_prime256v1:
        return TLS_KEYS_P256;
    case NID_secp384r1:
        return TLS_KEYS_P384;
    case NID_secp521r1:
        return TLS_KEYS_P521;
    default:
        return 0;
    }
}

/* The credentials for the name that HELLO asks for, or CREDENTIALS themselves. */
static const struct tls_credentials *for_name(const struct tls_credentials *credentials,
                                              const uint8_t *hello, size_t length)
{
    struct hello_view view;
    const char *why;
    char name[256];
    if (credentials->sni == NULL || hello == NULL || !hello_view_read(&view, hello, length, &why) ||
        CBS_len(&view.server_name) == 0 || CBS_len(&view.server_name) >= sizeof name ||
        CBS_contains_zero_byte(&view.server_name)) {
        return credentials;
    }
    memcpy(name, CBS_data(&view.server_name), CBS_len(&view.server_name));
    name[CBS_len(&view.server_name)] = '\0';
    const struct tls_credentials *found =
        tls_sni_is_host_name(name) ? tls_sni_find(credentials->sni, name) : NULL;
    return found != NULL ? found : credentials;
}

void tls_context_offer(const struct tls_context *context, const uint8_t *hello, size_t length,
                       const char *place, struct tls_offer *offer)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context->ssl);
    *offer = (struct tls_offer){.place = place,
                                .min_version = SSL_CTX_get_min_proto_version(context->ssl),
                                .max_version = SSL_CTX_get_max_proto_version(context->ssl)};
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        if (offer->suite_count < TLS_OFFER_SUITES_MAX) {
            offer->suites[offer->suite_count++] = SSL_CIPHER_get_protocol_id(cipher);
        }
    }
    for (size_t i = 0; i < context->groups.count && i < TLS_OFFER_GROUPS_MAX; i++) {
        offer->groups[offer->group_count++] = context->groups.ids[i];
    }
    const struct tls_credentials *credentials = for_name(context->credentials, hello, length);
    for (size_t i = 0; i < credentials->count; i++) {
        offer->keys |= key_kind(credentials->items[i].key);
    }
}
