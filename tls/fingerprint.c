/* fingerprint.c: see fingerprint.h. */
#include "tls/fingerprint.h"

#include <ctype.h>
#include <string.h>

#include <openssl/digest.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#define DIGEST_NAME_MAX 16

/* The digest that NAME, in any case, stands for, or NULL. The library knows the names in lower case
 * and in upper case only. */
static const EVP_MD *find_digest(const char *name)
{
    char lower[DIGEST_NAME_MAX];
    size_t length = strlen(name);
    if (length >= sizeof lower) {
        return NULL;
    }
    for (size_t i = 0; i <= length; i++) {
        lower[i] = (char)tolower((unsigned char)name[i]);
    }
    return EVP_get_digestbyname(lower);
}

/* The digest of LENGTH bytes (nothing to be read if that is not positive), which are freed. */
static bool print_digest(uint8_t *der, int length, const char *name, char out[TLS_FINGERPRINT_MAX])
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    const EVP_MD *digest = find_digest(name);
    bool good = length > 0 && digest != NULL &&
                EVP_Digest(der, (size_t)length, bytes, &count, digest, NULL) == 1;
    OPENSSL_free(der);
    *out = '\0';
    for (unsigned i = 0; good && i < count; i++) {
        out[3 * i] = digits[bytes[i] >> 4];
        out[3 * i + 1] = digits[bytes[i] & 15];
        out[3 * i + 2] = i + 1 < count ? ':' : '\0';
    }
    return good;
}

bool tls_fingerprint_certificate(X509 *certificate, const char *name, char out[TLS_FINGERPRINT_MAX])
{
    uint8_t *der = NULL;
    int length = i2d_X509(certificate, &der);
    return print_digest(der, length, name, out);
}

bool tls_fingerprint_key(X509 *certificate, const char *name, char out[TLS_FINGERPRINT_MAX])
{
    uint8_t *der = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    return print_digest(der, length, name, out);
}

/* Step over the colons at P. */
static const char *skip_colons(const char *p)
{
    return p + strspn(p, ":");
}

bool tls_fingerprint_is_listed(const char *fingerprint, const char *list)
{
    if (*fingerprint == '\0') {
        return false; /* no digest could be made */
    }
    for (const char *item = list;; item++) {
        const char *a = skip_colons(fingerprint), *b = skip_colons(item);
        while (*a != '\0' && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
            a = skip_colons(a + 1);
            b = skip_colons(b + 1);
        }
        if (*a == '\0' && (*b == '|' || *b == '\0')) {
            return true;
        }
        item += strcspn(item, "|");
        if (*item == '\0') {
            return false;
        }
    }
}
