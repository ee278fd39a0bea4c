/*
 * trust.c: see trust.h.
 *
 * The depth limit is applied here and not by the library, whose versions count differently. Postfix
 * allows one certificate more than smtpd_tls_ccert_verifydepth says between the client's and the
 * authority's.
 */
#include "tls/trust.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "policy/text.h"
#include "tls/conn.h"
#include "tls/file.h"

#define CA_FILE_MAX (16 * 1024 * 1024)
/* RFC 5246 section 7.4.4: names of authorities, each with two bytes of length, fill 65535 bytes at
 * most; the rest of the message needs room as well. */
#define CA_NAMES_MAX 60000

/* What is known while authorities are loaded. */
struct loader {
    SSL_CTX *ssl;
    struct diag *diag;
    SHA256_CTX hash;
    size_t count;   /* certificates of all files */
    size_t refused; /* that the library does not understand, in this file */
    size_t names_length;
    bool tell_names; /* this file's authorities are named to clients */
};

/* ---- loading ---- */

/* Name AUTHORITY to clients, once. */
static void tell_name(struct loader *loader, X509 *authority)
{
    const STACK_OF(X509_NAME) *told = SSL_CTX_get_client_CA_list(loader->ssl);
    for (size_t i = 0; told != NULL && i < sk_X509_NAME_num(told); i++) {
        if (X509_NAME_cmp(sk_X509_NAME_value(told, i), X509_get_subject_name(authority)) == 0) {
            return;
        }
    }
    int length = i2d_X509_NAME(X509_get_subject_name(authority), NULL);
    loader->names_length += length > 0 ? (size_t)length + 2 : 0;
    if (loader->names_length <= CA_NAMES_MAX) {
        SSL_CTX_add_client_CA(loader->ssl, authority);
    }
}

/* Trust the certificate of a PEM block. */
static void add_authority(struct loader *loader, const char *type, const uint8_t *der, long length)
{
    const uint8_t *p = der;
    X509 *authority = strcmp(type, PEM_STRING_X509_TRUSTED) == 0 ? d2i_X509_AUX(NULL, &p, length)
                                                                 : d2i_X509(NULL, &p, length);
    if (authority == NULL ||
        X509_STORE_add_cert(SSL_CTX_get_cert_store(loader->ssl), authority) != 1) {
        loader->refused++;
    } else {
        loader->count++;
        SHA256_Update(&loader->hash, der, (size_t)length);
        if (loader->tell_names) {
            tell_name(loader, authority);
        }
    }
    X509_free(authority);
    ERR_clear_error();
}

/* Trust the certificates in LENGTH bytes of PEM text; whatever else is there does not matter. */
static void add_pem(struct loader *loader, const uint8_t *bytes, size_t length)
{
    char *type, *header;
    uint8_t *der;
    long der_length;
    BIO *bio = BIO_new_mem_buf(bytes, (int)length);
    while (bio != NULL && PEM_read_bio(bio, &type, &header, &der, &der_length) == 1) {
        if (strcmp(type, PEM_STRING_X509) == 0 || strcmp(type, PEM_STRING_X509_OLD) == 0 ||
            strcmp(type, PEM_STRING_X509_TRUSTED) == 0) {
            add_authority(loader, type, der, der_length);
        }
        OPENSSL_free(type);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    BIO_free(bio);
    ERR_clear_error();
}

/* Trust the certificates in FILE. Returns how many there are, or -1 after reporting that it cannot
 * be read. */
static long add_file(struct loader *loader, const char *file)
{
    uint8_t *bytes = NULL;
    size_t length = 0, before = loader->count;
    if (tls_file_read(file, CA_FILE_MAX, &bytes, &length, loader->diag) != 0) {
        return -1;
    }
    loader->refused = 0;
    add_pem(loader, bytes, length);
    tls_file_free(bytes, length);
    if (loader->refused > 0) {
        diag_warning(loader->diag,
                     "%s: BoringSSL does not understand %zu of the certificates: clients with"
                     " certificates from these authorities are not trusted",
                     file, loader->refused);
    }
    return (long)(loader->count - before);
}

/* smtpd_tls_CAfile */
static bool add_ca_file(struct loader *loader, const char *file)
{
    loader->tell_names = true;
    long count = add_file(loader, file);
    loader->tell_names = false;
    if (count == 0) {
        diag_error(loader->diag, "smtpd_tls_CAfile: %s: no certificate in this file", file);
    }
    if (loader->names_length > CA_NAMES_MAX) {
        diag_warning(loader->diag,
                     "smtpd_tls_CAfile: %s: too many authorities to name all of them to clients:"
                     " clients with several certificates may choose the wrong one",
                     file);
    }
    return count > 0;
}

/* "a6e77ace.0": eight hexadecimal digits, a dot and a number. Only such files are looked at by
 * OpenSSL, so only they were put there to be trusted. */
static bool is_hashed_name(const char *name)
{
    size_t digits = strspn(name, "0123456789abcdef");
    return digits == 8 && name[8] == '.' && isdigit((unsigned char)name[9]) &&
           name[9 + strspn(name + 9, "0123456789")] == '\0';
}

/* A directory with hashed names. *FOUND: how many files it has. */
static bool add_directory(struct loader *loader, const char *path, size_t *found)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool good = directory != NULL;
    if (!good) {
        diag_error(loader->diag, "%s: cannot read: %s", path, strerror(errno));
        return false;
    }
    while ((entry = readdir(directory)) != NULL) {
        struct text file = {0};
        if (!is_hashed_name(entry->d_name)) {
            continue;
        }
        text_format(&file, "%s/%s", path, entry->d_name);
        *found += 1;
        good = add_file(loader, file.data) >= 0 && good;
        text_free(&file);
    }
    closedir(directory);
    return good;
}

/* smtpd_tls_CApath */
static bool add_ca_path(struct loader *loader, const char *path)
{
    size_t found = 0;
    bool good = add_directory(loader, path, &found);
    if (good && found == 0) {
        diag_warning(loader->diag,
                     "smtpd_tls_CApath: %s: no file with a hashed name, so nothing in it is"
                     " trusted: run \"openssl rehash %s\"",
                     path, path);
    }
    return good;
}

/* tls_append_default_CA: where the library would look, read now. What is not there is not missed.
 */
static bool add_default(struct loader *loader)
{
    const char *file = getenv(X509_get_default_cert_file_env());
    const char *path = getenv(X509_get_default_cert_dir_env());
    struct diag quiet = {0}, *diag = loader->diag;
    size_t before = loader->count, found = 0;
    loader->diag = &quiet;
    add_file(loader, file != NULL ? file : X509_get_default_cert_file());
    add_directory(loader, path != NULL ? path : X509_get_default_cert_dir(), &found);
    loader->diag = diag;
    if (loader->count == before) {
        diag_warning(diag,
                     "tls_append_default_CA: the system's authorities are neither in %s nor,"
                     " with hashed names, in %s",
                     file != NULL ? file : X509_get_default_cert_file(),
                     path != NULL ? path : X509_get_default_cert_dir());
    }
    return true;
}

/* All authorities that POLICY names. */
static bool load_authorities(struct tls_context *context, const struct tls_policy *policy,
                             struct diag *diag)
{
    const char *file = policy->ca_file != NULL ? policy->ca_file : "";
    const char *path = policy->ca_path != NULL ? policy->ca_path : "";
    struct loader loader = {.ssl = context->ssl, .diag = diag};
    bool good = true;
    SHA256_Init(&loader.hash);
    if (*file != '\0') {
        good = add_ca_file(&loader, file) && good;
    }
    if (*path != '\0') {
        good = add_ca_path(&loader, path) && good;
    }
    if (policy->default_ca && (*file != '\0' || *path != '\0')) {
        good = add_default(&loader) && good;
    }
    SHA256_Final(context->demands.anchors, &loader.hash);
    if (good && loader.count == 0 && context->demands.require && *context->demands.match == '\0') {
        diag_warning(diag, "client certificates are required, but no authority is trusted: no"
                           " client gets through; set smtpd_tls_CAfile");
    }
    return good;
}

/* ---- verification ---- */

/* Of all that is wrong with a chain, what is nearest to the client's certificate. */
struct verification {
    int error;
    int depth; /* -1: nothing is wrong */
};

/* Where a chain's verification is found from the library's callback. */
static int verification_index(void)
{
    static int index = -1;
    if (index < 0) {
        index = X509_STORE_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    }
    return index;
}

static void note(struct verification *verification, int error, int depth)
{
    if (verification->depth < 0 || depth < verification->depth) {
        verification->error = error;
        verification->depth = depth;
    }
}

/* The library's callback for each certificate: note what is wrong, and go on. */
static int on_certificate(int ok, X509_STORE_CTX *store)
{
    struct verification *verification = X509_STORE_CTX_get_ex_data(store, verification_index());
    if (!ok && verification != NULL) {
        note(verification, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_error_depth(store));
    }
    return 1;
}

/* Is the certificate for TLS servers, and not for clients? */
static bool is_for_servers_only(X509 *certificate)
{
    EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    bool server = false, client = false;
    for (size_t i = 0; usage != NULL && i < sk_ASN1_OBJECT_num(usage); i++) {
        int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, i));
        server = server || nid == NID_server_auth;
        client = client || nid == NID_client_auth;
    }
    EXTENDED_KEY_USAGE_free(usage);
    return server && !client;
}

/* The library's callback for a whole chain: look at it, leave the verdict in STORE, and go on. */
static int on_chain(X509_STORE_CTX *store, void *arg)
{
    const struct tls_demands *demands = arg;
    struct verification verification = {X509_V_OK, -1};
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
    if (demands->trust_server_ccerts && leaf != NULL && is_for_servers_only(leaf)) {
        X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
        X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_SERVER);
    }
    X509_VERIFY_PARAM_set_depth(param, demands->verify_depth + 3);
    X509_STORE_CTX_set_verify_cb(store, on_certificate);
    if (X509_STORE_CTX_set_ex_data(store, verification_index(), &verification) != 1 ||
        X509_verify_cert(store) != 1) {
        note(&verification, X509_STORE_CTX_get_error(store), 0);
    }
    X509_STORE_CTX_set_ex_data(store, verification_index(), NULL);
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
    size_t between = chain != NULL && sk_X509_num(chain) > 2 ? sk_X509_num(chain) - 2 : 0;
    if (between > (size_t)demands->verify_depth + 1) {
        note(&verification, X509_V_ERR_CERT_CHAIN_TOO_LONG, demands->verify_depth + 2);
    }
    if (verification.depth >= 0 && verification.error == X509_V_OK) {
        verification.error = X509_V_ERR_UNSPECIFIED;
    }
    X509_STORE_CTX_set_error(store, verification.error);
    ERR_clear_error();
    return 1;
}

/* Ask for a certificate, and be able to verify all that a client may sign with. */
static bool ask(struct tls_context *context)
{
    /* The library's own list has no Ed25519 and no P-521. */
    static const uint16_t schemes[] = {
        SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA256,
        SSL_SIGN_RSA_PKCS1_SHA256,       SSL_SIGN_ECDSA_SECP384R1_SHA384,
        SSL_SIGN_RSA_PSS_RSAE_SHA384,    SSL_SIGN_RSA_PKCS1_SHA384,
        SSL_SIGN_ECDSA_SECP521R1_SHA512, SSL_SIGN_RSA_PSS_RSAE_SHA512,
        SSL_SIGN_RSA_PKCS1_SHA512,       SSL_SIGN_ED25519,
        SSL_SIGN_RSA_PKCS1_SHA1,
    };
    SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context->ssl, on_chain, &context->demands);
    return SSL_CTX_set_verify_algorithm_prefs(context->ssl, schemes,
                                              sizeof schemes / sizeof schemes[0]) == 1;
}

/* Are clients asked for a certificate under POLICY? */
static bool asks(const struct tls_policy *policy)
{
    return policy->ask_ccert || policy->require_ccert ||
           (policy->match != NULL && *policy->match != '\0');
}

void tls_policy_each_path(const struct tls_policy *policy, tls_path_visitor *each, void *ctx)
{
    const char *const paths[] = {policy->ca_file, policy->ca_path};
    for (size_t i = 0; asks(policy) && i < sizeof paths / sizeof paths[0]; i++) {
        if (paths[i] != NULL && *paths[i] != '\0') {
            each(ctx, paths[i]);
        }
    }
}

bool tls_trust_configure(struct tls_context *context, const struct tls_policy *policy,
                         struct diag *diag)
{
    struct tls_demands *demands = &context->demands;
    *demands = (struct tls_demands){
        .require = policy->require_ccert,
        .match = text_copy(policy->match != NULL ? policy->match : ""),
        .digest =
            text_copy(policy->fingerprint_digest != NULL ? policy->fingerprint_digest : "sha256"),
        .verify_depth = policy->verify_depth,
        .trust_server_ccerts = policy->trust_server_ccerts,
    };
    demands->ask = asks(policy);
    if (!demands->ask) {
        SSL_CTX_set_verify(context->ssl, SSL_VERIFY_NONE, NULL);
        return true;
    }
    bool good = load_authorities(context, policy, diag);
    if (!ask(context)) {
        diag_error(diag, "cannot set up TLS: out of memory");
        good = false;
    }
    return good;
}

void tls_trust_clear(struct tls_context *context)
{
    free(context->demands.match);
    free(context->demands.digest);
}

enum tls_ccert tls_trust_verdict(const struct tls_context *context, const SSL *ssl,
                                 X509 *certificate)
{
    const struct tls_demands *demands = &context->demands;
    char fingerprint[TLS_FINGERPRINT_MAX];
    if (!demands->require && *demands->match == '\0') {
        return TLS_CCERT_NOT_REQUIRED;
    }
    if (certificate == NULL) {
        return TLS_CCERT_MISSING;
    }
    if (*demands->match == '\0') {
        return SSL_get_verify_result(ssl) == X509_V_OK ? TLS_CCERT_OK : TLS_CCERT_UNTRUSTED;
    }
    bool matches = (tls_fingerprint_certificate(certificate, demands->digest, fingerprint) &&
                    tls_fingerprint_is_listed(fingerprint, demands->match)) ||
                   (tls_fingerprint_key(certificate, demands->digest, fingerprint) &&
                    tls_fingerprint_is_listed(fingerprint, demands->match));
    return matches ? TLS_CCERT_OK : TLS_CCERT_NO_MATCH;
}
