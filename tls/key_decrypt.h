/*
 * key_decrypt.h: the server's half of RSA key exchange (RFC 5246 section 7.4.7.1), so that neither
 * a client nor a worker that has been taken over can use it as an oracle, or to sign.
 *
 * Whatever it is given, the outcome is a block with flawless padding: with the premaster secret of
 * the ciphertext if there is one, else with one that is derived from key and ciphertext, and the
 * same each time ("implicit rejection"). Which of the two it is shows neither in the block nor in
 * the time taken. The raw result of the private key operation never leaves.
 */
#ifndef GATEPOST_TLS_KEY_DECRYPT_H
#define GATEPOST_TLS_KEY_DECRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/base.h>

#define TLS_KEY_SECRET_SIZE 32

/* The secret that rejections are derived from; itself derived from the private KEY, so that it is
 * the same after a restart. False: no RSA key, or no memory. */
bool tls_key_decrypt_secret(const EVP_PKEY *key, uint8_t secret[TLS_KEY_SECRET_SIZE]);

/*
 * Decrypt INPUT to OUT, which has room for EVP_PKEY_size(KEY) bytes and gets just as many. False,
 * and nothing in OUT, only if memory is out or the key is too small for a premaster secret.
 */
bool tls_key_decrypt(EVP_PKEY *key, const uint8_t secret[TLS_KEY_SECRET_SIZE], const uint8_t *input,
                     size_t length, uint8_t *out);

#endif
