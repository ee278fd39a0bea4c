/* tls_pki.c: see tls_pki.h. */
#include "tests/unit/tls_pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/curve25519.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static EVP_PKEY *make_key(int curve)
{
    if (curve == -1) {
        uint8_t public_key[32], private_key[64];
        ED25519_keypair(public_key, private_key);
        return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
    }
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve != 0 ? curve : NID_X9_62_prime256v1);
    assert_true(EC_KEY_generate_key(ec) && EVP_PKEY_set1_EC_KEY(key, ec));
    EC_KEY_free(ec);
    return key;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_true(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static void set_name(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_NAME_new();
    assert_true(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                                           (const unsigned char *)name, -1, -1, 0));
    assert_true(X509_set_subject_name(certificate, subject));
    X509_NAME_free(subject);
}

/* The certificate for KEY. */
static X509 *make_certificate(const struct pki_spec *spec, EVP_PKEY *key)
{
    static long serial = 1000;
    X509 *certificate = X509_new(), *issuer = NULL;
    bool dated = spec->days_before != 0 || spec->days_after != 0;
    assert_true(X509_set_version(certificate, 2));
    assert_true(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++));
    X509_gmtime_adj(X509_getm_notBefore(certificate), 86400L * (dated ? spec->days_before : -1));
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * (dated ? spec->days_after : 1));
    set_name(certificate, spec->name);
    assert_true(X509_set_pubkey(certificate, key));
    if (spec->by != NULL) {
        issuer = X509_parse_from_buffer(spec->by->chain[0]);
        assert_non_null(issuer);
    }
    assert_true(X509_set_issuer_name(certificate,
                                     X509_get_subject_name(issuer != NULL ? issuer : certificate)));
    X509_free(issuer);
    add_extension(certificate, NID_basic_constraints,
                  spec->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (spec->usage != NULL) {
        add_extension(certificate, NID_ext_key_usage, spec->usage);
    }
    EVP_PKEY *signer = spec->by != NULL ? spec->by->key : key;
    assert_true(X509_sign(certificate, signer,
                          EVP_PKEY_id(signer) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0);
    return certificate;
}

struct tls_credential pki_make(const struct pki_spec *spec)
{
    size_t above = spec->by != NULL ? spec->by->chain_length : 0;
    struct tls_credential made = {.key = make_key(spec->curve),
                                  .chain = calloc(above + 1, sizeof(CRYPTO_BUFFER *))};
    X509 *certificate = make_certificate(spec, made.key);
    uint8_t *der = NULL;
    int length = i2d_X509(certificate, &der);
    assert_true(length > 0 && made.chain != NULL);
    made.chain[made.chain_length++] = CRYPTO_BUFFER_new(der, (size_t)length, NULL);
    /* The root, the only one that issued itself, has a chain of its own alone. */
    for (size_t i = 0; i < above; i++) {
        X509 *link = X509_parse_from_buffer(spec->by->chain[i]);
        if (X509_NAME_cmp(X509_get_subject_name(link), X509_get_issuer_name(link)) != 0) {
            CRYPTO_BUFFER_up_ref(spec->by->chain[i]);
            made.chain[made.chain_length++] = spec->by->chain[i];
        }
        X509_free(link);
    }
    OPENSSL_free(der);
    X509_free(certificate);
    return made;
}

void pki_write(const char *file, const struct tls_credential *const *credentials, size_t count,
               bool keys)
{
    BIO *bio = BIO_new_file(file, "w");
    assert_non_null(bio);
    for (size_t i = 0; i < count; i++) {
        const CRYPTO_BUFFER *leaf = credentials[i]->chain[0];
        if (keys) {
            assert_true(
                PEM_write_bio_PrivateKey(bio, credentials[i]->key, NULL, NULL, 0, NULL, NULL));
        }
        assert_true(PEM_write_bio(bio, "CERTIFICATE", "", CRYPTO_BUFFER_data(leaf),
                                  (long)CRYPTO_BUFFER_len(leaf)));
    }
    assert_true(BIO_free(bio));
}

void pki_write_hashed(const char *directory, const struct tls_credential *credential)
{
    char path[256];
    X509 *certificate = X509_parse_from_buffer(credential->chain[0]);
    assert_non_null(certificate);
    snprintf(path, sizeof path, "%s/%08lx.0", directory,
             (unsigned long)X509_NAME_hash(X509_get_subject_name(certificate)));
    X509_free(certificate);
    pki_write(path, &credential, 1, false);
}
