/*
 * tls_conn_fuzz.c: bytes from the network into the server's side of a handshake.
 *
 * The first byte of an input says how it is used: bit 0: an honest client shakes hands, and the
 * rest are changes to what it sends (two bytes of offset, one to XOR) instead of the server's whole
 * input; bit 1: the transport moves one byte at a time; bit 2: client certificates are asked for;
 * bits 3 and 4: the client's highest version.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/conn.h"
#include "tls/context_private.h"
#include "tls/selfsigned.h"

#define INPUT_MAX 20000

struct wire {
    uint8_t to_server[2 * INPUT_MAX];
    size_t written, read, step;
    bool ended;
    BIO *to_client; /* NULL if nobody listens */
};

/* A violated expectation is a crash. */
static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static ssize_t wire_recv(void *arg, void *buffer, size_t length)
{
    struct wire *wire = arg;
    size_t left = wire->written - wire->read;
    check(length > 0);
    if (left == 0) {
        errno = EAGAIN;
        return wire->ended ? 0 : -1;
    }
    length = length > left ? left : length;
    length = length > wire->step ? wire->step : length;
    memcpy(buffer, wire->to_server + wire->read, length);
    wire->read += length;
    return (ssize_t)length;
}

static ssize_t wire_send(void *arg, const void *buffer, size_t length)
{
    struct wire *wire = arg;
    length = length > wire->step ? wire->step : length;
    if (wire->to_client != NULL) {
        BIO_write(wire->to_client, buffer, (int)length);
    }
    return (ssize_t)length;
}

static struct tls_context *make_context(bool ask_ccert)
{
    static char ciphers[] = "HIGH:DES-CBC3-SHA", curves[] = "";
    struct tls_credential items[2];
    struct tls_credentials credentials = {.items = items, .count = 2};
    struct tls_policy policy = {.min_version = TLS_VERSION_1_0,
                                .max_version = TLS_VERSION_1_3,
                                .cipher_list = ciphers,
                                .curves = curves,
                                .tickets = true,
                                .session_timeout = 3600,
                                .ask_ccert = ask_ccert};
    struct diag diag = {0};
    check(tls_selfsigned_make(TLS_KEY_ECDSA_P256, "mx.test", 1, &items[0]) &&
          tls_selfsigned_make(TLS_KEY_RSA_2048, "mx.test", 1, &items[1]));
    struct tls_context *context = tls_context_new(&policy, &credentials, &diag);
    check(context != NULL);
    tls_credential_clear(&items[0]);
    tls_credential_clear(&items[1]);
    return context;
}

/* What holds of every result, whatever the peer did. */
static void check_result(struct tls_conn *conn, const struct wire *wire, enum tls_result result)
{
    switch (result) {
    case TLS_OK:
    case TLS_WANT_WRITE:
    case TLS_CLOSED:
        break;
    case TLS_WANT_READ:
        check(wire->read == wire->written && !wire->ended);
        break;
    case TLS_LOST:
        check(wire->ended && tls_conn_errno(conn) == 0);
        break;
    case TLS_WANT_KEY:
        check(false); /* the key is here */
        break;
    case TLS_FAILED:
        check(strlen(tls_conn_reason(conn)) > 0);
        check(strstr(tls_conn_error_text(conn), tls_conn_reason(conn)) != NULL);
        break;
    }
    check(ERR_peek_error() == 0);
}

/* After a handshake that came to its end: a summary, data, the close. */
static void use_connection(struct tls_conn *conn, struct wire *wire)
{
    struct tls_summary summary;
    char text[TLS_SUMMARY_TEXT_MAX], buffer[512];
    size_t count;
    enum tls_result result;
    tls_conn_summary(conn, &summary);
    check(strlen(tls_summary_text(&summary, text)) < sizeof text);
    check(strncmp(text, "TLSv1", 5) == 0 && *summary.cipher != '\0');
    result = tls_conn_write(conn, "250 ok\r\n", 8, &count);
    check_result(conn, wire, result);
    check((result == TLS_OK) == (count > 0));
    do {
        result = tls_conn_read(conn, buffer, sizeof buffer, &count);
        check_result(conn, wire, result);
        check((result == TLS_OK) == (count > 0));
    } while (result == TLS_OK);
    tls_conn_shutdown(conn);
}

/* Move what the client sent to the server, changed as the three bytes at each of CHANGES say. */
static void carry(BIO *from_client, struct wire *wire, const uint8_t *changes, size_t length)
{
    size_t before = wire->written;
    int count = BIO_read(from_client, wire->to_server + wire->written,
                         (int)(sizeof wire->to_server - wire->written));
    wire->written += count > 0 ? (size_t)count : 0;
    for (; length >= 3; changes += 3, length -= 3) {
        size_t at = (size_t)changes[0] << 8 | changes[1];
        if (at >= before && at < wire->written) {
            wire->to_server[at] ^= changes[2];
        }
    }
}

/* The server alone with the input. */
static void run_raw(struct tls_context *context, struct wire *wire, const uint8_t *data,
                    size_t size)
{
    struct tls_conn *conn =
        tls_conn_new(context, &(struct tls_transport){.recv = wire_recv, .send = wire_send}, wire);
    check(conn != NULL);
    memcpy(wire->to_server, data, size);
    wire->written = size;
    enum tls_result result = tls_conn_handshake(conn);
    check_result(conn, wire, result);
    check(result != TLS_OK); /* nobody guesses a Finished */
    if (result == TLS_WANT_READ) {
        wire->ended = true;
        result = tls_conn_handshake(conn);
        check(result == TLS_LOST);
        check_result(conn, wire, result);
    }
    tls_conn_shutdown(conn);
    tls_conn_free(conn);
}

/* A client whose bytes change on their way. */
static void run_client(struct tls_context *context, SSL_CTX *client_context, uint16_t version,
                       struct wire *wire, const uint8_t *data, size_t size)
{
    static const struct tls_transport transport = {.recv = wire_recv, .send = wire_send};
    SSL *client = SSL_new(client_context);
    BIO *out = BIO_new(BIO_s_mem());
    wire->to_client = BIO_new(BIO_s_mem());
    check(client != NULL && out != NULL && wire->to_client != NULL);
    BIO_set_mem_eof_return(out, -1);
    BIO_set_mem_eof_return(wire->to_client, -1);
    SSL_set_bio(client, wire->to_client, out);
    SSL_set_connect_state(client);
    check(SSL_set_max_proto_version(client, version) == 1);
    struct tls_conn *conn = tls_conn_new(context, &transport, wire);
    check(conn != NULL);
    enum tls_result result = TLS_WANT_READ;
    for (int round = 0; round < 10 && result == TLS_WANT_READ; round++) {
        ERR_clear_error();
        if (SSL_do_handshake(client) == 1) {
            SSL_write(client, "EHLO x\r\n", 8);
        }
        carry(out, wire, data, size);
        result = tls_conn_handshake(conn);
        check_result(conn, wire, result);
    }
    wire->ended = true;
    if (result == TLS_OK) {
        use_connection(conn, wire);
    }
    tls_conn_free(conn);
    wire->to_client = NULL;
    SSL_free(client);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tls_context *contexts[2];
    static SSL_CTX *client;
    static struct wire wire;
    if (client == NULL) {
        contexts[0] = make_context(false);
        contexts[1] = make_context(true);
        client = SSL_CTX_new(TLS_client_method());
        check(client != NULL && SSL_CTX_set_min_proto_version(client, TLS1_VERSION) == 1);
        const struct tls_credential *credential = &contexts[0]->credentials->items[0];
        check(SSL_CTX_set_chain_and_key(client, credential->chain, 1, credential->key, NULL) == 1);
    }
    if (size == 0 || size > INPUT_MAX) {
        return 0;
    }
    uint8_t mode = data[0];
    wire.written = wire.read = 0;
    wire.ended = false;
    wire.step = (mode & 2) != 0 ? 1 : SIZE_MAX;
    struct tls_context *context = contexts[(mode & 4) != 0];
    if ((mode & 1) == 0) {
        run_raw(context, &wire, data + 1, size - 1);
    } else {
        uint16_t version = (uint16_t)(TLS1_VERSION + (mode >> 3 & 3));
        run_client(context, client, version, &wire, data + 1, size - 1);
    }
    return 0;
}
