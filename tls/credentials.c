/*
 * credentials.c: PEM objects become credentials, by the rules of postconf(5): with
 * smtpd_tls_chain_files the sequence over all files is key, leaf, issuers, key, leaf, issuers...;
 * with smtpd_tls_cert_file and _key_file the key may stand anywhere in its file.
 */
#include "tls/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include "tls/errors.h"
#include "tls/ocsp.h"
#include "tls/pem.h"
#include "tls/sni.h"
#include "tls/sni_maps.h"

/* The text that a key and its certificate are named by in messages. */
struct origin {
    const char *key_file;
    const char *certificate_file;
};

void tls_credential_clear(struct tls_credential *credential)
{
    EVP_PKEY_free(credential->key);
    for (size_t i = 0; i < credential->chain_length; i++) {
        CRYPTO_BUFFER_free(credential->chain[i]);
    }
    free(credential->chain);
    CRYPTO_BUFFER_free(credential->ocsp);
    free(credential->file);
#ifdef HAVE_SSL_CREDENTIAL_new_x509
    SSL_CREDENTIAL_free(credential->made);
#endif
    *credential = (struct tls_credential){0};
}

void tls_credentials_free(struct tls_credentials *credentials)
{
    if (credentials == NULL) {
        return;
    }
    for (size_t i = 0; i < credentials->count; i++) {
        tls_credential_clear(&credentials->items[i]);
    }
    free(credentials->items);
    tls_sni_unref(credentials->sni);
    free(credentials);
}

/* Fill OUT with references to KEY and the COUNT certificates of CHAIN, which come from FILE (NULL:
 * from none). False: no memory, and nothing is to be freed. */
static bool credential_init(struct tls_credential *out, EVP_PKEY *key, CRYPTO_BUFFER *const *chain,
                            size_t count, const char *file)
{
    *out = (struct tls_credential){.chain = calloc(count, sizeof(CRYPTO_BUFFER *))};
    if (out->chain == NULL || !tls_key_name(key, out->key_name) ||
        (file != NULL && (out->file = strdup(file)) == NULL)) {
        free(out->chain);
        return false;
    }
    EVP_PKEY_up_ref(key);
    out->key = key;
    for (size_t i = 0; i < count; i++) {
        CRYPTO_BUFFER_up_ref(chain[i]);
        out->chain[out->chain_length++] = chain[i];
    }
    return true;
}

/* A copy of FROM that shares what can be shared. False: no memory, and nothing is to be freed. */
static bool credential_copy(struct tls_credential *out, const struct tls_credential *from)
{
    if (!credential_init(out, from->key, from->chain, from->chain_length, from->file)) {
        return false;
    }
    if (from->ocsp != NULL) {
        CRYPTO_BUFFER_up_ref(from->ocsp);
        out->ocsp = from->ocsp;
    }
#ifdef HAVE_SSL_CREDENTIAL_new_x509
    if (from->made != NULL) {
        SSL_CREDENTIAL_up_ref(from->made);
        out->made = from->made;
    }
#endif
    return true;
}

struct tls_credentials *tls_credentials_copy(const struct tls_credentials *credentials)
{
    struct tls_credentials *copy = calloc(1, sizeof *copy);
    if (copy == NULL || (copy->items = calloc(credentials->count, sizeof *copy->items)) == NULL) {
        free(copy);
        return NULL;
    }
    for (; copy->count < credentials->count; copy->count++) {
        if (!credential_copy(&copy->items[copy->count], &credentials->items[copy->count])) {
            tls_credentials_free(copy);
            return NULL;
        }
    }
    copy->sni = tls_sni_ref(credentials->sni);
    copy->keys = credentials->keys;
    return copy;
}

const struct tls_credential *tls_credentials_find_leaf(const struct tls_credentials *credentials,
                                                       const uint8_t *der, size_t length)
{
    for (size_t i = 0; i < credentials->count; i++) {
        const CRYPTO_BUFFER *leaf = credentials->items[i].chain[0];
        if (CRYPTO_BUFFER_len(leaf) == length &&
            memcmp(CRYPTO_BUFFER_data(leaf), der, length) == 0) {
            return &credentials->items[i];
        }
    }
    return NULL;
}

/* Lower is preferred: an ECDSA signature costs a tenth of an RSA one. */
static int rank(const struct tls_credential *credential)
{
    switch (EVP_PKEY_id(credential->key)) {
    case EVP_PKEY_EC:
        return 0;
    case EVP_PKEY_ED25519:
        return 1;
    case EVP_PKEY_RSA:
        return 3;
    default:
        return 2;
    }
}

/* Put a credential where it belongs in order of preference; takes ownership of its contents. */
static bool insert(struct tls_credentials *credentials, const struct tls_credential *credential)
{
    struct tls_credential *items =
        realloc(credentials->items, (credentials->count + 1) * sizeof *items);
    if (items == NULL) {
        return false;
    }
    credentials->items = items;
    size_t place = credentials->count;
    while (place > 0 && rank(&items[place - 1]) > rank(credential)) {
        items[place] = items[place - 1];
        place--;
    }
    items[place] = *credential;
    credentials->count++;
    return true;
}

/* Does the library take this credential? Finds out at load time, on a context made for it. */
static bool library_accepts(const struct tls_credential *credential)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
    bool accepted = scratch != NULL &&
                    SSL_CTX_set_chain_and_key(scratch, credential->chain, credential->chain_length,
                                              credential->key, NULL) == 1;
    SSL_CTX_free(scratch);
    return accepted;
}

/* Report what is wrong with a complete credential. */
static bool credential_is_sound(const struct tls_credential *credential, struct origin origin,
                                struct diag *diag)
{
    ERR_clear_error();
    X509 *leaf = X509_parse_from_buffer(credential->chain[0]);
    bool matches = leaf != NULL && X509_check_private_key(leaf, credential->key) == 1;
    X509_free(leaf);
    if (!matches) {
        ERR_clear_error();
        diag_error(diag, "%s: the private key does not match the certificate in %s",
                   origin.key_file, origin.certificate_file);
        return false;
    }
    if (!library_accepts(credential)) {
        struct tls_error error;
        tls_error_take(&error);
        diag_error(diag, "%s: BoringSSL refuses this certificate: %s", origin.certificate_file,
                   error.reason);
        return false;
    }
    return true;
}

/* Check KEY with the COUNT certificates of CHAIN and add them. */
static bool add(struct tls_credentials *credentials, EVP_PKEY *key, CRYPTO_BUFFER *const *chain,
                size_t count, struct origin origin, struct diag *diag)
{
    struct tls_credential credential;
    if (!credential_init(&credential, key, chain, count, origin.certificate_file)) {
        diag_error(diag, "%s: out of memory", origin.key_file);
        return false;
    }
    if (!credential_is_sound(&credential, origin, diag) || !insert(credentials, &credential)) {
        tls_credential_clear(&credential);
        return false;
    }
    return true;
}

/* Add the key at INDEX and the certificates that follow it. Returns the index behind them, or 0
 * after reporting. */
static size_t add_from_sequence(struct tls_credentials *credentials,
                                const struct tls_pem_list *list, size_t index, struct diag *diag)
{
    const struct tls_pem_object *key = &list->objects[index];
    if (key->key == NULL) {
        diag_error(diag,
                   "%s: PEM object %u: a certificate before the first private key (each key"
                   " must stand directly before its certificate chain)",
                   key->file, key->number);
        return 0;
    }
    size_t end = index + 1;
    while (end < list->count && list->objects[end].certificate != NULL) {
        end++;
    }
    size_t count = end - index - 1;
    if (count == 0) {
        diag_error(diag, "%s: PEM object %u: the private key is not followed by its certificate",
                   key->file, key->number);
        return 0;
    }
    CRYPTO_BUFFER **chain = calloc(count, sizeof(CRYPTO_BUFFER *));
    if (chain == NULL) {
        diag_error(diag, "%s: out of memory", key->file);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        chain[i] = list->objects[index + 1 + i].certificate;
    }
    struct origin origin = {key->file, list->objects[index + 1].file};
    bool added = add(credentials, key->key, chain, count, origin, diag);
    free(chain);
    return added ? end : 0;
}

/* smtpd_tls_chain_files. NAMES is written to: the names in it become strings. */
static bool load_chain_files(struct tls_credentials *credentials, char *names, struct diag *diag)
{
    struct tls_pem_list list = {0};
    bool good = true;
    char *rest = NULL;
    for (char *name = strtok_r(names, ", \t\r\n", &rest); name != NULL;
         name = strtok_r(NULL, ", \t\r\n", &rest)) {
        good = tls_pem_load(&list, name, diag) == 0 && good;
    }
    if (good && list.count == 0) {
        diag_error(diag, "smtpd_tls_chain_files: no private key or certificate in these files");
        good = false;
    }
    for (size_t index = 0; good && index < list.count;) {
        index = add_from_sequence(credentials, &list, index, diag);
        good = index != 0;
    }
    tls_pem_list_free(&list);
    return good;
}

/* The first private key of LIST, or NULL; further ones are reported. */
static EVP_PKEY *only_key(const struct tls_pem_list *list, struct diag *diag)
{
    EVP_PKEY *key = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const struct tls_pem_object *object = &list->objects[i];
        if (object->key != NULL && key != NULL) {
            diag_warning(diag, "%s: PEM object %u: ignoring a second private key", object->file,
                         object->number);
        } else if (object->key != NULL) {
            key = object->key;
        }
    }
    return key;
}

/* smtpd_tls_cert_file and its twins; the same file for both is read once. */
static bool load_pair(struct tls_credentials *credentials, const char *certificate_file,
                      const char *key_file, struct diag *diag)
{
    struct tls_pem_list certificates = {0}, keys = {0};
    CRYPTO_BUFFER **chain = NULL;
    size_t count = 0;
    bool one_file = strcmp(certificate_file, key_file) == 0;
    bool good = tls_pem_load(&certificates, certificate_file, diag) == 0;
    good = (one_file || tls_pem_load(&keys, key_file, diag) == 0) && good;
    if (!good || (chain = calloc(certificates.count + 1, sizeof(CRYPTO_BUFFER *))) == NULL) {
        good = false;
        goto done;
    }
    for (size_t i = 0; i < certificates.count; i++) {
        if (certificates.objects[i].certificate != NULL) {
            chain[count++] = certificates.objects[i].certificate;
        }
    }
    EVP_PKEY *key = only_key(one_file ? &certificates : &keys, diag);
    if (count == 0) {
        diag_error(diag, "%s: no certificate in this file", certificate_file);
        good = false;
    }
    if (key == NULL) {
        diag_error(diag, "%s: no private key in this file", key_file);
        good = false;
    }
    good = good &&
           add(credentials, key, chain, count, (struct origin){key_file, certificate_file}, diag);
done:
    free(chain);
    tls_pem_list_free(&certificates);
    tls_pem_list_free(&keys);
    return good;
}

/* The older parameters, one credential each. */
static bool load_pairs(struct tls_credentials *credentials,
                       const struct tls_credential_files *files, struct diag *diag)
{
    const char *const pairs[][2] = {{files->cert_file, files->key_file},
                                    {files->eccert_file, files->eckey_file}};
    bool good = true;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *certificate_file = pairs[i][0];
        const char *key_file = *pairs[i][1] != '\0' ? pairs[i][1] : certificate_file;
        if (*certificate_file != '\0') {
            good = load_pair(credentials, certificate_file, key_file, diag) && good;
        }
    }
    return good;
}

/* Does the parameter VALUE, a list, name anything? */
static bool names_files(const char *value)
{
    return value[strspn(value, ", \t\r\n")] != '\0';
}

/* Load what FILES name for clients that ask for no other name. */
static bool load_default(struct tls_credentials *credentials,
                         const struct tls_credential_files *files, struct diag *diag)
{
    if (!names_files(files->chain_files)) {
        return load_pairs(credentials, files, diag);
    }
    char *names = strdup(files->chain_files);
    bool good = names != NULL && load_chain_files(credentials, names, diag);
    if (names == NULL) {
        diag_error(diag, "cannot load certificates: out of memory");
    }
    free(names);
    return good;
}

/* Add what belongs to the chains: OCSP responses, and the chains for other names. */
static bool complete(struct tls_credentials *credentials, const struct tls_credential_files *files,
                     struct diag *diag)
{
    bool good = files->ocsp_suffix == NULL || *files->ocsp_suffix == '\0' ||
                tls_ocsp_attach(credentials, files->ocsp_suffix, diag);
    if (files->sni != NULL && files->sni->count > 0) {
        credentials->sni = tls_sni_load(files->sni, files->ocsp_suffix, diag);
        good = credentials->sni != NULL && good;
    }
    return good;
}

struct tls_credentials *tls_credentials_from_files(const struct tls_credential_files *files,
                                                   struct diag *diag)
{
    bool chains = names_files(files->chain_files);
    if (chains && (*files->cert_file != '\0' || *files->eccert_file != '\0')) {
        diag_warning(diag, "smtpd_tls_chain_files is set: smtpd_tls_cert_file and"
                           " smtpd_tls_eccert_file are ignored");
    }
    if (!chains && strcasecmp(files->cert_file, "none") == 0) {
        diag_warning(diag, "smtpd_tls_cert_file = none: BoringSSL has no anonymous cipher suites,"
                           " there is no TLS without a certificate");
        return NULL;
    }
    struct tls_credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL) {
        diag_error(diag, "cannot load certificates: out of memory");
        return NULL;
    }
    bool good = load_default(credentials, files, diag);
    if ((credentials->count > 0 || !good) && !complete(credentials, files, diag)) {
        good = false;
    }
    if (!good || credentials->count == 0) {
        tls_credentials_free(credentials);
        return NULL;
    }
    return credentials;
}
