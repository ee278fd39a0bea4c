/*
 * names.h: BoringSSL's names of groups and signatures, and the ones that OpenSSL reads and Postfix
 * prints.
 */
#ifndef GATEPOST_TLS_NAMES_H
#define GATEPOST_TLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/base.h>

/* BoringSSL's spelling of a group that OpenSSL may call otherwise ("secp256r1", "prime256v1",
 * "p-256": all "P-256"; any case). NULL if the name is not in the table. */
const char *tls_group_library_name(const char *spelling);

/* The number of a group by BoringSSL's spelling; 0 if the name is not in the table. */
uint16_t tls_group_id(const char *library_name);

/* A group that OpenSSL knows and BoringSSL does not (X448, ffdhe2048, brainpoolP256r1, ...). */
bool tls_group_is_foreign(const char *spelling);

/* What Postfix prints after "key-exchange": "x25519", "secp256r1". Never NULL; static text, "" for
 * no group, "unknown" for a group without a name. */
const char *tls_group_printed_name(uint16_t group_id);

/* What Postfix prints for a CertificateVerify: "RSA-PSS (2048 bits)", "ECDSA (prime256v1)",
 * "ED25519". KEY is the signer's public or private key, NULL if it is not known. */
#define TLS_SIGNATURE_NAME_MAX 48
void tls_signature_name(uint16_t scheme, const EVP_PKEY *key, char out[TLS_SIGNATURE_NAME_MAX]);

/* "SHA256", or "" where the scheme has no digest of its own (Ed25519). Static text. */
const char *tls_signature_digest(uint16_t scheme);

#endif
