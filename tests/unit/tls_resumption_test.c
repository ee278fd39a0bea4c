/*
 * tls_resumption_test.c: session resumption: tickets, their keys, and what keeps policies apart.
 */
#include "tests/unit/tls_duel.h"

#include <stdio.h>
#include <string.h>

/* ---- resumption ---- */

static void test_resumption(void **state)
{
    static const struct {
        uint16_t version;
        const char *first, *second;
    } cases[] = {
        {TLS1_VERSION, "TLSv1 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)",
         "TLSv1 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)"},
        {TLS1_2_VERSION, "TLSv1.2 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)",
         "TLSv1.2 with cipher ECDHE-RSA-AES128-SHA (128/128 bits)"},
        {TLS1_3_VERSION,
         " key-exchange x25519 server-signature RSA-PSS (2048 bits) server-digest SHA256",
         " key-exchange x25519"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_context *context = server_context(&(struct tls_policy){0}, "R");
        SSL_CTX *ctx = client_context(&(struct client_spec){
            .max = cases[i].version, .ciphers = "ECDHE-RSA-AES128-SHA", .curves = "X25519"});
        keep_sessions(ctx);
        for (int round = 0; round < 2; round++) {
            struct duel duel;
            struct tls_summary summary;
            char text[TLS_SUMMARY_TEXT_MAX];
            duel_begin(&duel, context, ctx);
            if (round == 1) {
                assert_non_null(saved_session);
                assert_true(SSL_set_session(duel.client, saved_session));
            }
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            server_says(&duel, "220 hello\r\n");
            client_says(&duel, "QUIT\r\n");
            assert_int_equal(SSL_session_reused(duel.client), round);
            tls_conn_summary(duel.conn, &summary);
            assert_int_equal(summary.resumed, round);
            const char *wanted = round == 0 ? cases[i].first : cases[i].second;
            tls_summary_text(&summary, text);
            assert_true(strlen(text) >= strlen(wanted));
            assert_string_equal(text + strlen(text) - strlen(wanted), wanted);
            if (round == 0) {
                assert_int_equal(sessions_seen, 1); /* one ticket, not two */
            }
            duel_end(&duel);
        }
        forget_session();
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

/* smtpd_tls_session_cache_timeout = 0: no tickets. */
static void test_no_tickets(void **state)
{
    static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_context *context = server_context(&(struct tls_policy){.session_timeout = -1}, "E");
    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = versions[i]});
        struct duel duel;
        keep_sessions(ctx);
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        server_says(&duel, "220 hello\r\n");
        /* TLS 1.2 gives the client a session that names no ticket. */
        assert_true(saved_session == NULL || !SSL_SESSION_has_ticket(saved_session));
        forget_session();
        duel_end(&duel);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* Two contexts that share their ticket keys, as if nothing else told them apart. */
static void share_tickets(struct tls_context *first, struct tls_context *second)
{
    struct tls_ticket_keys *keys = tls_ticket_keys_new(1800, tls_ticket_keys_clock(false));
    tls_context_share_tickets(first, keys);
    tls_context_share_tickets(second, keys);
    tls_ticket_keys_unref(keys);
}

/* A session of one policy is worth nothing under another that asks for something else. */
static void test_no_resumption_across_policies(void **state)
{
    static char list[] = "AES128-SHA:HIGH", curves[] = "X25519", match[] = "AB:CD",
                other_match[] = "AB:CE", sha512[] = "sha512";
    static const struct tls_policy policies[] = {
        {0},
        {.min_version = TLS_VERSION_1_2},
        {.max_version = TLS_VERSION_1_2},
        {.cipher_list = list},
        {.curves = curves},
        {.server_preference = true},
        {.ask_ccert = true},
        {.require_ccert = true},
        {.match = match},
        {.match = other_match},
        {.match = match, .fingerprint_digest = sha512},
        {.ask_ccert = true, .verify_depth = 5},
        {.ask_ccert = true, .trust_server_ccerts = true},
    };
    const size_t count = sizeof policies / sizeof policies[0];
    (void)state;
    for (size_t i = 0; i < count * count; i++) {
        struct tls_context *first = server_context(&policies[i / count], "R");
        struct tls_context *second = server_context(&policies[i % count], "R");
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = TLS1_2_VERSION});
        keep_sessions(ctx);
        share_tickets(first, second);
        for (int round = 0; round < 2; round++) {
            struct duel duel;
            duel_begin(&duel, round == 0 ? first : second, ctx);
            if (round > 0) {
                assert_true(SSL_set_session(duel.client, saved_session));
            }
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            server_says(&duel, "220 hello\r\n");
            bool same = i / count == i % count;
            if (SSL_session_reused(duel.client) != (round > 0 && same)) {
                fail_msg("policies %zu and %zu, round %d", i / count, i % count, round);
            }
            duel_end(&duel);
        }
        forget_session();
        SSL_CTX_free(ctx);
        tls_context_unref(first);
        tls_context_unref(second);
    }
}

/* ---- keys ---- */

/* Each cipher encrypts tickets that can be read again, in each version. */
static void test_ticket_ciphers(void **state)
{
    assert_null(tls_tickets_new("camellia-256-cbc", 3600));
    static char names[][12] = {"aes-256-cbc", "aes-192-cbc", "aes-128-cbc"};
    static const uint16_t versions[] = {TLS1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    for (size_t i = 0; i < 9; i++) {
        struct tls_context *context =
            server_context(&(struct tls_policy){.ticket_cipher = names[i / 3]}, "E");
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = versions[i % 3]});
        keep_sessions(ctx);
        for (int round = 0; round < 2; round++) {
            struct duel duel;
            duel_begin(&duel, context, ctx);
            if (round == 1) {
                assert_true(SSL_set_session(duel.client, saved_session));
            }
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            server_says(&duel, "220 hello\r\n");
            assert_int_equal(SSL_session_reused(duel.client), round);
            if (round == 0 && versions[i % 3] == TLS1_3_VERSION) {
                /* A second less if the clock has moved on since the session was made. */
                assert_in_range(SSL_SESSION_get_timeout(saved_session), 3599, 3600);
            }
            duel_end(&duel);
        }
        forget_session();
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

/* smtpd_tls_always_issue_session_ids: an id even where there is nothing to resume. */
static void test_session_ids(void **state)
{
    (void)state;
    for (int ids = 0; ids < 2; ids++) {
        struct tls_context *context =
            server_context(&(struct tls_policy){.session_timeout = -1, .session_ids = ids}, "E");
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = TLS1_2_VERSION});
        for (int round = 0; round < 2; round++) {
            struct duel duel;
            unsigned length = 0;
            duel_begin(&duel, context, ctx);
            if (round == 1) {
                SSL_set_session(duel.client, saved_session);
            } else {
                keep_sessions(ctx);
            }
            assert_int_equal(duel_handshake(&duel), TLS_OK);
            server_says(&duel, "220 hello\r\n");
            SSL_SESSION_get_id(SSL_get_session(duel.client), &length);
            assert_int_equal(length > 0, ids);
            assert_false(SSL_session_reused(duel.client));
            duel_end(&duel);
            if (saved_session == NULL) {
                break; /* without an id the client has nothing to come back with */
            }
        }
        forget_session();
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_no_tickets),
        cmocka_unit_test(test_no_resumption_across_policies),
        cmocka_unit_test(test_ticket_ciphers),
        cmocka_unit_test(test_session_ids),
    };
    return cmocka_run_group_tests(tests, duel_make_keys, duel_free_keys);
}
