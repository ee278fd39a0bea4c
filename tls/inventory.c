/* inventory.c: see inventory.h; certificates are in inventory_chain.c. */
#include "tls/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/aead.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

#include "policy/text.h"
#include "tls/context_private.h"
#include "tls/inventory_chain.h"
#include "tls/names.h"
#include "tls/sni.h"

/* What kinds of keys there are. */
struct key_kinds {
    bool rsa, ec, ed25519;
};

static void note_keys(struct key_kinds *kinds, const struct tls_credentials *credentials)
{
    for (size_t i = 0; i < credentials->count; i++) {
        int type = EVP_PKEY_id(credentials->items[i].key);
        kinds->rsa = kinds->rsa || type == EVP_PKEY_RSA;
        kinds->ec = kinds->ec || type == EVP_PKEY_EC;
        kinds->ed25519 = kinds->ed25519 || type == EVP_PKEY_ED25519;
    }
}

/* The kinds of all keys, for whatever name. */
static struct key_kinds all_keys(const struct tls_context *context)
{
    const struct tls_sni_table *sni = context->credentials->sni;
    struct key_kinds kinds = {false, false, false};
    note_keys(&kinds, context->credentials);
    for (size_t i = 0; sni != NULL && i < sni->set_count; i++) {
        note_keys(&kinds, sni->sets[i].credentials);
    }
    return kinds;
}

/* Is there a group that TLS 1.2 can use? The post-quantum ones are for TLS 1.3 only. */
static bool has_classical_group(const struct tls_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        uint16_t id = groups->ids[i];
        if (id >= SSL_CURVE_SECP256R1 - 2 && id <= SSL_CURVE_X25519) {
            return true;
        }
    }
    return false;
}

/* Can a handshake with this suite succeed? */
static bool is_usable(const struct tls_context *context, const struct tls_inventory *inventory,
                      const struct tls_inventory_suite *suite)
{
    struct key_kinds kinds = all_keys(context);
    uint16_t highest =
        suite->max_version < inventory->max_version ? suite->max_version : inventory->max_version;
    if (highest < suite->min_version || highest < inventory->min_version) {
        return false;
    }
    if (suite->forward_secrecy && suite->max_version < TLS1_3_VERSION &&
        !has_classical_group(&context->groups)) {
        return false;
    }
    if (suite->needs_rsa) {
        return kinds.rsa;
    }
    return !suite->needs_ecdsa || kinds.ec || (kinds.ed25519 && highest >= TLS1_2_VERSION);
}

/* Append what the library says of CIPHER. */
static void add_suite(const struct tls_context *context, struct tls_inventory *inventory,
                      const SSL_CIPHER *cipher, unsigned group)
{
    struct tls_inventory_suite *suite = &inventory->suites[inventory->suite_count++];
    int exchange = SSL_CIPHER_get_kx_nid(cipher), auth = SSL_CIPHER_get_auth_nid(cipher);
    snprintf(suite->name, sizeof suite->name, "%s", SSL_CIPHER_get_name(cipher));
    snprintf(suite->standard_name, sizeof suite->standard_name, "%s",
             SSL_CIPHER_standard_name(cipher));
    suite->id = SSL_CIPHER_get_protocol_id(cipher);
    suite->bits = SSL_CIPHER_get_bits(cipher, NULL);
    suite->min_version = SSL_CIPHER_get_min_version(cipher);
    suite->max_version = SSL_CIPHER_get_max_version(cipher);
    suite->forward_secrecy = exchange == NID_kx_ecdhe || exchange == NID_kx_any;
    suite->aead = SSL_CIPHER_is_aead(cipher) != 0;
    suite->needs_rsa = auth == NID_auth_rsa;
    suite->needs_ecdsa = auth == NID_auth_ecdsa;
    suite->group = group;
    suite->usable = is_usable(context, inventory, suite);
}

/* The suites of TLS 1.3, which cannot be configured: the client's order counts, but without
 * hardware for AES ChaCha20 comes first. Returns the next group number. */
static unsigned add_tls13(const struct tls_context *context, struct tls_inventory *inventory)
{
    static const uint16_t for_hardware[] = {0x1301, 0x1302, 0x1303};
    static const uint16_t without[] = {0x1303, 0x1301, 0x1302};
    bool hardware = EVP_has_aes_hardware() != 0;
    unsigned group = 0;
    for (size_t i = 0; i < 3 && inventory->max_version >= TLS1_3_VERSION; i++) {
        const SSL_CIPHER *cipher = SSL_get_cipher_by_value(hardware ? for_hardware[i] : without[i]);
        if (cipher != NULL) {
            add_suite(context, inventory, cipher, hardware || i == 0 ? 0 : 1);
            group = inventory->suites[inventory->suite_count - 1].group + 1;
        }
    }
    return group;
}

/* All suites. */
static void add_suites(const struct tls_context *context, struct tls_inventory *inventory)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context->ssl);
    inventory->suites = text_alloc(sk_SSL_CIPHER_num(ciphers) + 3, sizeof *inventory->suites);
    unsigned group = add_tls13(context, inventory);
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        add_suite(context, inventory, sk_SSL_CIPHER_value(ciphers, i), group);
        if (!SSL_CTX_cipher_in_group(context->ssl, i)) {
            group++;
        }
    }
}

static void add_groups(const struct tls_context *context, struct tls_inventory *inventory)
{
    inventory->groups = text_alloc(context->groups.count + 1, sizeof *inventory->groups);
    for (size_t i = 0; i < context->groups.count; i++) {
        snprintf(inventory->groups[inventory->group_count++], sizeof *inventory->groups, "%s",
                 tls_group_printed_name(context->groups.ids[i]));
    }
}

/* Append the chains of CREDENTIALS, which are for NAME. */
static void add_chains(struct tls_inventory *inventory, const struct tls_credentials *credentials,
                       const char *name)
{
    inventory->chains = text_resize(inventory->chains, inventory->chain_count + credentials->count,
                                    sizeof *inventory->chains);
    for (size_t i = 0; i < credentials->count; i++) {
        struct tls_inventory_chain *chain = &inventory->chains[inventory->chain_count++];
        tls_inventory_describe_chain(&credentials->items[i], chain);
        snprintf(chain->sni, sizeof chain->sni, "%s", name);
    }
}

struct tls_inventory *tls_inventory_new(const struct tls_context *context)
{
    struct tls_inventory *inventory = text_alloc(1, sizeof *inventory);
    const struct tls_sni_table *sni = context->credentials->sni;
    inventory->min_version = SSL_CTX_get_min_proto_version(context->ssl);
    inventory->max_version = SSL_CTX_get_max_proto_version(context->ssl);
    inventory->server_preference =
        (SSL_CTX_get_options(context->ssl) & SSL_OP_CIPHER_SERVER_PREFERENCE) != 0;
    inventory->prioritize_chacha = context->chacha_first != NULL;
    inventory->tickets = context->tickets != NULL;
    inventory->ticket_lifetime = context->session_timeout;
    add_suites(context, inventory);
    add_groups(context, inventory);
    add_chains(inventory, context->credentials, "");
    for (size_t i = 0; sni != NULL && i < sni->name_count; i++) {
        add_chains(inventory, sni->sets[sni->names[i].set].credentials, sni->names[i].name);
    }
    return inventory;
}

void tls_inventory_free(struct tls_inventory *inventory)
{
    if (inventory == NULL) {
        return;
    }
    free(inventory->suites);
    free(inventory->groups);
    free(inventory->chains);
    free(inventory);
}
