/*
 * pem.c: see pem.h. The file is read whole before it is parsed, and wiped afterwards; every copy of
 * key material made by the library is wiped by its own free functions.
 */
#include "tls/pem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include "tls/errors.h"
#include "tls/file.h"
#include "tls/library.h"

#define PEM_FILE_MAX (1024 * 1024)

/* One PEM block as the library hands it out. */
struct block {
    char *name;
    char *header;
    uint8_t *data;
    long length;
};

/* Take the next place in LIST, or NULL. */
static struct tls_pem_object *append(struct tls_pem_list *list, const char *file, unsigned number)
{
    struct tls_pem_object *objects =
        realloc(list->objects, (list->count + 1) * sizeof *list->objects);
    if (objects == NULL) {
        return NULL;
    }
    list->objects = objects;
    struct tls_pem_object *object = &objects[list->count++];
    *object = (struct tls_pem_object){.file = file, .number = number};
    return object;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

/* Keys that a TLS server can use with this library; others parse, but are of no use here. */
static bool key_type_is_usable(const EVP_PKEY *key)
{
    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
#ifdef EVP_PKEY_ML_DSA_44
    case EVP_PKEY_ML_DSA_44:
    case EVP_PKEY_ML_DSA_65:
    case EVP_PKEY_ML_DSA_87:
#endif
        return true;
    default:
        return false;
    }
}

/* Decode a private key; NULL if the library cannot, or data follows it. */
static EVP_PKEY *decode_key(const struct block *block)
{
    EVP_PKEY *key;
    size_t rest;
    if (strcmp(block->name, "PRIVATE KEY") == 0) {
        CBS cbs;
        CBS_init(&cbs, block->data, (size_t)block->length);
        key = EVP_parse_private_key(&cbs);
        rest = CBS_len(&cbs);
    } else {
        int type = strcmp(block->name, "RSA PRIVATE KEY") == 0 ? EVP_PKEY_RSA : EVP_PKEY_EC;
        const uint8_t *p = block->data;
        key = d2i_PrivateKey(type, NULL, &p, block->length);
        rest = (size_t)(block->data + block->length - p);
    }
    if (key != NULL && rest != 0) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static int load_key(struct tls_pem_list *list, const struct block *block, const char *file,
                    unsigned number, struct diag *diag)
{
    EVP_PKEY *key = decode_key(block);
    if (key != NULL && key_type_is_usable(key)) {
        struct tls_pem_object *object = append(list, file, number);
        if (object != NULL) {
            object->key = key;
            return 0;
        }
        diag_error(diag, "%s: out of memory", file);
    } else {
        struct tls_error error = {.reason = "unsupported algorithm"};
        if (key == NULL) {
            tls_error_take(&error);
        }
        diag_error(diag,
                   "%s: PEM object %u: BoringSSL cannot use this private key: %s"
                   " (RSA, ECDSA with P-256, P-384 or P-521, and Ed25519 keys work)",
                   file, number, error.reason);
    }
    EVP_PKEY_free(key);
    return -1;
}

static int load_certificate(struct tls_pem_list *list, const struct block *block, const char *file,
                            unsigned number, struct diag *diag)
{
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(block->data, (size_t)block->length, NULL);
    X509 *parsed = buffer != NULL ? X509_parse_from_buffer(buffer) : NULL;
    if (parsed != NULL) {
        X509_free(parsed);
        struct tls_pem_object *object = append(list, file, number);
        if (object != NULL) {
            object->certificate = buffer;
            return 0;
        }
    }
    struct tls_error error;
    tls_error_take(&error);
    diag_error(diag, "%s: PEM object %u: not a usable certificate: %s", file, number, error.reason);
    CRYPTO_BUFFER_free(buffer);
    return -1;
}

/* Sort out one PEM block. */
static int load_block(struct tls_pem_list *list, const struct block *block, const char *file,
                      unsigned number, struct diag *diag)
{
    static const char *const certificates[] = {"CERTIFICATE", "X509 CERTIFICATE", NULL};
    static const char *const keys[] = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", NULL};
    static const char *const silent[] = {"EC PARAMETERS", "DH PARAMETERS", NULL};

    if (is_one_of(block->name, certificates)) {
        return load_certificate(list, block, file, number, diag);
    }
    if (strcmp(block->name, "ENCRYPTED PRIVATE KEY") == 0 ||
        strstr(block->header, "ENCRYPTED") != NULL) {
        diag_error(diag,
                   "%s: PEM object %u: the private key is encrypted; a daemon cannot ask for the"
                   " pass phrase, store it without one",
                   file, number);
        return -1;
    }
    if (is_one_of(block->name, keys)) {
        return load_key(list, block, file, number, diag);
    }
    if (strcmp(block->name, "DSA PRIVATE KEY") == 0) {
        diag_error(diag, "%s: PEM object %u: BoringSSL has no DSA", file, number);
        return -1;
    }
    if (!is_one_of(block->name, silent)) {
        diag_warning(diag, "%s: PEM object %u: ignoring PEM type %s", file, number, block->name);
    }
    return 0;
}

/* Load every block of BIO. */
static int load_blocks(struct tls_pem_list *list, BIO *bio, const char *file, struct diag *diag)
{
    int result = 0;
    struct block block = {0};
    ERR_clear_error();
    for (unsigned number = 1;
         PEM_read_bio(bio, &block.name, &block.header, &block.data, &block.length) != 0; number++) {
        if (load_block(list, &block, file, number, diag) != 0) {
            result = -1;
        }
        OPENSSL_free(block.name);
        OPENSSL_free(block.header);
        OPENSSL_free(block.data);
        ERR_clear_error();
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        struct tls_error error;
        tls_error_take(&error);
        diag_error(diag, "%s: damaged PEM data: %s", file, error.reason);
        result = -1;
    }
    ERR_clear_error();
    return result;
}

int tls_pem_load(struct tls_pem_list *list, const char *file, struct diag *diag)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    if (tls_file_read(file, PEM_FILE_MAX, &bytes, &length, diag) != 0) {
        return -1;
    }
    int result = -1;
    BIO *bio = BIO_new_mem_buf(bytes, (int)length);
    if (bio != NULL) {
        result = load_blocks(list, bio, file, diag);
        BIO_free(bio);
    } else {
        diag_error(diag, "%s: out of memory", file);
    }
    tls_file_free(bytes, length);
    return result;
}

void tls_pem_list_free(struct tls_pem_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        EVP_PKEY_free(list->objects[i].key);
        CRYPTO_BUFFER_free(list->objects[i].certificate);
    }
    free(list->objects);
    *list = (struct tls_pem_list){0};
}
