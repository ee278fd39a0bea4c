/*
 * key_rules.h: what a TLS server signs, and with which key. Everything else the key process
 * refuses: a signature that can be had by asking would otherwise do for anything.
 */
#ifndef GATEPOST_TLS_KEY_RULES_H
#define GATEPOST_TLS_KEY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/base.h>

/* What is signed; the two cannot be taken for one another (RFC 8446 section 4.4.3). */
enum tls_signed_form {
    TLS_SIGNED_NOTHING,  /* neither of them */
    TLS_SIGNED_EXCHANGE, /* up to TLS 1.2: randoms and ServerKeyExchange with ECDHE (RFC 8422
                            section 5.4) */
    TLS_SIGNED_CERTIFICATE_VERIFY /* TLS 1.3: blanks, context string, transcript hash */
};
enum tls_signed_form tls_signed_form(const uint8_t *input, size_t length);

/* How a signature scheme is made. */
struct tls_signature_rule {
    uint16_t scheme;
    int key_type;              /* EVP_PKEY_... */
    const EVP_MD *(*md)(void); /* NULL: the scheme hashes by itself */
    int curve;                 /* TLS 1.3 demands it; 0: none */
    bool pss;
    bool before_tls13;
    bool in_tls13;
};

/* The rule by which KEY may sign INPUT of FORM with SCHEME, or NULL. */
const struct tls_signature_rule *tls_signature_rule(const EVP_PKEY *key, uint16_t scheme,
                                                    enum tls_signed_form form);

#endif
