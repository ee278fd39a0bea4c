/*
 * chain_transfer.c: see chain_transfer.h. All numbers are big endian:
 *
 *   credentials: 0 (none), or 1 and the default set, or 2, the default set and the names
 *   names:       number of sets (4), sets, number of names (4), names
 *   set:         number of chains (2), each: number of certificates (1), each with its length (3);
 *                length (3) of the OCSP response, 0 for none, and the response
 *   name:        length (1), name in lower case, number of the set (4); names are sorted
 */
#include "tls/chain_transfer.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include "tls/credentials.h"
#include "tls/sni.h"

#define CHAINS_MAX 64       /* in a set */
#define CERTIFICATES_MAX 64 /* in a chain */
#define NAME_MAX_LENGTH 255
#define SET_SIZE_MIN 9 /* bytes that a set takes at least: bounds what is allocated for a count */
#define NAME_SIZE_MIN 6

/* ---- writing ---- */

static bool put_blob(CBB *out, const CRYPTO_BUFFER *blob)
{
    CBB child;
    return CBB_add_u24_length_prefixed(out, &child) &&
           (blob == NULL ||
            CBB_add_bytes(&child, CRYPTO_BUFFER_data(blob), CRYPTO_BUFFER_len(blob))) &&
           CBB_flush(out);
}

static bool put_set(CBB *out, const struct tls_credentials *set)
{
    bool good = set->count <= CHAINS_MAX && CBB_add_u16(out, (uint16_t)set->count);
    for (size_t i = 0; good && i < set->count; i++) {
        const struct tls_credential *credential = &set->items[i];
        good = credential->chain_length <= CERTIFICATES_MAX &&
               CBB_add_u8(out, (uint8_t)credential->chain_length);
        for (size_t j = 0; good && j < credential->chain_length; j++) {
            good = put_blob(out, credential->chain[j]);
        }
        good = good && put_blob(out, credential->ocsp);
    }
    return good;
}

static bool put_sni(CBB *out, const struct tls_sni_table *sni)
{
    size_t sets = sni->set_count, names = sni->name_count;
    bool good = sets <= UINT32_MAX && names <= UINT32_MAX && CBB_add_u32(out, (uint32_t)sets);
    for (size_t i = 0; good && i < sets; i++) {
        good = put_set(out, sni->sets[i].credentials);
    }
    good = good && CBB_add_u32(out, (uint32_t)names);
    for (size_t i = 0; good && i < names; i++) {
        const char *name = sni->names[i].name;
        size_t length = strlen(name);
        good = length <= NAME_MAX_LENGTH && CBB_add_u8(out, (uint8_t)length) &&
               CBB_add_bytes(out, (const uint8_t *)name, length) &&
               CBB_add_u32(out, (uint32_t)sni->names[i].set);
    }
    return good;
}

/* Append what NEW has to OUT. */
static bool append(struct tls_chain_bytes *out, const CBB *new)
{
    size_t length = CBB_len(new);
    if (length > TLS_CHAINS_MAX - out->length) {
        return false;
    }
    uint8_t *bytes = realloc(out->bytes, out->length + length);
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes + out->length, CBB_data(new), length);
    out->bytes = bytes;
    out->length += length;
    return true;
}

bool tls_chains_write(struct tls_chain_bytes *out, const struct tls_credentials *credentials)
{
    CBB cbb;
    if (!CBB_init(&cbb, 4096)) {
        return false;
    }
    const struct tls_sni_table *sni = credentials != NULL ? credentials->sni : NULL;
    uint8_t kind = credentials == NULL ? 0 : sni == NULL ? 1 : 2;
    bool good = CBB_add_u8(&cbb, kind) && (kind < 1 || put_set(&cbb, credentials)) &&
                (kind < 2 || put_sni(&cbb, sni)) && append(out, &cbb);
    CBB_cleanup(&cbb);
    ERR_clear_error();
    return good;
}

/* ---- reading ---- */

/* The public key of the certificate that is LEAF. */
static EVP_PKEY *key_of(CRYPTO_BUFFER *leaf)
{
    X509 *certificate = X509_parse_from_buffer(leaf);
    EVP_PKEY *key = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    return key;
}

/* The caller clears OUT also after a failure. */
static bool get_chain(CBS *in, struct tls_credential *out)
{
    uint8_t count;
    CBS blob;
    if (!CBS_get_u8(in, &count) || count == 0 || count > CERTIFICATES_MAX ||
        (out->chain = calloc(count, sizeof(CRYPTO_BUFFER *))) == NULL) {
        return false;
    }
    for (; out->chain_length < count; out->chain_length++) {
        if (!CBS_get_u24_length_prefixed(in, &blob) || CBS_len(&blob) == 0 ||
            (out->chain[out->chain_length] =
                 CRYPTO_BUFFER_new(CBS_data(&blob), CBS_len(&blob), NULL)) == NULL) {
            return false;
        }
    }
    if (!CBS_get_u24_length_prefixed(in, &blob) ||
        (CBS_len(&blob) > 0 &&
         (out->ocsp = CRYPTO_BUFFER_new(CBS_data(&blob), CBS_len(&blob), NULL)) == NULL)) {
        return false;
    }
    out->key = key_of(out->chain[0]);
    return out->key != NULL && tls_key_name(out->key, out->key_name);
}

static struct tls_credentials *get_set(CBS *in, struct tls_key_client *keys)
{
    uint16_t count;
    struct tls_credentials *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    set->keys = keys;
    bool good = CBS_get_u16(in, &count) && count > 0 && count <= CHAINS_MAX &&
                (set->items = calloc(count, sizeof *set->items)) != NULL;
    while (good && set->count < count) {
        good = get_chain(in, &set->items[set->count++]);
    }
    if (!good) {
        tls_credentials_free(set);
        return NULL;
    }
    return set;
}

static bool get_sets(CBS *in, struct tls_key_client *keys, struct tls_sni_table *sni)
{
    uint32_t count;
    if (!CBS_get_u32(in, &count) || count > CBS_len(in) / SET_SIZE_MIN) {
        return false;
    }
    sni->sets = calloc(count + (size_t)1, sizeof *sni->sets);
    while (sni->sets != NULL && sni->set_count < count) {
        struct tls_credentials *set = get_set(in, keys);
        if (set == NULL) {
            return false;
        }
        sni->sets[sni->set_count++].credentials = set;
    }
    return sni->sets != NULL;
}

static bool get_names(CBS *in, struct tls_sni_table *sni)
{
    uint32_t count, set;
    if (!CBS_get_u32(in, &count) || count > CBS_len(in) / NAME_SIZE_MIN) {
        return false;
    }
    sni->names = calloc(count + (size_t)1, sizeof *sni->names);
    for (size_t i = 0; sni->names != NULL && i < count; i++) {
        CBS text;
        char *name = NULL;
        if (!CBS_get_u8_length_prefixed(in, &text) || CBS_len(&text) == 0 ||
            CBS_contains_zero_byte(&text) || !CBS_get_u32(in, &set) || set >= sni->set_count ||
            !CBS_strdup(&text, &name)) {
            return false;
        }
        /* It is freed with free(3), which the library's memory is not for. */
        sni->names[i] = (struct tls_sni_name){strdup(name), set};
        OPENSSL_free(name);
        if (sni->names[i].name == NULL) {
            return false;
        }
        sni->name_count++;
        if (i > 0 && strcmp(sni->names[i - 1].name, sni->names[i].name) >= 0) {
            return false; /* they could not be found */
        }
    }
    return sni->names != NULL;
}

static bool get_sni(CBS *in, struct tls_key_client *keys, struct tls_sni_table **out)
{
    struct tls_sni_table *sni = calloc(1, sizeof *sni);
    if (sni == NULL) {
        return false;
    }
    sni->references = 1;
    bool good = get_sets(in, keys, sni) && get_names(in, sni);
    if (!good) {
        tls_sni_unref(sni);
        return false;
    }
    *out = sni;
    return true;
}

bool tls_chains_read(const uint8_t **bytes, size_t *length, struct tls_key_client *keys,
                     struct tls_credentials **out)
{
    CBS in;
    uint8_t kind;
    *out = NULL;
    CBS_init(&in, *bytes, *length);
    if (!CBS_get_u8(&in, &kind) || kind > 2) {
        return false;
    }
    if (kind > 0) {
        struct tls_credentials *credentials = get_set(&in, keys);
        bool good = credentials != NULL && (kind < 2 || get_sni(&in, keys, &credentials->sni));
        ERR_clear_error();
        if (!good) {
            tls_credentials_free(credentials);
            return false;
        }
        *out = credentials;
    }
    *bytes = CBS_data(&in);
    *length = CBS_len(&in);
    return true;
}
