/*
 * rehearsal.c: see rehearsal.h. The keys are those of a key client that nobody answers: when the
 * library waits for a signature it has chosen everything that the server has a say in, and sent the
 * certificate. With static RSA it waits for the client there. After a HelloRetryRequest the client
 * is played: the same hello again with a share for the group that was asked for
 * (tls/rehearsal_retry.h).
 */
#include "tls/rehearsal.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/mem.h>

#include "tls/context_private.h"
#include "tls/errors.h"
#include "tls/inventory_chain.h"
#include "tls/key_use.h"
#include "tls/names.h"
#include "tls/rehearsal_retry.h"
#include "tls/sni.h"

#define RECORD_MAX 16384

/* One performance. */
struct performance {
    SSL *ssl;
    struct tls_key_use keys;
    const struct tls_credentials *credentials;
    const struct tls_credential *presented;
    uint16_t retry_group; /* HelloRetryRequest asks for it; 0: there was none */
};

/* The library's message callback. */
static void on_message(int is_write, int version, int content_type, const void *bytes,
                       size_t length, SSL *ssl, void *arg)
{
    struct performance *performance = arg;
    CBS message, body;
    uint8_t type;
    uint16_t group;
    (void)version;
    CBS_init(&message, bytes, length);
    if (!is_write || content_type != SSL3_RT_HANDSHAKE || !CBS_get_u8(&message, &type) ||
        !CBS_get_u24_length_prefixed(&message, &body)) {
        return;
    }
    if (type == SSL3_MT_CERTIFICATE) {
        performance->presented = tls_sni_presented(performance->credentials, ssl, body);
    } else if (type == SSL3_MT_SERVER_HELLO && rehearsal_retry_asks(body, &group)) {
        performance->retry_group = group;
    }
}

/* Put the handshake message HELLO, whose body is given, in records before the server. */
static bool deliver(const struct performance *performance, const uint8_t *body, size_t length)
{
    uint8_t head[4] = {SSL3_MT_CLIENT_HELLO, (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                       (uint8_t)length};
    BIO *in = SSL_get_rbio(performance->ssl);
    bool good = length < 1 << 24;
    for (size_t at = 0, total = length + sizeof head; good && at < total;) {
        size_t part = total - at < RECORD_MAX ? total - at : RECORD_MAX;
        const uint8_t record[5] = {SSL3_RT_HANDSHAKE, 3, 1, (uint8_t)(part >> 8), (uint8_t)part};
        size_t of_head = at == 0 ? sizeof head : 0;
        good = BIO_write_all(in, record, sizeof record) == 1 &&
               BIO_write_all(in, head, of_head) == 1 &&
               BIO_write_all(in, body + at + of_head - sizeof head, part - of_head) == 1;
        at += part;
    }
    return good;
}

/* Let the server work. True: it waits for its key or for the client. */
static bool perform(const struct performance *performance)
{
    ERR_clear_error();
    int error = SSL_get_error(performance->ssl, SSL_do_handshake(performance->ssl));
    if (error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0) {
        tls_error_put_malformed_hello();
    }
    return error == SSL_ERROR_WANT_PRIVATE_KEY_OPERATION || error == SSL_ERROR_WANT_READ;
}

/* Answer a HelloRetryRequest. */
static bool perform_again(struct performance *performance, const uint8_t *hello, size_t length)
{
    uint8_t *second = NULL;
    size_t second_length;
    bool good =
        rehearsal_retry_hello(hello, length, performance->retry_group, &second, &second_length) &&
        deliver(performance, second, second_length) && perform(performance);
    OPENSSL_free(second);
    return good;
}

/* What was agreed. */
static void describe(const struct performance *performance, struct tls_rehearsal *result)
{
    const SSL *ssl = performance->ssl;
    const SSL_CIPHER *cipher = SSL_get_pending_cipher(ssl);
    struct tls_inventory_chain chain;
    result->good = true;
    snprintf(result->protocol, sizeof result->protocol, "%s", SSL_get_version(ssl));
    if (cipher != NULL) {
        snprintf(result->cipher, sizeof result->cipher, "%s", SSL_CIPHER_get_name(cipher));
    }
    snprintf(result->group, sizeof result->group, "%s",
             tls_group_printed_name(SSL_get_curve_id(ssl)));
    if (performance->presented != NULL) {
        tls_inventory_describe_chain(performance->presented, &chain);
        snprintf(result->chain, sizeof result->chain, "%s", chain.key);
    }
}

/* A server on its stage. False: no memory. */
static bool begin(struct performance *performance, const struct tls_context *context)
{
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    *performance = (struct performance){.credentials = context->credentials,
                                        .keys = {.credentials = context->credentials},
                                        .ssl = SSL_new(context->ssl)};
    if (in == NULL || out == NULL || performance->ssl == NULL) {
        BIO_free(in);
        BIO_free(out);
        return false;
    }
    SSL_set_bio(performance->ssl, in, out);
    SSL_set_accept_state(performance->ssl);
    SSL_set_msg_callback(performance->ssl, on_message);
    SSL_set_msg_callback_arg(performance->ssl, performance);
    tls_key_use_begin(&performance->keys, performance->ssl);
    return true;
}

/* Why the library refused: in its own words, and in better ones. */
static void explain(const struct tls_context *context, const uint8_t *hello, size_t length,
                    const char *place, struct tls_rehearsal *result)
{
    struct tls_error error;
    struct tls_offer offer;
    tls_error_take(&error);
    snprintf(result->reason, sizeof result->reason, "%s", error.reason);
    if (place != NULL) {
        tls_context_offer(context, hello, length, place, &offer);
        tls_hello_explain(hello, length, &offer, &result->words);
    }
}

void tls_rehearse(struct tls_context *context, const uint8_t *hello, size_t length,
                  const char *place, struct tls_rehearsal *result)
{
    struct performance performance;
    *result = (struct tls_rehearsal){0};
    ERR_clear_error();
    bool good = begin(&performance, context) && deliver(&performance, hello, length) &&
                perform(&performance);
    if (good && performance.retry_group != 0 && performance.presented == NULL) {
        good = perform_again(&performance, hello, length);
    }
    if (good && performance.presented != NULL) {
        describe(&performance, result);
    } else {
        explain(context, hello, length, place, result);
    }
    SSL_free(performance.ssl);
    tls_key_use_end(&performance.keys);
    ERR_clear_error();
}

bool tls_rehearsal_same(const struct tls_rehearsal *left, const struct tls_rehearsal *right)
{
    return left->good == right->good && strcmp(left->protocol, right->protocol) == 0 &&
           strcmp(left->cipher, right->cipher) == 0 && strcmp(left->group, right->group) == 0 &&
           strcmp(left->chain, right->chain) == 0 && strcmp(left->reason, right->reason) == 0 &&
           left->words.kind == right->words.kind &&
           strcmp(left->words.text, right->words.text) == 0;
}
