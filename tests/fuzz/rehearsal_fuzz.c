/*
 * rehearsal_fuzz.c: recorded ClientHellos, hostile ones among them, before the server that
 * rehearses (tls/rehearsal.h), above all the second pass: a HelloRetryRequest and the hello that
 * answers it.
 *
 * The first byte of an input says what is done with the rest: bit 0: it is changes to an honest
 * client's hello (two bytes of offset, one to XOR) instead of a hello; bits 1 and 2: the groups
 * that the client offers a share of come behind those that the server takes, which asks for a
 * retry, or not; bit 3: the rest is the body of a ServerHello instead.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/ssl.h>

#include "tls/context_private.h"
#include "tls/rehearsal.h"
#include "tls/rehearsal_retry.h"
#include "tls/selfsigned.h"

#define INPUT_MAX 20000
#define HEAD_LENGTH 9 /* of the record and of the handshake message */

static const uint16_t groups[] = {
    SSL_CURVE_X25519, SSL_CURVE_SECP256R1, SSL_CURVE_SECP384R1, 0, 0x0a0a, 0xffff};

/* A violated expectation is a crash. */
static void check(bool condition)
{
    if (!condition)
        abort();
}

/* A server with these groups. */
static struct tls_context *make_context(const char *names)
{
    static char ciphers[] = "HIGH";
    char curves[64];
    struct tls_credential item;
    struct tls_credentials credentials = {.items = &item, .count = 1};
    struct tls_policy policy = {.min_version = TLS_VERSION_1_0,
                                .max_version = TLS_VERSION_1_3,
                                .cipher_list = ciphers,
                                .curves = curves};
    struct diag diag = {0};

    strcpy(curves, names);
    check(tls_selfsigned_make(TLS_KEY_ECDSA_P256, "mx.test", 1, &item));
    struct tls_context *context = tls_context_new(&policy, &credentials, &diag);
    check(context != NULL);
    tls_credential_clear(&item);
    return context;
}

/* The body of an honest client's hello. Returns its length. */
static size_t honest_hello(SSL_CTX *context, uint8_t out[INPUT_MAX])
{
    SSL *client = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *to = BIO_new(BIO_s_mem());
    uint8_t record[INPUT_MAX];

    check(client != NULL && in != NULL && to != NULL);
    SSL_set_bio(client, in, to);
    SSL_set_connect_state(client);
    check(SSL_set_tlsext_host_name(client, "mx.test") == 1);
    (void)SSL_do_handshake(client);
    int length = BIO_read(to, record, sizeof(record));
    check(length > HEAD_LENGTH);
    memcpy(out, record + HEAD_LENGTH, (size_t)length - HEAD_LENGTH);
    SSL_free(client);
    ERR_clear_error();
    return (size_t)length - HEAD_LENGTH;
}

/* What holds of every result. */
static void check_result(const struct tls_rehearsal *result)
{
    check(strnlen(result->protocol, sizeof(result->protocol)) < sizeof(result->protocol));
    check(strnlen(result->cipher, sizeof(result->cipher)) < sizeof(result->cipher));
    check(strnlen(result->group, sizeof(result->group)) < sizeof(result->group));
    check(strnlen(result->chain, sizeof(result->chain)) < sizeof(result->chain));
    check(strnlen(result->reason, sizeof(result->reason)) < sizeof(result->reason));
    check(result->good == (*result->protocol != '\0'));
    check(result->good == (*result->cipher != '\0'));
    check(result->good == (*result->reason == '\0'));
    check(ERR_peek_error() == 0);
}

/* The hello that answers a HelloRetryRequest is one again, and asks for no other. */
static void check_retry(const uint8_t *hello, size_t length)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
        uint8_t *out = NULL, *again = NULL;
        size_t out_length = 0, again_length = 0;
        if (!rehearsal_retry_hello(hello, length, groups[i], &out, &out_length))
            continue;
        check(out_length <= length + UINT16_MAX);
        check(rehearsal_retry_hello(out, out_length, groups[i], &again, &again_length));
        check(again_length == out_length);
        OPENSSL_free(out);
        OPENSSL_free(again);
    }
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tls_context *contexts[4];
    static uint8_t honest[INPUT_MAX], hello[INPUT_MAX];
    static size_t honest_length;
    struct tls_rehearsal result, twice;
    uint16_t group;
    CBS body;

    if (honest_length == 0) {
        SSL_CTX *client = SSL_CTX_new(TLS_client_method());
        check(client != NULL && SSL_CTX_set1_curves_list(client, "X25519:P-256:P-384") == 1);
        contexts[0] = make_context("");
        contexts[1] = make_context("secp384r1");
        contexts[2] = make_context("prime256v1");
        contexts[3] = make_context("prime256v1 X25519");
        honest_length = honest_hello(client, honest);
        SSL_CTX_free(client);
        tls_rehearse(contexts[1], honest, honest_length, "here", &result);
        check(result.good && strcmp(result.group, "secp384r1") == 0);
    }
    if (size == 0 || size > INPUT_MAX)
        return 0;
    uint8_t mode = data[0];
    size_t length = size - 1;
    memcpy(hello, data + 1, length);
    if (mode & 8) {
        CBS_init(&body, hello, length);
        (void)rehearsal_retry_asks(body, &group);
        return 0;
    }
    if (mode & 1) {
        length = honest_length;
        memcpy(hello, honest, length);
        for (size_t at = 1; at + 3 <= size; at += 3)
            hello[((size_t)data[at] << 8 | data[at + 1]) % length] ^= data[at + 2];
    }
    struct tls_context *context = contexts[mode >> 1 & 3];
    tls_rehearse(context, hello, length, mode & 16 ? NULL : "main configuration", &result);
    check_result(&result);
    tls_rehearse(context, hello, length, mode & 16 ? NULL : "main configuration", &twice);
    check(tls_rehearsal_same(&result, &twice));
    check_retry(hello, length);
    return 0;
}
