/*
 * suites.h: what any cipher suite is made of, also those that the library does not know: for saying
 * what a client offers.
 */
#ifndef GATEPOST_TLS_SUITES_H
#define GATEPOST_TLS_SUITES_H

#include <stdint.h>

/* X(identifier, words) */
#define SUITE_EXCHANGES(X)                                                                         \
    X(ECDHE, "ECDHE")                                                                              \
    X(DHE, "DHE")                                                                                  \
    X(RSA, "RSA")                                                                                  \
    X(ECDH, "static ECDH")                                                                         \
    X(DH, "static DH")                                                                             \
    X(PSK, "PSK")                                                                                  \
    X(ANON, "anonymous")                                                                           \
    X(EXPORT, "export-grade")                                                                      \
    X(OTHER, "exotic")                                                                             \
    X(TLS13, "TLS 1.3")

#define SUITE_ENCRYPTIONS(X)                                                                       \
    X(AES256_GCM, "AES-256-GCM")                                                                   \
    X(AES128_GCM, "AES-128-GCM")                                                                   \
    X(CHACHA20, "ChaCha20")                                                                        \
    X(AES256_CBC, "AES-256-CBC")                                                                   \
    X(AES128_CBC, "AES-128-CBC")                                                                   \
    X(AES_CCM, "AES-CCM")                                                                          \
    X(CAMELLIA, "Camellia")                                                                        \
    X(ARIA, "ARIA")                                                                                \
    X(SEED, "SEED")                                                                                \
    X(IDEA, "IDEA")                                                                                \
    X(GOST, "GOST")                                                                                \
    X(TRIPLE_DES, "3DES")                                                                          \
    X(RC4, "RC4")                                                                                  \
    X(RC2, "RC2")                                                                                  \
    X(DES, "DES")                                                                                  \
    X(NULL_CIPHER, "no encryption")

#define SUITE_EXCHANGE_ROW(id, words) SUITE_EXCHANGE_##id,
enum suite_exchange { SUITE_EXCHANGES(SUITE_EXCHANGE_ROW) SUITE_EXCHANGE_COUNT };
#undef SUITE_EXCHANGE_ROW

#define SUITE_ENCRYPTION_ROW(id, words) SUITE_ENCRYPTION_##id,
enum suite_encryption { SUITE_ENCRYPTIONS(SUITE_ENCRYPTION_ROW) SUITE_ENCRYPTION_COUNT };
#undef SUITE_ENCRYPTION_ROW

/* What the server's certificate must be. */
enum suite_certificate {
    SUITE_CERTIFICATE_RSA,
    SUITE_CERTIFICATE_ECDSA,
    SUITE_CERTIFICATE_ANY,
    SUITE_CERTIFICATE_OTHER /* DSS, or there is none */
};

struct suite {
    uint16_t number;
    uint8_t exchange;    /* enum suite_exchange */
    uint8_t certificate; /* enum suite_certificate */
    uint8_t encryption;  /* enum suite_encryption */
    const char *name;    /* OpenSSL's, "AES128-SHA" */
};

/* NULL: nobody knows it (or it is no suite: GREASE, SCSV). */
const struct suite *suite_find(uint16_t number);

#endif
