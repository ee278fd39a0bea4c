/* selfsigned.c: see selfsigned.h. */
#include "tls/selfsigned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tls/errors.h"

#define HOST_NAME_MAX_LENGTH 253
#define CLOCK_SKEW_SECONDS 3600

static EVP_PKEY *make_ec(int curve)
{
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
    if (key == NULL || ec == NULL || EC_KEY_generate_key(ec) != 1 ||
        EVP_PKEY_set1_EC_KEY(key, ec) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EC_KEY_free(ec);
    return key;
}

static EVP_PKEY *make_rsa(int bits)
{
    EVP_PKEY *key = EVP_PKEY_new();
    RSA *rsa = RSA_new();
    BIGNUM *exponent = BN_new();
    if (key == NULL || rsa == NULL || exponent == NULL || BN_set_word(exponent, RSA_F4) != 1 ||
        RSA_generate_key_ex(rsa, bits, exponent, NULL) != 1 || EVP_PKEY_set1_RSA(key, rsa) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    RSA_free(rsa);
    BN_free(exponent);
    return key;
}

static EVP_PKEY *make_ed25519(void)
{
    uint8_t public_key[ED25519_PUBLIC_KEY_LEN], private_key[ED25519_PRIVATE_KEY_LEN];
    ED25519_keypair(public_key, private_key);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
    OPENSSL_cleanse(private_key, sizeof private_key);
    return key;
}

static EVP_PKEY *make_key(enum tls_key_kind kind)
{
    switch (kind) {
    case TLS_KEY_ECDSA_P256:
        return make_ec(NID_X9_62_prime256v1);
    case TLS_KEY_ECDSA_P384:
        return make_ec(NID_secp384r1);
    case TLS_KEY_RSA_2048:
        return make_rsa(2048);
    case TLS_KEY_ED25519:
        return make_ed25519();
    }
    return NULL;
}

/* Only what can stand in a subject alternative name without being taken for syntax. */
static bool is_host_name(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= HOST_NAME_MAX_LENGTH &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
               length;
}

/* Set the subject, which is the issuer too. A CN longer than X.520 allows is left out: the
 * alternative name is what counts. */
static bool set_names(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_NAME_new();
    const char *cn = strlen(name) <= 64 ? name : "gatepost";
    bool good = subject != NULL &&
                X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                                           (const unsigned char *)cn, -1, -1, 0) == 1 &&
                X509_set_subject_name(certificate, subject) == 1 &&
                X509_set_issuer_name(certificate, subject) == 1;
    X509_NAME_free(subject);
    return good;
}

/* Add one extension in the library's textual form. */
static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    bool good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* 63 random bits: positive, and as good as unique (RFC 5280 section 4.1.2.2). */
static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    bool good = number != NULL && BN_rand(number, 63, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return good;
}

/* Fill CERTIFICATE and sign it with KEY. */
static bool fill(X509 *certificate, EVP_PKEY *key, const char *name, int days)
{
    char alternative[HOST_NAME_MAX_LENGTH + 5];
    snprintf(alternative, sizeof alternative, "DNS:%s", name);
    /* Ed25519 has its digest inside. */
    const EVP_MD *digest = EVP_PKEY_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    return X509_set_version(certificate, 2) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -CLOCK_SKEW_SECONDS) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86400L) != NULL &&
           X509_set_pubkey(certificate, key) == 1 && set_names(certificate, name) &&
           add_extension(certificate, NID_subject_alt_name, alternative) &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           X509_sign(certificate, key, digest) != 0;
}

/* CERTIFICATE as the one element of OUT's chain. */
static bool set_chain(struct tls_credential *out, X509 *certificate)
{
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    out->chain = calloc(1, sizeof(CRYPTO_BUFFER *));
    if (length > 0 && out->chain != NULL &&
        (out->chain[0] = CRYPTO_BUFFER_new(der, (size_t)length, NULL)) != NULL) {
        out->chain_length = 1;
    }
    OPENSSL_free(der);
    return out->chain_length == 1;
}

bool tls_selfsigned_make(enum tls_key_kind kind, const char *name, int days,
                         struct tls_credential *out)
{
    *out = (struct tls_credential){0};
    X509 *certificate = X509_new();
    if (is_host_name(name)) {
        out->key = make_key(kind);
    }
    bool good = certificate != NULL && out->key != NULL &&
                fill(certificate, out->key, name, days) && set_chain(out, certificate);
    X509_free(certificate);
    if (!good) {
        tls_credential_clear(out);
    }
    return good;
}

/* Write key and certificate of CREDENTIAL as PEM. */
static bool write_pem(BIO *out, const struct tls_credential *credential)
{
    const CRYPTO_BUFFER *leaf = credential->chain[0];
    return PEM_write_bio_PrivateKey(out, credential->key, NULL, NULL, 0, NULL, NULL) == 1 &&
           PEM_write_bio(out, "CERTIFICATE", "", CRYPTO_BUFFER_data(leaf),
                         (long)CRYPTO_BUFFER_len(leaf)) > 0;
}

/* Make the COUNT credentials and write them to OUT. */
static bool write_all(BIO *out, const char *name, int days, const enum tls_key_kind *kinds,
                      size_t count)
{
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        struct tls_credential credential;
        good = tls_selfsigned_make(kinds[i], name, days, &credential);
        if (good) {
            good = write_pem(out, &credential);
            tls_credential_clear(&credential);
        }
    }
    return good;
}

/* Write LENGTH bytes to the descriptor, down to the disk. Returns 0 or an errno. */
static int write_bytes(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, bytes, length);
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        if (count > 0) {
            bytes += count;
            length -= (size_t)count;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

/* Make the new file PATH of LENGTH bytes: written under another name, and linked, which never
 * replaces anything, when it is complete. Returns 0 or an errno. */
static int create_file(const char *path, const uint8_t *bytes, size_t length)
{
    char *draft = NULL;
    if (asprintf(&draft, "%s.XXXXXX", path) < 0) {
        return ENOMEM;
    }
    int error = 0;
    int fd = mkostemp(draft, O_CLOEXEC); /* mode 0600 */
    if (fd < 0) {
        error = errno;
    } else {
        error = write_bytes(fd, bytes, length);
        close(fd);
        if (error == 0 && link(draft, path) != 0) {
            error = errno;
        }
        unlink(draft);
    }
    free(draft);
    return error;
}

int tls_selfsigned_write(const char *path, const char *name, int days,
                         const enum tls_key_kind *kinds, size_t count, struct diag *diag)
{
    const uint8_t *bytes;
    size_t length;
    int error = -1;
    ERR_clear_error();
    BIO *out = BIO_new(BIO_s_mem());
    if (out == NULL || !write_all(out, name, days, kinds, count) ||
        BIO_mem_contents(out, &bytes, &length) != 1) {
        struct tls_error why;
        tls_error_take(&why);
        diag_error(diag, "cannot make a certificate for \"%.253s\": %s", name,
                   is_host_name(name) ? why.reason : "not a host name");
    } else if ((error = create_file(path, bytes, length)) != 0) {
        diag_error(diag, "%s: cannot write: %s", path, strerror(error));
    }
    BIO_free(out); /* its memory is wiped */
    return error == 0 ? 0 : -1;
}
