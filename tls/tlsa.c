/* tlsa.c: see tlsa.h. */
#include "tls/tlsa.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "policy/text.h"
#include "tls/context_private.h"
#include "tls/inventory_chain.h"
#include "tls/pem.h"
#include "tls/sni.h"

#define USAGE_TA 2
#define USAGE_EE 3

/* A copy of LENGTH bytes of DER from the library, which are freed; none if that is not positive. */
static uint8_t *take_der(uint8_t *der, int length, size_t *copied)
{
    *copied = length > 0 ? (size_t)length : 0;
    uint8_t *copy = text_alloc(*copied + 1, 1);
    if (*copied > 0) {
        memcpy(copy, der, *copied);
    }
    OPENSSL_free(der);
    return copy;
}

/* BUFFER's certificate and public key; the key is empty if it cannot be parsed. */
static void copy_certificate(CRYPTO_BUFFER *buffer, struct tls_tlsa_certificate *out)
{
    X509 *certificate = X509_parse_from_buffer(buffer);
    uint8_t *key = NULL;
    int key_length =
        certificate != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key) : 0;
    out->key = take_der(key, key_length, &out->key_length);
    out->der_length = CRYPTO_BUFFER_len(buffer);
    out->der = text_alloc(out->der_length + 1, 1);
    memcpy(out->der, CRYPTO_BUFFER_data(buffer), out->der_length);
    X509_free(certificate);
}

/* Append CREDENTIAL's chain. */
static void add_chain(struct tls_tlsa_list *list, const struct tls_credential *credential)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t digest[SHA256_DIGEST_LENGTH];
    list->chains = text_resize(list->chains, list->count + 1, sizeof *list->chains);
    struct tls_tlsa_chain *chain = &list->chains[list->count++];
    *chain = (struct tls_tlsa_chain){.length = credential->chain_length};
    tls_inventory_describe_chain(credential, &chain->about);
    chain->certificates = text_alloc(chain->length, sizeof *chain->certificates);
    for (size_t i = 0; i < chain->length; i++) {
        copy_certificate(credential->chain[i], &chain->certificates[i]);
    }
    SHA256(chain->certificates[0].key, chain->certificates[0].key_length, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        chain->hex[2 * i] = digits[digest[i] >> 4];
        chain->hex[2 * i + 1] = digits[digest[i] & 15];
    }
}

void tls_tlsa_served(const struct tls_context *context, const char *name,
                     struct tls_tlsa_list *list)
{
    const struct tls_credentials *credentials = context->credentials;
    const struct tls_credentials *others =
        credentials->sni != NULL && *name != '\0' ? tls_sni_find(credentials->sni, name) : NULL;
    if (others != NULL) {
        credentials = others;
    }
    for (size_t i = 0; i < credentials->count; i++) {
        add_chain(list, &credentials->items[i]);
    }
}

/* Append the chain of COUNT certificates, OBJECTS, of FILE. */
static int add_read(const char *file, const struct tls_pem_object *objects, size_t count,
                    struct tls_tlsa_list *list, struct diag *diag)
{
    X509 *leaf = X509_parse_from_buffer(objects[0].certificate);
    EVP_PKEY *key = leaf != NULL ? X509_get_pubkey(leaf) : NULL;
    X509_free(leaf);
    if (key == NULL) {
        diag_error(diag, "%s: a certificate's key is of a kind that cannot be used", file);
        return -1;
    }
    struct tls_credential credential = {.key = key,
                                        .chain = text_alloc(count, sizeof(CRYPTO_BUFFER *)),
                                        .chain_length = count,
                                        .file = text_copy(file)};
    for (size_t i = 0; i < count; i++) {
        credential.chain[i] = objects[i].certificate;
    }
    add_chain(list, &credential);
    free(credential.chain);
    free(credential.file);
    EVP_PKEY_free(key);
    return 0;
}

int tls_tlsa_read(const char *file, struct tls_tlsa_list *list, struct diag *diag)
{
    struct tls_pem_list objects = {0};
    size_t before = list->count;
    int status = tls_pem_load(&objects, file, diag);
    for (size_t i = 0, count; status == 0 && i < objects.count; i += count + 1) {
        for (count = 0; i + count < objects.count && objects.objects[i + count].key == NULL;) {
            count++;
        }
        if (count > 0) {
            status = add_read(file, objects.objects + i, count, list, diag);
        }
    }
    if (status == 0 && list->count == before) {
        diag_error(diag, "%s: there is no certificate in it", file);
        status = -1;
    }
    tls_pem_list_free(&objects);
    return status;
}

void tls_tlsa_list_free(struct tls_tlsa_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t k = 0; k < list->chains[i].length; k++) {
            free(list->chains[i].certificates[k].der);
            free(list->chains[i].certificates[k].key);
        }
        free(list->chains[i].certificates);
    }
    free(list->chains);
    *list = (struct tls_tlsa_list){0};
}

bool tls_tlsa_usable(const struct tls_tlsa_record *record)
{
    static const size_t lengths[] = {0, SHA256_DIGEST_LENGTH, SHA512_DIGEST_LENGTH};
    return (record->usage == USAGE_TA || record->usage == USAGE_EE) && record->selector <= 1 &&
           record->matching <= 2 && record->length > 0 &&
           (record->matching == 0 || record->length == lengths[record->matching]);
}

/* Whether RECORD is about CERTIFICATE, whatever its usage. */
static bool is_about(const struct tls_tlsa_record *record,
                     const struct tls_tlsa_certificate *certificate)
{
    const uint8_t *bytes = record->selector == 0 ? certificate->der : certificate->key;
    size_t length = record->selector == 0 ? certificate->der_length : certificate->key_length;
    uint8_t digest[SHA512_DIGEST_LENGTH];
    if (record->matching == 1) {
        bytes = SHA256(bytes, length, digest);
        length = SHA256_DIGEST_LENGTH;
    } else if (record->matching == 2) {
        bytes = SHA512(bytes, length, digest);
        length = SHA512_DIGEST_LENGTH;
    }
    return length == record->length && memcmp(bytes, record->data, length) == 0;
}

bool tls_tlsa_matches(const struct tls_tlsa_record *record, const struct tls_tlsa_chain *chain)
{
    if (record->usage == USAGE_EE) {
        return is_about(record, &chain->certificates[0]);
    }
    for (size_t i = 1; i < chain->length; i++) {
        if (is_about(record, &chain->certificates[i])) {
            return true;
        }
    }
    return false;
}
