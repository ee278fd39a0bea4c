/*
 * key_answer_fuzz.c: a worker whose key process lies, dies, comes back or says nothing, while a
 * handshake waits for a signature. Input: records of a byte that says what happens and bytes up to
 * the record separator (0x1e). The handshake must succeed if and only if the right signature came
 * first, must not wait for what cannot come, and leave nothing behind.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>

#include "tls/chain_transfer.h"
#include "tls/conn.h"
#include "tls/context_private.h"
#include "tls/key_client.h"
#include "tls/key_message.h"
#include "tls/key_service.h"
#include "tls/selfsigned.h"

#define RECORD_END 0x1e
#define WIRE_MAX 20000

static struct tls_key_client *keys;
static struct tls_key_service *service;
static struct tls_context *context;
static SSL_CTX *client_context;

/* One run. */
struct run {
    struct tls_conn *conn;
    SSL *client;
    BIO *to_server, *to_client;
    uint8_t request[TLS_KEY_REQUEST_MAX];
    size_t request_length; /* 0: none was sent */
    bool connected;        /* there is a way to the key process */
    bool answered;         /* the right answer came while it was waited for */
    bool spoiled;          /* something else came first */
};
static struct run run;

static void check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "key_answer: %s\n", what);
        abort();
    }
}

/* The way to the key process. */
static int way_send(void *arg, const uint8_t *packet, size_t length)
{
    (void)arg;
    if (!run.connected) {
        errno = EPIPE;
        return -1;
    }
    memcpy(run.request, packet, length);
    run.request_length = length;
    return 0;
}

static ssize_t wire_recv(void *arg, void *buffer, size_t length)
{
    (void)arg;
    int got = BIO_read(run.to_server, buffer, (int)(length < WIRE_MAX ? length : WIRE_MAX));
    errno = EAGAIN;
    return got > 0 ? got : -1;
}

static ssize_t wire_send(void *arg, const void *buffer, size_t length)
{
    (void)arg;
    return BIO_write(run.to_client, buffer, (int)length);
}

static const struct tls_transport transport = {.recv = wire_recv, .send = wire_send};

/* A server whose key is with the service. */
static void make_server(void)
{
    static char ciphers[] = "HIGH", curves[] = "";
    struct tls_credential item;
    struct tls_credentials own = {.items = &item, .count = 1}, *chains;
    struct tls_policy policy = {.min_version = TLS_VERSION_1_2,
                                .max_version = TLS_VERSION_1_3,
                                .cipher_list = ciphers,
                                .curves = curves,
                                .session_timeout = -1};
    struct tls_chain_bytes bytes = {0};
    struct diag diag = {0};
    keys = tls_key_client_new(way_send, NULL);
    service = tls_key_service_new();
    check(tls_selfsigned_make(TLS_KEY_ECDSA_P256, "mx.test", 1, &item), "key");
    check(tls_key_service_add(service, &own, false) && tls_chains_write(&bytes, &own), "service");
    const uint8_t *cursor = bytes.bytes;
    size_t left = bytes.length;
    check(tls_chains_read(&cursor, &left, keys, &chains), "chains");
    free(bytes.bytes);
    context = tls_context_new(&policy, chains, &diag);
    tls_credentials_free(chains);
    tls_credential_clear(&item);
    client_context = SSL_CTX_new(TLS_client_method());
    check(context != NULL && client_context != NULL, "contexts");
}

/* The answer that belongs to the request. */
static void answer_right(void)
{
    uint8_t answer[TLS_KEY_ANSWER_MAX];
    if (run.request_length == 0) {
        return;
    }
    size_t length = tls_key_service_answer(service, run.request, run.request_length, answer, NULL);
    run.answered = run.answered || (run.connected && !run.spoiled);
    tls_key_client_receive(keys, answer, length);
}

/* Any bytes for an answer; OURS: they have the request's number. */
static void answer_wrong(const uint8_t *data, size_t length, bool ours)
{
    uint8_t *packet = malloc(length + 5);
    check(packet != NULL, "memory");
    memcpy(packet, run.request, 4);
    memcpy(packet + (ours ? 4 : 0), data, length);
    length += ours ? 4 : 0;
    struct tls_key_answer parsed;
    if (run.request_length > 0 && !run.answered && tls_key_answer_parse(packet, length, &parsed) &&
        memcmp(packet, run.request, 4) == 0) {
        run.spoiled = true;
    }
    tls_key_client_receive(keys, packet, length);
    free(packet);
}

/* The way to the key process is gone. */
static void lose(bool for_ever)
{
    if (run.request_length > 0 && !run.answered) {
        run.spoiled = true;
    }
    run.connected = false;
    if (for_ever) {
        run.spoiled = run.spoiled || !run.answered;
        tls_key_client_give_up(keys);
    } else {
        tls_key_client_lost(keys);
    }
}

static void event(uint8_t kind, const uint8_t *data, size_t length)
{
    switch (kind % 7) {
    case 0:
        answer_right();
        break;
    case 1:
        answer_wrong(data, length, true);
        break;
    case 2:
        answer_wrong(data, length, false);
        break;
    case 3:
        lose(false);
        break;
    case 4:
        lose(true);
        break;
    case 5:
        run.connected = true;
        tls_key_client_connected(keys);
        break;
    default:
        tls_key_client_flush(keys);
        break;
    }
}

/* Both ends work until the server waits or ends. */
static enum tls_result shake(void)
{
    enum tls_result result = TLS_WANT_READ;
    for (int i = 0; i < 6 && result == TLS_WANT_READ; i++) {
        ERR_clear_error();
        SSL_do_handshake(run.client);
        ERR_clear_error();
        result = tls_conn_handshake(run.conn);
    }
    return result;
}

static void begin(bool tls12)
{
    memset(&run, 0, sizeof run);
    run.client = SSL_new(client_context);
    run.to_server = BIO_new(BIO_s_mem());
    run.to_client = BIO_new(BIO_s_mem());
    run.conn = tls_conn_new(context, &transport, NULL);
    check(run.client != NULL && run.to_server != NULL && run.to_client != NULL && run.conn != NULL,
          "memory");
    BIO_set_mem_eof_return(run.to_server, -1);
    BIO_set_mem_eof_return(run.to_client, -1);
    SSL_set_bio(run.client, run.to_client, run.to_server);
    SSL_set_connect_state(run.client);
    check(SSL_set_max_proto_version(run.client, tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) == 1,
          "version");
    run.connected = true;
    tls_key_client_connected(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (context == NULL) {
        make_server();
    }
    if (size == 0 || size > WIRE_MAX) {
        return 0;
    }
    begin(data[0] & 1);
    bool way = (data[0] & 2) == 0; /* is there one when the handshake asks? */
    if (!way) {
        lose(false);
        run.spoiled = false;
    }
    enum tls_result result = shake();
    check(result == TLS_WANT_KEY && (run.request_length > 0) == way, "a key was not asked for");
    for (size_t at = 1; at < size; at++) {
        uint8_t kind = data[at++];
        const uint8_t *end = at < size ? memchr(data + at, RECORD_END, size - at) : NULL;
        size_t length = (end != NULL ? (size_t)(end - data) : size) - (at < size ? at : size);
        event(kind, data + at, length);
        at += length;
    }
    result = shake();
    if (run.answered) {
        check(result == TLS_OK, "the right signature was not enough");
    } else if (run.spoiled) {
        check(result == TLS_FAILED, "it did not fail");
    } else {
        check(result == TLS_WANT_KEY && tls_key_client_pending(keys) == 1, "it does not wait");
    }
    tls_conn_free(run.conn);
    SSL_free(run.client);
    check(tls_key_client_pending(keys) == 0, "something is left");
    ERR_clear_error();
    return 0;
}
