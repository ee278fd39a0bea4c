/* inventory_chain.c: see inventory_chain.h. */
#include "tls/inventory_chain.h"

#include <stdio.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* The subject as RFC 2253 writes it, "CN=mx.example,O=Example". */
static void print_subject(X509 *certificate, char *out, size_t size)
{
    const uint8_t *bytes;
    size_t length;
    BIO *bio = BIO_new(BIO_s_mem());
    *out = '\0';
    if (bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0 &&
        BIO_mem_contents(bio, &bytes, &length) == 1) {
        snprintf(out, size, "%.*s", (int)length, (const char *)bytes);
    }
    BIO_free(bio);
}

/* "ECDSA (prime256v1)", as Postfix names keys. */
static void print_key(const EVP_PKEY *key, char *out, size_t size)
{
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
        snprintf(out, size, "RSA (%d bits)", EVP_PKEY_bits(key));
        break;
    case EVP_PKEY_EC:
        snprintf(out, size, "ECDSA (%s)",
                 OBJ_nid2sn(EC_GROUP_get_curve_name(EC_KEY_get0_group(ec))));
        break;
    case EVP_PKEY_ED25519:
        snprintf(out, size, "ED25519");
        break;
    default: {
        const char *name = OBJ_nid2sn(EVP_PKEY_id(key));
        snprintf(out, size, "%s", name != NULL ? name : "unknown");
    }
    }
}

/* A certificate's time as a number; 0 if it makes no sense. */
static time_t to_time(const ASN1_TIME *when)
{
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool good = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, when) == 1;
    ASN1_TIME_free(epoch);
    return good ? (time_t)days * 86400 + seconds : 0;
}

/* The DNS names of the subjectAltName, a blank between them. */
static void print_names(X509 *certificate, char *out, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t used = 0;
    *out = '\0';
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS) {
            continue;
        }
        const unsigned char *text = ASN1_STRING_get0_data(name->d.dNSName);
        int length = ASN1_STRING_length(name->d.dNSName);
        bool printable = length > 0;
        for (int k = 0; k < length; k++) {
            printable = printable && text[k] > ' ' && text[k] < 0x7f;
        }
        if (printable && used + (size_t)length + 2 <= size) {
            used += (size_t)snprintf(out + used, size - used, "%s%.*s", used > 0 ? " " : "", length,
                                     (const char *)text);
        }
    }
    GENERAL_NAMES_free(names);
}

/* What the leaf says. */
static void describe_leaf(X509 *leaf, struct tls_inventory_chain *out)
{
    const char *signature = OBJ_nid2ln(X509_get_signature_nid(leaf));
    print_subject(leaf, out->subject, sizeof out->subject);
    print_names(leaf, out->names, sizeof out->names);
    snprintf(out->signature, sizeof out->signature, "%s", signature != NULL ? signature : "");
    out->not_before = to_time(X509_get0_notBefore(leaf));
    out->not_after = to_time(X509_get0_notAfter(leaf));
    out->self_signed = X509_check_issued(leaf, leaf) == X509_V_OK ||
                       X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_issuer_name(leaf)) == 0;
}

void tls_inventory_describe_chain(const struct tls_credential *credential,
                                  struct tls_inventory_chain *out)
{
    X509 *before = NULL;
    *out = (struct tls_inventory_chain){.length = credential->chain_length,
                                        .in_order = true,
                                        .key_bits = EVP_PKEY_bits(credential->key),
                                        .ocsp = credential->ocsp != NULL};
    print_key(credential->key, out->key, sizeof out->key);
    snprintf(out->file, sizeof out->file, "%s", credential->file != NULL ? credential->file : "");
    for (size_t i = 0; i < credential->chain_length; i++) {
        X509 *certificate = X509_parse_from_buffer(credential->chain[i]);
        if (certificate == NULL) { /* it was parsed when it was loaded: memory is out */
            out->in_order = false;
            break;
        }
        time_t end = to_time(X509_get0_notAfter(certificate));
        if (before == NULL) {
            describe_leaf(certificate, out);
            out->chain_ends = end;
        } else if (X509_check_issued(certificate, before) != X509_V_OK) {
            out->in_order = false;
        }
        out->chain_ends = end < out->chain_ends ? end : out->chain_ends;
        X509_free(before);
        before = certificate;
    }
    X509_free(before);
    ERR_clear_error();
}
