/*
 * client_hello_fuzz.c: what gatepost reads from a ClientHello, against what the library makes of
 * the same bytes. Input: a byte of settings, then the body of a ClientHello; record and message
 * headers are put before it, so that its lengths are right.
 *
 * If the library answers with a ServerHello, the version in it is the one that hello_offer_read
 * named, and a suite of TLS 1.2 or older goes with a kind of key that hello_offer_has_suite allows;
 * if it named none, there is no ServerHello.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/nid.h>

#include "tls/context_private.h"
#include "tls/hello_offer.h"
#include "tls/selfsigned.h"

#define BODY_MAX 16000

/* What was read of the last ClientHello. */
static struct {
    bool seen;
    uint16_t version;
    bool ecdsa, rsa, rsa_first;
} offer_read;

static const struct tls_context *contexts[3];

static void check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "client_hello: %s\n", what);
        abort();
    }
}

/* A list of 16-bit numbers holds what it says it holds. */
static void check_list(CBS list)
{
    CBS copy = list;
    uint16_t value;
    while (CBS_get_u16(&copy, &value)) {
        check(hello_list_has(list, value), "a member is not found");
    }
    check(CBS_len(&copy) < 2, "a list has a rest");
}

/* The library's callback in front of gatepost's own. */
static int on_hello_cb(const SSL_CLIENT_HELLO *hello, const struct tls_context *context)
{
    struct hello_offer offer;
    hello_offer_read(&offer, hello, &context->groups);
    check_list(offer.groups);
    check_list(offer.suites);
    check_list(offer.schemes);
    offer_read.seen = true;
    offer_read.version = offer.version;
    offer_read.ecdsa = hello_offer_has_suite(&offer, NID_auth_ecdsa);
    offer_read.rsa = hello_offer_has_suite(&offer, NID_auth_rsa);
    offer_read.rsa_first = hello_offer_leads_with_rsa(&offer);
    check(!offer_read.rsa_first || offer_read.rsa, "RSA leads and is not there");
    return 1;
}

static enum ssl_select_cert_result_t on_hello(const SSL_CLIENT_HELLO *hello)
{
    const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(hello->ssl));
    return on_hello_cb(hello, context) ? ssl_select_cert_success : ssl_select_cert_error;
}

/* A server with the keys of WHICH: 0 ECDSA, 1 RSA, 2 both, which looks at the ClientHello itself.
 */
static struct tls_context *make_context(int which)
{
    static char ciphers[] = "HIGH:DES-CBC3-SHA", curves[] = "";
    struct tls_credential items[2];
    struct tls_credentials credentials = {.items = which == 1 ? items + 1 : items,
                                          .count = which == 2 ? 2 : 1};
    struct tls_policy policy = {.min_version = TLS_VERSION_1_0,
                                .max_version = TLS_VERSION_1_3,
                                .cipher_list = ciphers,
                                .curves = curves,
                                .server_preference = true,
                                .prioritize_chacha = which == 2,
                                .session_timeout = -1};
    struct diag diag = {0};
    check(tls_selfsigned_make(TLS_KEY_ECDSA_P256, "mx.test", 1, &items[0]) &&
              tls_selfsigned_make(TLS_KEY_RSA_2048, "mx.test", 1, &items[1]),
          "keys");
    struct tls_context *context = tls_context_new(&policy, &credentials, &diag);
    check(context != NULL, "context");
    tls_credential_clear(&items[0]);
    tls_credential_clear(&items[1]);
    if (which < 2) {
        SSL_CTX_set_select_certificate_cb(context->ssl, on_hello);
    }
    return context;
}

/* Record and message headers, and the body. */
static void feed(BIO *in, const uint8_t *body, size_t size)
{
    uint8_t head[9] = {22,
                       3,
                       1,
                       (uint8_t)((size + 4) >> 8),
                       (uint8_t)(size + 4),
                       1,
                       0,
                       (uint8_t)(size >> 8),
                       (uint8_t)size};
    check(BIO_write(in, head, sizeof head) == (int)sizeof head, "memory");
    check(size == 0 || BIO_write(in, body, (int)size) == (int)size, "memory");
}

/* The version in the ServerHello that OUT begins with; 0: there is none. */
static uint16_t answered_version(SSL *ssl, BIO *out)
{
    const uint8_t *bytes;
    size_t length;
    if (!BIO_mem_contents(out, &bytes, &length) || length < 6 || bytes[0] != 22 || bytes[5] != 2) {
        return 0;
    }
    return (uint16_t)SSL_version(ssl);
}

static void run(const struct tls_context *context, int which, const uint8_t *body, size_t size)
{
    SSL *ssl = SSL_new(context->ssl);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    check(ssl != NULL && in != NULL && out != NULL, "memory");
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_accept_state(ssl);
    offer_read.seen = false;
    feed(in, body, size);
    check(SSL_do_handshake(ssl) != 1, "a ClientHello is a whole handshake");
    uint16_t version = answered_version(ssl, out);
    if (version != 0 && which < 2) {
        check(offer_read.seen, "a ClientHello was not looked at");
        check(version == offer_read.version, "another version was negotiated");
        check(version >= TLS1_3_VERSION || (which == 0 ? offer_read.ecdsa : offer_read.rsa),
              "a suite was negotiated that was not there");
    }
    SSL_free(ssl);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > BODY_MAX) {
        return 0;
    }
    int which = data[0] % 3;
    if (contexts[which] == NULL) {
        contexts[which] = make_context(which);
    }
    run(contexts[which], which, data + 1, size - 1);
    return 0;
}
