/*
 * key_client_test.c: handshakes whose keys are elsewhere: all versions and kinds of keys, with
 * answers that come late, in another order, wrong, or not at all.
 */
#include "tests/unit/tls_duel.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <stdlib.h>
#include <string.h>

#include "tls/chain_transfer.h"
#include "tls/key_client.h"
#include "tls/key_message.h"
#include "tls/key_service.h"
#include "tls/sni.h"

/* The way between the client and the service: packets that lie there until they are carried. */
#define PACKETS_MAX 8
static struct {
    uint8_t bytes[PACKETS_MAX][TLS_KEY_REQUEST_MAX];
    size_t lengths[PACKETS_MAX];
    size_t count;
    size_t room; /* packets that it takes before EAGAIN */
} way;

static struct tls_key_client *keys;
static struct tls_key_service *service;
static unsigned ready_calls;

static int way_send(void *arg, const uint8_t *packet, size_t length)
{
    (void)arg;
    if (way.count >= way.room) {
        errno = EAGAIN;
        return -1;
    }
    assert_true(length <= sizeof way.bytes[0]);
    memcpy(way.bytes[way.count], packet, length);
    way.lengths[way.count++] = length;
    return 0;
}

/* Answer the request at INDEX and forget it. */
static void carry(size_t index)
{
    uint8_t answer[TLS_KEY_ANSWER_MAX];
    assert_true(index < way.count);
    size_t length =
        tls_key_service_answer(service, way.bytes[index], way.lengths[index], answer, NULL);
    way.count--;
    memmove(way.bytes[index], way.bytes[index + 1], (way.count - index) * sizeof way.bytes[0]);
    memmove(&way.lengths[index], &way.lengths[index + 1],
            (way.count - index) * sizeof way.lengths[0]);
    tls_key_client_receive(keys, answer, length);
}

static int set_up(void **state)
{
    return duel_make_keys(state);
}

static int begin(void **state)
{
    (void)state;
    way.count = 0;
    way.room = PACKETS_MAX;
    ready_calls = 0;
    keys = tls_key_client_new(way_send, NULL);
    service = tls_key_service_new();
    tls_key_client_connected(keys);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    assert_int_equal(tls_key_client_pending(keys), 0);
    tls_key_client_free(keys);
    tls_key_service_free(service);
    return 0;
}

/* A server whose chains came by transfer; the service has the keys. */
static struct tls_context *remote_context_of(const struct tls_policy *base,
                                             const struct tls_credentials *credentials)
{
    struct tls_chain_bytes bytes = {0};
    struct tls_credentials *public;
    assert_true(tls_key_service_add(service, credentials, true));
    assert_true(tls_chains_write(&bytes, credentials));
    const uint8_t *cursor = bytes.bytes;
    size_t left = bytes.length;
    assert_true(tls_chains_read(&cursor, &left, keys, &public));
    free(bytes.bytes);
    struct tls_context *context = server_context_of(base, public);
    tls_credentials_free(public);
    return context;
}

static struct tls_context *remote_context(const struct tls_policy *base,
                                          const struct tls_credential *credential)
{
    struct tls_credential copy = *credential;
    return remote_context_of(base, &(struct tls_credentials){.items = &copy, .count = 1});
}

/* Let both ends work until the server waits for its key, or ends. */
static enum tls_result until_key(struct duel *duel)
{
    enum tls_result result = duel_handshake(duel);
    if (result == TLS_WANT_KEY) {
        /* Asking again, and what the client sends meanwhile, changes nothing. */
        assert_int_equal(tls_conn_handshake(duel->conn), TLS_WANT_KEY);
    }
    return result;
}

/* ---- versions and keys ---- */

static void handshakes(void **state)
{
    static const struct {
        uint16_t version;
        const struct tls_credential *credential;
        const char *ciphers;
    } cases[] = {
        {TLS1_VERSION, &ecdsa, ""},       {TLS1_VERSION, &rsa, "kECDHE"},
        {TLS1_VERSION, &rsa, "kRSA"},     {TLS1_1_VERSION, &ecdsa, ""},
        {TLS1_1_VERSION, &rsa, "kECDHE"}, {TLS1_1_VERSION, &rsa, "kRSA"},
        {TLS1_2_VERSION, &ecdsa, ""},     {TLS1_2_VERSION, &ecdsa384, ""},
        {TLS1_2_VERSION, &rsa, "kECDHE"}, {TLS1_2_VERSION, &rsa, "kRSA"},
        {TLS1_3_VERSION, &ecdsa, ""},     {TLS1_3_VERSION, &ecdsa384, ""},
        {TLS1_3_VERSION, &rsa, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_context *context =
            remote_context(&(struct tls_policy){.level = TLS_LEVEL_MAY}, cases[i].credential);
        SSL_CTX *ctx = client_context(&(struct client_spec){
            .min = cases[i].version, .max = cases[i].version, .ciphers = cases[i].ciphers});
        struct duel duel;
        duel_begin(&duel, context, ctx);
        if (until_key(&duel) != TLS_WANT_KEY) {
            fail_msg("case %zu: no request: %s", i, tls_conn_reason(duel.conn));
        }
        assert_int_equal(way.count, 1);
        carry(0);
        if (duel_handshake(&duel) != TLS_OK) {
            fail_msg("case %zu: %s", i, tls_conn_reason(duel.conn));
        }
        server_says(&duel, "220 hello\r\n");
        client_says(&duel, "EHLO\r\n");
        assert_int_equal(tls_key_client_pending(keys), 0);
        duel_end(&duel);
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

static void ed25519_key(void **state)
{
    static const uint16_t schemes[] = {SSL_SIGN_ED25519, 0};
    struct tls_context *context = remote_context(&(struct tls_policy){0}, &ed25519);
    SSL_CTX *ctx = client_context(&(struct client_spec){.schemes = schemes});
    struct duel duel;
    (void)state;
    duel_begin(&duel, context, ctx);
    assert_int_equal(until_key(&duel), TLS_WANT_KEY);
    carry(0);
    assert_int_equal(duel_handshake(&duel), TLS_OK);
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* Of several keys the one that suits the client is asked for, also by name. */
static void right_key(void **state)
{
    static const uint16_t rsa_only[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256, 0};
    struct tls_credential defaults[] = {ecdsa, rsa}, named[] = {ecdsa384, rsa};
    struct tls_credentials set = {.items = named, .count = 2};
    struct tls_sni_set sets[] = {{.credentials = &set}};
    struct tls_sni_name names[] = {{"other.test", 0}};
    struct tls_sni_table sni = {
        .names = names, .name_count = 1, .sets = sets, .set_count = 1, .references = 1};
    const struct tls_credentials credentials = {.items = defaults, .count = 2, .sni = &sni};
    const struct {
        const char *name;
        const uint16_t *schemes;
        const char *signature;
    } cases[] = {
        {NULL, NULL, "ECDSA (prime256v1)"},        {NULL, rsa_only, "RSA-PSS (2048 bits)"},
        {"other.test", NULL, "ECDSA (secp384r1)"}, {"other.test", rsa_only, "RSA-PSS (2048 bits)"},
        {"x.test", NULL, "ECDSA (prime256v1)"},
    };
    struct tls_context *context = remote_context_of(&(struct tls_policy){0}, &credentials);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SSL_CTX *ctx = client_context(
            &(struct client_spec){.server_name = cases[i].name, .schemes = cases[i].schemes});
        struct tls_summary summary;
        struct duel duel;
        duel_begin(&duel, context, ctx);
        assert_int_equal(until_key(&duel), TLS_WANT_KEY);
        carry(0);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        tls_conn_summary(duel.conn, &summary);
        assert_string_equal(summary.server_signature, cases[i].signature);
        duel_end(&duel);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* ---- several connections ---- */

#define MANY 4
static struct {
    struct tls_context *context;
    SSL_CTX *ctx;
    struct duel duels[MANY];
} many;

static void many_begin(void)
{
    many.context = remote_context(&(struct tls_policy){0}, &ecdsa);
    many.ctx = client_context(&(struct client_spec){0});
    for (size_t i = 0; i < MANY; i++) {
        duel_begin(&many.duels[i], many.context, many.ctx);
        assert_int_equal(until_key(&many.duels[i]), TLS_WANT_KEY);
    }
    assert_int_equal(tls_key_client_pending(keys), MANY);
}

static void many_end(void)
{
    for (size_t i = 0; i < MANY; i++) {
        duel_end(&many.duels[i]);
    }
    SSL_CTX_free(many.ctx);
    tls_context_unref(many.context);
}

/* All requests are under way at once, and answered from the last to the first. */
static void other_order(void **state)
{
    (void)state;
    many_begin();
    assert_int_equal(way.count, MANY);
    for (size_t i = MANY; i > 0; i--) {
        carry(i - 1);
        assert_int_equal(duel_handshake(&many.duels[i - 1]), TLS_OK);
    }
    many_end();
}

/* What the way does not take waits until it does. */
static void full_way(void **state)
{
    (void)state;
    way.room = 1;
    many_begin();
    assert_int_equal(way.count, 1);
    for (size_t i = 0; i < MANY; i++) {
        carry(0);
        assert_int_equal(duel_handshake(&many.duels[i]), TLS_OK);
        assert_int_equal(tls_key_client_flush(keys), i < MANY - 2);
    }
    many_end();
}

/* A connection that ends while it waits leaves nothing; its answer is dropped. */
static void ends_while_waiting(void **state)
{
    (void)state;
    many_begin();
    duel_end(&many.duels[1]);
    assert_int_equal(tls_key_client_pending(keys), MANY - 1);
    while (way.count > 0) {
        carry(0);
    }
    assert_int_equal(duel_handshake(&many.duels[0]), TLS_OK);
    assert_int_equal(duel_handshake(&many.duels[2]), TLS_OK);
    duel_begin(&many.duels[1], many.context, many.ctx);
    many_end();
}

/* ---- when it goes wrong ---- */

static void assert_key_failure(struct duel *duel)
{
    assert_int_equal(duel_handshake(duel), TLS_FAILED);
    assert_string_equal(tls_conn_reason(duel->conn), "private key operation failed");
    assert_int_equal(tls_conn_handshake(duel->conn), TLS_FAILED);
}

/* The key process dies: what it was asked fails, what was not sent yet is for the next one. */
static void lost(void **state)
{
    (void)state;
    way.room = 2;
    many_begin();
    tls_key_client_lost(keys);
    way.count = 0;
    assert_key_failure(&many.duels[0]);
    assert_key_failure(&many.duels[1]);
    assert_int_equal(duel_handshake(&many.duels[2]), TLS_WANT_KEY);
    assert_int_equal(tls_key_client_pending(keys), 2);
    assert_false(tls_key_client_flush(keys)); /* there is nobody */
    tls_key_client_connected(keys);
    assert_int_equal(way.count, 2);
    carry(0);
    carry(0);
    assert_int_equal(duel_handshake(&many.duels[2]), TLS_OK);
    assert_int_equal(duel_handshake(&many.duels[3]), TLS_OK);
    many_end();
}

/* No other comes: all fail, new ones at once; until one is there after all. */
static void given_up(void **state)
{
    struct duel late;
    (void)state;
    many_begin();
    tls_key_client_lost(keys);
    way.count = 0;
    tls_key_client_give_up(keys);
    for (size_t i = 0; i < MANY; i++) {
        assert_key_failure(&many.duels[i]);
    }
    duel_begin(&late, many.context, many.ctx);
    assert_key_failure(&late);
    duel_end(&late);
    tls_key_client_connected(keys);
    duel_begin(&late, many.context, many.ctx);
    assert_int_equal(until_key(&late), TLS_WANT_KEY);
    carry(0);
    assert_int_equal(duel_handshake(&late), TLS_OK);
    duel_end(&late);
    many_end();
}

/* Answers that were not asked for, or are no answers, change nothing. */
static void stray_answers(void **state)
{
    uint8_t packet[TLS_KEY_ANSWER_MAX + 1] = {0};
    (void)state;
    many_begin();
    for (size_t length = 0; length <= sizeof packet; length += length < 16 ? 1 : 999) {
        tls_key_client_receive(keys, packet, length);
    }
    const struct tls_key_answer stray = {.id = 0x77777777, .output = packet, .output_length = 64};
    uint8_t bytes[TLS_KEY_ANSWER_MAX];
    tls_key_client_receive(keys, bytes, tls_key_answer_write(&stray, bytes));
    assert_int_equal(tls_key_client_pending(keys), MANY);
    while (way.count > 0) {
        carry(0);
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(duel_handshake(&many.duels[i]), TLS_OK);
    }
    many_end();
}

/* A refusal, and an output that is longer than any signature of this key. */
static void bad_answers(void **state)
{
    uint8_t bytes[TLS_KEY_ANSWER_MAX], output[TLS_KEY_OUTPUT_MAX] = {0};
    struct tls_key_request request;
    (void)state;
    many_begin();
    for (size_t i = 0; i < 3; i++) {
        const struct tls_key_answer answers[] = {
            {.status = TLS_KEY_UNKNOWN_KEY},
            {.status = TLS_KEY_DONE, .output = output, .output_length = sizeof output},
            {.status = TLS_KEY_DONE, .output = output, .output_length = 64}, /* no signature */
        };
        struct tls_key_answer answer = answers[i];
        assert_true(tls_key_request_parse(way.bytes[i], way.lengths[i], &request));
        answer.id = request.id;
        tls_key_client_receive(keys, bytes, tls_key_answer_write(&answer, bytes));
        if (i < 2) {
            assert_key_failure(&many.duels[i]);
        } else {
            assert_int_not_equal(duel_handshake(&many.duels[i]), TLS_OK);
        }
    }
    carry(3);
    assert_int_equal(duel_handshake(&many.duels[3]), TLS_OK);
    many_end();
}

/* What waits is bounded. */
static void bounded(void **state)
{
    enum { MORE = TLS_KEY_PENDING_MAX + 1 };
    struct tls_context *context = remote_context(&(struct tls_policy){0}, &ecdsa);
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    struct duel *duels = calloc(MORE, sizeof *duels);
    (void)state;
    way.room = 0;
    for (size_t i = 0; i < MORE; i++) {
        duel_begin(&duels[i], context, ctx);
        enum tls_result result = duel_handshake(&duels[i]);
        if (result != (i < TLS_KEY_PENDING_MAX ? TLS_WANT_KEY : TLS_FAILED)) {
            fail_msg("connection %zu: %d", i, (int)result);
        }
    }
    for (size_t i = 0; i < MORE; i++) {
        duel_end(&duels[i]);
    }
    free(duels);
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* ---- being told ---- */

struct told {
    struct tls_conn *conn;
    BIO *in, *out;
    SSL *client;
};

static ssize_t told_recv(void *arg, void *buffer, size_t length)
{
    int count = BIO_read(((struct told *)arg)->in, buffer, (int)length);
    errno = EAGAIN;
    return count > 0 ? count : -1;
}

static ssize_t told_send(void *arg, const void *buffer, size_t length)
{
    return BIO_write(((struct told *)arg)->out, buffer, (int)length);
}

/* As a driver may: end the connection in the call that says it can go on. */
static void told_ready(void *arg)
{
    struct told *told = arg;
    ready_calls++;
    tls_conn_free(told->conn);
    told->conn = NULL;
}

/* The owner is told once for each, and may free the connection in that call. */
static void ready_may_free(void **state)
{
    static const struct tls_transport transport = {
        .recv = told_recv, .send = told_send, .key_ready = told_ready};
    struct tls_context *context = remote_context(&(struct tls_policy){0}, &ecdsa);
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    struct told all[3];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct told *told = &all[i];
        told->client = SSL_new(ctx);
        told->in = BIO_new(BIO_s_mem());
        told->out = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(told->out, -1);
        BIO_set_mem_eof_return(told->in, -1);
        SSL_set_bio(told->client, told->out, told->in);
        SSL_set_connect_state(told->client);
        SSL_do_handshake(told->client);
        told->conn = tls_conn_new(context, &transport, told);
        assert_int_equal(tls_conn_handshake(told->conn), TLS_WANT_KEY);
    }
    carry(0);
    assert_int_equal(ready_calls, 1);
    assert_null(all[0].conn);
    tls_key_client_lost(keys);
    assert_int_equal(ready_calls, 3);
    assert_null(all[2].conn);
    for (size_t i = 0; i < 3; i++) {
        SSL_free(all[i].client);
    }
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

#define KEY_TEST(function) cmocka_unit_test_setup_teardown(function, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEY_TEST(handshakes),  KEY_TEST(ed25519_key), KEY_TEST(right_key),
        KEY_TEST(other_order), KEY_TEST(full_way),    KEY_TEST(ends_while_waiting),
        KEY_TEST(lost),        KEY_TEST(given_up),    KEY_TEST(stray_answers),
        KEY_TEST(bad_answers), KEY_TEST(bounded),     KEY_TEST(ready_may_free),
    };
    return cmocka_run_group_tests_name("key_client", tests, set_up, duel_free_keys);
}
