/*
 * tls_conn_test.c: connections that carry data, end too early, or are no TLS at all.
 */
#include "tests/unit/tls_duel.h"

#include <errno.h>
#include <openssl/bio.h>
#include <string.h>

/* ---- what is not TLS, and ends too early ---- */

static void test_garbage(void **state)
{
#define BYTES(text) text, sizeof text - 1
    static const struct {
        const char *bytes;
        size_t length;
        enum tls_result result;
        const char *reason;
        bool alert;
    } cases[] = {
        {BYTES("EHLO x\r\n"), TLS_FAILED, "wrong version number", true},
        {BYTES("QUIT\r\n"), TLS_FAILED, "wrong version number", true},
        {BYTES("GET / HTTP/1.0\r\n\r\n"), TLS_FAILED, "http request", false},
        {BYTES("CONNECT x:25 HTTP/1.0\r\n\r\n"), TLS_FAILED, "https proxy request", false},
        {BYTES("\x15\x03\x01\x00\x02\x02\x28"), TLS_FAILED, "sslv3 alert handshake failure", false},
        {BYTES("\x15\x03\x01\x00\x02\x02\x30"), TLS_FAILED, "tlsv1 alert unknown ca", false},
        {BYTES("\x15\x03\x01\x00\x02\x02\x46"), TLS_FAILED, "tlsv1 alert protocol version", false},
        {BYTES("\x17\x03\x01\x00\x01x"), TLS_FAILED, "unexpected record", true},
        {BYTES("\x16\x03\x01\xff\xff......"), TLS_FAILED, "encrypted length too long", true},
        /* SSLv3, nothing newer: one suite, no extensions. */
        {BYTES("\x16\x03\x00\x00\x2d\x01\x00\x00\x29\x03\x00"
               "01234567890123456789012345678901\x00\x00\x02\x00\x2f\x01\x00"),
         TLS_FAILED, "unsupported protocol", true},
        /* A ClientHello that says 48 bytes of extensions and has none. */
        {BYTES("\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03"
               "01234567890123456789012345678901\x00\x00\x02\x00\x2f\x01\x00\x00\x30"),
         TLS_FAILED, "decode error", true},
        /* The last extension is longer than the message: no library says why it refuses that. */
        {BYTES("\x16\x03\x01\x00\x35\x01\x00\x00\x31\x03\x03"
               "01234567890123456789012345678901\x00\x00\x02\x00\x2f\x01\x00\x00\x06"
               "\x00\x0d\x00\x14\x00\x12"),
         TLS_FAILED, "decode error", true},
        {BYTES("EHL"), TLS_WANT_READ, "", false},
        {BYTES(""), TLS_WANT_READ, "", false},
    };
    struct tls_context *context = server_context(&(struct tls_policy){0}, "ER");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct duel duel;
        duel_begin(&duel, context, ctx);
        if (cases[i].length > 0) {
            BIO_write(duel.to_server, cases[i].bytes, (int)cases[i].length);
        }
        enum tls_result result = tls_conn_handshake(duel.conn);
        if (result != cases[i].result ||
            (result == TLS_FAILED && strcmp(tls_conn_reason(duel.conn), cases[i].reason) != 0) ||
            (duel.sent > 0) != cases[i].alert) {
            fail_msg("case %zu: result %d: %s; %zu bytes sent", i, (int)result,
                     tls_conn_reason(duel.conn), duel.sent);
        }
        if (cases[i].alert) { /* the whole alert record is with the client */
            assert_int_equal(duel.sent, 7);
        }
        size_t count;
        char byte;
        if (result == TLS_FAILED) {
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_FAILED);
            assert_int_equal(tls_conn_write(duel.conn, "x", 1, &count), TLS_FAILED);
            assert_int_equal(count, 0);
            tls_conn_shutdown(duel.conn);
            assert_int_equal(duel.sent, cases[i].alert ? 7 : 0);
        }
        duel_end(&duel);
    }
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* The transport ends, one way or the other, after each number of bytes of the handshake. */
static void test_end_at_each_byte(void **state)
{
    static const int errors[] = {0, ECONNRESET};
    static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_context *context = server_context(&(struct tls_policy){0}, "ER");
    (void)state;
    for (int i = 0; i < 4; i++) {
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = versions[i / 2]});
        size_t limit = 0;
        for (enum tls_result result = TLS_LOST; result != TLS_OK; limit++) {
            struct duel duel;
            duel_begin(&duel, context, ctx);
            duel.receive_limit = limit;
            duel.end_errno = errors[i % 2];
            result = duel_handshake(&duel);
            if (result != TLS_OK) {
                assert_int_equal(result, TLS_LOST);
                assert_int_equal(tls_conn_errno(duel.conn), errors[i % 2]);
                assert_int_equal(tls_conn_handshake(duel.conn), TLS_LOST);
                assert_int_equal(tls_conn_errno(duel.conn), errors[i % 2]);
            }
            duel_end(&duel);
        }
        assert_true(limit > 200 && limit < 3000);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* The client does not take what the server sends: not now, or never again. */
static void test_send_fails(void **state)
{
    static const int errors[] = {0, EPIPE};
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct duel duel;
        size_t count;
        duel_begin(&duel, context, ctx);
        duel.send_limit = 100;
        duel.send_errno = errors[i];
        if (errors[i] == 0) {
            SSL_do_handshake(duel.client);
            assert_int_equal(tls_conn_handshake(duel.conn), TLS_WANT_WRITE);
            assert_int_equal(tls_conn_handshake(duel.conn), TLS_WANT_WRITE);
            assert_int_equal(duel_handshake(&duel), TLS_OK); /* lifts the limit */
            duel.send_limit = duel.sent + 10;
            assert_int_equal(tls_conn_write(duel.conn, "250 ok\r\n", 8, &count), TLS_WANT_WRITE);
            assert_int_equal(count, 0);
            duel.send_limit = SIZE_MAX;
            server_says(&duel, "250 ok\r\n");
        } else {
            assert_int_equal(duel_handshake(&duel), TLS_LOST);
            assert_int_equal(tls_conn_errno(duel.conn), EPIPE);
        }
        duel_end(&duel);
    }
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* ---- after the handshake ---- */

static void test_close(void **state)
{
    static const uint16_t versions[] = {TLS1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    (void)state;
    for (size_t i = 0; i < 4 * sizeof versions / sizeof versions[0]; i++) {
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = versions[i / 4]});
        struct duel duel;
        char byte;
        size_t count = 7;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        client_says(&duel, "NOOP\r\n");
        assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_WANT_READ);
        assert_int_equal(count, 0);
        size_t sent = duel.sent;
        switch (i % 4) {
        case 0: /* close_notify from the client; the server may still write */
            SSL_shutdown(duel.client);
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_CLOSED);
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_CLOSED);
            assert_int_equal(tls_conn_write(duel.conn, "221 bye\r\n", 9, &count), TLS_OK);
            break;
        case 1: /* end of file */
            duel.receive_limit = duel.received;
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_LOST);
            assert_int_equal(tls_conn_errno(duel.conn), 0);
            break;
        case 2:
            duel.receive_limit = duel.received;
            duel.end_errno = ECONNRESET;
            assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_LOST);
            assert_int_equal(tls_conn_errno(duel.conn), ECONNRESET);
            break;
        case 3: /* close_notify from the server, once, whole, as soon as there is room for it */
            duel.send_limit = sent;
            assert_int_equal(tls_conn_shutdown(duel.conn), TLS_WANT_WRITE);
            duel.send_limit += 3;
            assert_int_equal(tls_conn_shutdown(duel.conn), TLS_WANT_WRITE);
            duel.send_limit = SIZE_MAX;
            assert_int_equal(tls_conn_shutdown(duel.conn), TLS_OK);
            assert_true(duel.sent > sent + 3);
            sent = duel.sent;
            assert_int_equal(tls_conn_shutdown(duel.conn), TLS_OK);
            assert_int_equal(duel.sent, sent);
            assert_int_equal(SSL_read(duel.client, &byte, 1), 0);
            assert_int_equal(SSL_get_error(duel.client, 0), SSL_ERROR_ZERO_RETURN);
            break;
        }
        duel_end(&duel);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* A record that was changed on its way ends the connection with an alert. */
static void test_tampering(void **state)
{
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    struct duel duel;
    char record[64], byte;
    size_t count;
    (void)state;
    duel_begin(&duel, context, ctx);
    assert_int_equal(duel_handshake(&duel), TLS_OK);
    assert_int_equal(SSL_write(duel.client, "RSET\r\n", 6), 6);
    int length = BIO_read(duel.to_server, record, sizeof record);
    record[length - 1] ^= 1;
    assert_int_equal(BIO_write(duel.to_server, record, length), length);
    size_t sent = duel.sent;
    assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_FAILED);
    assert_string_equal(tls_conn_reason(duel.conn), "decryption failed or bad record mac");
    assert_true(duel.sent > sent);
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* A megabyte each way, in pieces of many sizes. */
static void test_bulk(void **state)
{
    enum { SIZE = 1024 * 1024 };
    static uint8_t pattern[SIZE], got[SIZE];
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    struct duel duel;
    (void)state;
    for (size_t i = 0; i < SIZE; i++) {
        pattern[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    duel_begin(&duel, context, ctx);
    assert_int_equal(duel_handshake(&duel), TLS_OK);
    for (size_t sent = 0, received = 0, turn = 1; received < SIZE; turn++) {
        size_t count;
        if (sent < SIZE) {
            size_t length = turn * 977 % 40000 + 1;
            length = length > SIZE - sent ? SIZE - sent : length;
            assert_int_equal(tls_conn_write(duel.conn, pattern + sent, length, &count), TLS_OK);
            sent += count;
        }
        int n;
        while ((n = SSL_read(duel.client, got + received, SIZE)) > 0) {
            received += (size_t)n;
        }
    }
    assert_memory_equal(got, pattern, SIZE);
    memset(got, 0, SIZE);
    for (size_t sent = 0, received = 0, turn = 1; received < SIZE; turn++) {
        size_t count, room = turn * 613 % 30000 + 1;
        if (sent < SIZE) {
            size_t length = SIZE - sent > 16384 ? 16384 : SIZE - sent;
            assert_int_equal(SSL_write(duel.client, pattern + sent, (int)length), (int)length);
            sent += length;
        }
        enum tls_result result = tls_conn_read(
            duel.conn, got + received, room > SIZE - received ? SIZE - received : room, &count);
        assert_true(result == TLS_OK || (result == TLS_WANT_READ && count == 0));
        received += count;
        if (tls_conn_pending(duel.conn)) { /* then nothing need arrive */
            size_t limit = duel.receive_limit;
            duel.receive_limit = duel.received;
            assert_int_equal(tls_conn_read(duel.conn, got + received, 1, &count), TLS_OK);
            duel.receive_limit = limit;
            received += count;
        }
    }
    assert_memory_equal(got, pattern, SIZE);
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_garbage),    cmocka_unit_test(test_end_at_each_byte),
        cmocka_unit_test(test_send_fails), cmocka_unit_test(test_close),
        cmocka_unit_test(test_tampering),  cmocka_unit_test(test_bulk),
    };
    return cmocka_run_group_tests(tests, duel_make_keys, duel_free_keys);
}
