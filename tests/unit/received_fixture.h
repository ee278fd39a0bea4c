/*
 * received_fixture.h: a time, clients and a TLS connection, for the tests of header fields.
 */
#ifndef GATEPOST_TESTS_UNIT_RECEIVED_FIXTURE_H
#define GATEPOST_TESTS_UNIT_RECEIVED_FIXTURE_H

#include <arpa/inet.h>

#include "tls/summary.h"

#include "proxy/client_address.h"

#define NOON 1795311054 /* 2026-11-22 01:30:54 UTC */

static const struct client_address v4 = {.family = AF_INET, .bytes = {192, 0, 2, 1}};
static const struct client_address v6 = {.family = AF_INET6,
                                         .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

static const struct tls_summary tls13 = {
    .protocol = "TLSv1.3",
    .cipher = "TLS_AES_256_GCM_SHA384",
    .cipher_bits = 256,
    .cipher_algorithm_bits = 256,
    .key_exchange = "x25519",
    .server_signature = "ECDSA (prime256v1)",
    .server_digest = "SHA256",
};

#endif
