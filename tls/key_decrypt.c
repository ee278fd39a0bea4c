/* key_decrypt.c: see key_decrypt.h. */
#include "tls/key_decrypt.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#define PREMASTER_SIZE 48
#define OVERHEAD 11 /* 00 02, at least 8 bytes of padding, 00 */
#define FILLER 0xa5 /* padding that is made here */

bool tls_key_decrypt_secret(const EVP_PKEY *key, uint8_t secret[TLS_KEY_SECRET_SIZE])
{
    static const char label[] = "gatepost implicit rejection";
    const RSA *rsa = EVP_PKEY_get0_RSA(key);
    const BIGNUM *exponent = NULL;
    if (rsa == NULL) {
        return false;
    }
    RSA_get0_key(rsa, NULL, NULL, &exponent);
    size_t size = RSA_size(rsa);
    uint8_t *bytes = exponent != NULL ? OPENSSL_malloc(size) : NULL;
    bool good =
        bytes != NULL && BN_bn2bin_padded(bytes, size, exponent) == 1 &&
        HMAC(EVP_sha256(), bytes, size, (const uint8_t *)label, sizeof label, secret, NULL) != NULL;
    if (bytes != NULL) {
        OPENSSL_cleanse(bytes, size);
    }
    OPENSSL_free(bytes);
    return good;
}

/* All bits set if VALUE is 0, else none; no branch. */
static uint8_t mask_if_zero(unsigned value)
{
    return (uint8_t)(((value | (0U - value)) >> (sizeof value * 8 - 1)) - 1U);
}

/* All bits set if BLOCK is 00 02, non-zero bytes, 00, premaster secret. */
static uint8_t mask_if_padded(const uint8_t *block, size_t size)
{
    uint8_t good = mask_if_zero(block[0]) & mask_if_zero(block[1] ^ 2U);
    for (size_t i = 2; i < size - PREMASTER_SIZE - 1; i++) {
        good &= (uint8_t)~mask_if_zero(block[i]);
    }
    return good & mask_if_zero(block[size - PREMASTER_SIZE - 1]);
}

/* The premaster secret for ciphertexts that hold none. */
static bool derive(const uint8_t secret[TLS_KEY_SECRET_SIZE], const uint8_t *input, size_t length,
                   uint8_t out[SHA384_DIGEST_LENGTH])
{
    _Static_assert(SHA384_DIGEST_LENGTH == PREMASTER_SIZE, "one hash is one secret");
    return HMAC(EVP_sha384(), secret, TLS_KEY_SECRET_SIZE, input, length, out, NULL) != NULL;
}

bool tls_key_decrypt(EVP_PKEY *key, const uint8_t secret[TLS_KEY_SECRET_SIZE], const uint8_t *input,
                     size_t length, uint8_t *out)
{
    uint8_t substitute[PREMASTER_SIZE];
    RSA *rsa = EVP_PKEY_get0_RSA(key);
    size_t size = rsa != NULL ? RSA_size(rsa) : 0, written = 0;
    if (size < PREMASTER_SIZE + OVERHEAD || !derive(secret, input, length, substitute)) {
        return false;
    }
    /* This fails for a number that is not below the modulus, or has not its length, which anybody
     * can see without the key. What is in OUT then is not padded. */
    memset(out, 0, size);
    bool done = RSA_decrypt(rsa, &written, out, size, input, length, RSA_NO_PADDING) == 1 &&
                written == size;
    ERR_clear_error();
    if (!done) {
        memset(out, 0, size);
    }
    uint8_t good = mask_if_padded(out, size);
    out[0] = 0;
    out[1] = 2;
    memset(out + 2, FILLER, size - PREMASTER_SIZE - 3);
    out[size - PREMASTER_SIZE - 1] = 0;
    uint8_t *premaster = out + size - PREMASTER_SIZE;
    for (size_t i = 0; i < PREMASTER_SIZE; i++) {
        premaster[i] = (uint8_t)((premaster[i] & good) | (substitute[i] & (uint8_t)~good));
    }
    OPENSSL_cleanse(substitute, sizeof substitute);
    return true;
}
