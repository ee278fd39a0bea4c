/*
 * handshake_reason_test.c: whole handshakes that fail, each with the kind and the words that must
 * come out.
 */
#include "tests/unit/tls_duel.h"

#include <errno.h>
#include <openssl/bio.h>
#include <stdio.h>
#include <string.h>

#define MAIN "main configuration"

static const struct tls_failure_site main_site = {.place = MAIN, .began = "STARTTLS"};

static void check_reason(const struct tls_failure_reason *reason, enum tls_failure kind,
                         const char *text, size_t number)
{
    assert_non_null(reason);
    if (reason->kind != kind || strcmp(reason->text, text) != 0) {
        fail_msg("case %zu: %s: %s\nexpected %s: %s", number, tls_failure_name(reason->kind),
                 reason->text, tls_failure_name(kind), text);
    }
}

/* ---- names ---- */

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < TLS_FAILURE_COUNT; i++) {
        const char *name = tls_failure_name((enum tls_failure)i);
        assert_int_equal(tls_failure_find(name), i);
        assert_true(i == TLS_FAILURE_NONE || strlen(name) > 2);
    }
    assert_int_equal(tls_failure_find("no such thing"), TLS_FAILURE_NONE);
}

/* ---- what the two sides offer does not fit ---- */

static const uint16_t only_rsa[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256, 0};
static const uint16_t only_ecdsa[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, 0};
static const uint16_t only_p384[] = {SSL_SIGN_ECDSA_SECP384R1_SHA384, 0};

static const struct {
    struct tls_policy policy;
    const char *certificates;
    struct client_spec client;
    enum tls_failure kind;
    const char *text;
} misfits[] = {
    {{.min_version = TLS_VERSION_1_2},
     "E",
     {.max = TLS1_VERSION},
     TLS_FAILURE_PROTOCOL_TOO_OLD,
     "offers TLS 1.0 at most; this peer's policy (main configuration) needs TLS 1.2"},
    {{.min_version = TLS_VERSION_1_3},
     "E",
     {.max = TLS1_2_VERSION},
     TLS_FAILURE_PROTOCOL_TOO_OLD,
     "offers TLS 1.2 at most; this peer's policy (main configuration) needs TLS 1.3"},
    {{.max_version = TLS_VERSION_1_2},
     "E",
     {.min = TLS1_3_VERSION},
     TLS_FAILURE_PROTOCOL_TOO_NEW,
     "offers TLS 1.3 only; this peer's policy (main configuration) allows TLS 1.2 at most"},
    {{.max_version = TLS_VERSION_1_1},
     "E",
     {.min = TLS1_2_VERSION},
     TLS_FAILURE_PROTOCOL_TOO_NEW,
     "offers TLS 1.2 at least; this peer's policy (main configuration) allows TLS 1.1 at most"},
    {{.cipher_list = "ECDHE+AES"},
     "ER",
     {.max = TLS1_2_VERSION, .ciphers = "kRSA+AES"},
     TLS_FAILURE_ONLY_RSA_KEY_EXCHANGE,
     "offers only RSA key exchange; this peer's policy (main configuration) needs ECDHE"},
    {{.cipher_list = "AES128-SHA:ECDHE+AESGCM"},
     "ER",
     {.max = TLS1_VERSION, .ciphers = "DES-CBC3-SHA"},
     TLS_FAILURE_NO_SHARED_CIPHER,
     "offers only 3DES; this peer's policy (main configuration) needs AES-128-CBC"},
    {{.cipher_list = "ECDHE+AESGCM"},
     "R",
     {.max = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-SHA:AES128-GCM-SHA256"},
     TLS_FAILURE_NO_SHARED_CIPHER,
     "offers only AES-128-CBC with ECDHE; this peer's policy (main configuration) needs "
     "AES-256-GCM or AES-128-GCM"},
    {{.cipher_list = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"},
     "ER",
     {.max = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"},
     TLS_FAILURE_NO_SHARED_CIPHER,
     "offers only ECDHE-RSA-AES128-GCM-SHA256; this peer's policy (main configuration) does not "
     "have it"},
    {{.curves = "X25519:P-256"},
     "E",
     {.curves = "P-384:P-521"},
     TLS_FAILURE_NO_SHARED_GROUP,
     "offers none of the groups X25519 and P-256 of this peer's policy (main configuration), only "
     "P-384 and P-521"},
    {{.curves = "X25519"},
     "R",
     {.max = TLS1_2_VERSION, .curves = "P-256", .ciphers = "ECDHE+AES"},
     TLS_FAILURE_NO_SHARED_GROUP,
     "offers none of the groups X25519 of this peer's policy (main configuration), only P-256"},
    {{0},
     "E",
     {.schemes = only_rsa},
     TLS_FAILURE_NO_CERTIFICATE_TYPE,
     "cannot verify ECDSA and no RSA certificate is configured"},
    {{0},
     "E",
     {.schemes = only_rsa, .max = TLS1_2_VERSION},
     TLS_FAILURE_NO_CERTIFICATE_TYPE,
     "cannot verify ECDSA and no RSA certificate is configured"},
    {{0},
     "E",
     {.ciphers = "ECDHE-RSA-AES128-SHA:AES128-SHA", .max = TLS1_1_VERSION},
     TLS_FAILURE_NO_CERTIFICATE_TYPE,
     "cannot verify ECDSA and no RSA certificate is configured"},
    {{0},
     "R",
     {.schemes = only_ecdsa},
     TLS_FAILURE_NO_CERTIFICATE_TYPE,
     "cannot verify RSA and no ECDSA certificate is configured"},
    {{0},
     "E",
     {.schemes = only_p384},
     TLS_FAILURE_NO_CERTIFICATE_TYPE,
     "cannot verify ECDSA (P-256) in TLS 1.3, by its signature_algorithms and supported_groups"},
    {{0},
     "D",
     {.schemes = only_rsa, .max = TLS1_2_VERSION},
     TLS_FAILURE_NO_CERTIFICATE_TYPE,
     "cannot verify Ed25519 and no RSA certificate is configured"},
    {{0},
     "E",
     {.alpn = "\x02h2\x08http/1.1"},
     TLS_FAILURE_ALPN,
     "wants to speak h2, http/1.1 (ALPN), not smtp"},
    {{0},
     "E",
     {.alpn = "\x04st\x01p", .max = TLS1_2_VERSION},
     TLS_FAILURE_ALPN,
     "wants to speak st?p (ALPN), not smtp"},
};

static void test_misfits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof misfits / sizeof misfits[0]; i++) {
        struct tls_context *context = server_context(&misfits[i].policy, misfits[i].certificates);
        SSL_CTX *ctx = client_context(&misfits[i].client);
        struct duel duel;
        duel_begin(&duel, context, ctx);
        assert_null(tls_conn_failure(duel.conn));
        enum tls_result result = duel_handshake(&duel);
        if (result != TLS_FAILED) {
            fail_msg("case %zu: result %d", i, (int)result);
        }
        const struct tls_failure_reason *reason = tls_conn_explain(duel.conn, &main_site);
        check_reason(reason, misfits[i].kind, misfits[i].text, i);
        assert_ptr_equal(tls_conn_failure(duel.conn), reason);
        assert_ptr_equal(tls_conn_explain(duel.conn, &main_site), reason);
        duel_end(&duel);
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

static void test_place_of_the_policy(void **state)
{
    static const struct {
        const char *place;
        const char *shown;
    } cases[] = {
        {"/etc/gatepost/tls_policy.cidr, line 12", "/etc/gatepost/tls_policy.cidr, line 12"},
        {"/a/very/long/path/that/goes/on/and/on/and/on/and/on/and/on/to/tls_policy.cidr, line "
         "12345",
         "...at/goes/on/and/on/and/on/and/on/and/on/to/tls_policy.cidr, line 12345"},
        {"/a\n\xff, line 1", "/a??, line 1"},
    };
    struct tls_context *context =
        server_context(&(struct tls_policy){.min_version = TLS_VERSION_1_2}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){.max = TLS1_1_VERSION});
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_failure_site site = {.place = cases[i].place, .began = "CONNECT"};
        char text[TLS_FAILURE_TEXT_MAX];
        struct duel duel;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_FAILED);
        snprintf(text, sizeof text, "offers TLS 1.1 at most; this peer's policy (%s) needs TLS 1.2",
                 cases[i].shown);
        check_reason(tls_conn_explain(duel.conn, &site), TLS_FAILURE_PROTOCOL_TOO_OLD, text, i);
        duel_end(&duel);
    }
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* ---- bytes that are no good ClientHello ---- */

#define RANDOM "01234567890123456789012345678901"
#define BYTES(text) text, sizeof text - 1

static const struct {
    const char *bytes;
    size_t length;
    enum tls_failure kind;
    const char *text;
} openings[] = {
    {BYTES("EHLO x\r\n"), TLS_FAILURE_NOT_TLS, "spoke SMTP where TLS was expected (EHLO)"},
    {BYTES("mail from:<a@b>\r\n"), TLS_FAILURE_NOT_TLS, "spoke SMTP where TLS was expected (mail)"},
    {BYTES("STARTTLS\r\n"), TLS_FAILURE_NOT_TLS, "spoke SMTP where TLS was expected"},
    {BYTES("GET / HTTP/1.0\r\n\r\n"), TLS_FAILURE_NOT_TLS,
     "spoke HTTP where TLS was expected (GET)"},
    {BYTES("CONNECT x:25 HTTP/1.0\r\n\r\n"), TLS_FAILURE_NOT_TLS,
     "spoke HTTP where TLS was expected"},
    {BYTES("SSH-2.0-x\r\n"), TLS_FAILURE_NOT_TLS, "spoke SSH where TLS was expected (SSH)"},
    {BYTES("\xde\xad\xbe\xef\xff...."), TLS_FAILURE_NOT_TLS,
     "sent bytes that are not TLS where TLS was expected"},
    {BYTES("\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x01\x00\x80" RANDOM),
     TLS_FAILURE_PROTOCOL_TOO_OLD,
     "offers SSL 2.0 only; this peer's policy (main configuration) needs TLS 1.0"},
    /* The same form, but for SSL 3.0 and one suite. */
    {BYTES("\x80\x1c\x01\x03\x00\x00\x03\x00\x00\x00\x10\x00\x00\x2f"
           "0123456789012345"),
     TLS_FAILURE_PROTOCOL_TOO_OLD,
     "offers SSL 3.0 at most; this peer's policy (main configuration) needs TLS 1.0"},
    {BYTES("\x80\x1f\x01\x03\x01\x00\x06\x00\x00\x00\x10\x01\x00\x80\x00\x00\x05"
           "0123456789012345"),
     TLS_FAILURE_NO_SHARED_CIPHER,
     "offers only RC4; this peer's policy (main configuration) needs AES-256-CBC, AES-128-CBC or "
     "3DES"},
    {BYTES("\x16\x03\x00\x00\x2d\x01\x00\x00\x29\x03\x00" RANDOM "\x00\x00\x02\x00\x2f\x01\x00"),
     TLS_FAILURE_PROTOCOL_TOO_OLD,
     "offers SSL 3.0 at most; this peer's policy (main configuration) needs TLS 1.0"},
    {BYTES("\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" RANDOM
           "\x00\x00\x02\x00\x2f\x01\x00\x00\x30"),
     TLS_FAILURE_MALFORMED, "sent a ClientHello that is malformed in the length of its extensions"},
    {BYTES("\x16\x03\x01\x00\x35\x01\x00\x00\x31\x03\x03" RANDOM
           "\x00\x00\x02\x00\x2f\x01\x00\x00\x06\x00\x0d\x00\x14\x00\x12"),
     TLS_FAILURE_MALFORMED,
     "sent a ClientHello that is malformed in the extensions: one is longer than the message"},
    {BYTES("\x16\x03\x01\x00\x2b\x01\x00\x00\x27\x03\x03" RANDOM "\x00\x00\x00\x01\x00"),
     TLS_FAILURE_MALFORMED, "sent a ClientHello that is malformed in the list of cipher suites"},
    {BYTES("\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" RANDOM "\x00\x00\x02\x00\x2f\x01\x01"),
     TLS_FAILURE_MALFORMED, "offers no connection without compression"},
    {BYTES("\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x00"), TLS_FAILURE_MALFORMED,
     "sent a ClientHello that is malformed in the beginning: it is too short"},
    {BYTES("\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x02" RANDOM
           "\x00\x00\x04\x56\x00\x00\x2f\x01\x00"),
     TLS_FAILURE_FALLBACK,
     "fell back to TLS 1.1 (TLS_FALLBACK_SCSV) after another attempt failed; this peer's policy "
     "(main configuration) allows TLS 1.3"},
    /* Camellia, SEED and DHE: suites of which the library knows nothing. */
    {BYTES("\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x01" RANDOM
           "\x00\x00\x06\x00\x33\x00\x39\x00\x13\x01\x00"),
     TLS_FAILURE_NO_SHARED_CIPHER,
     "offers only DHE key exchange; this peer's policy (main configuration) needs ECDHE or RSA"},
    {BYTES("\x16\x03\x01\x00\x33\x01\x00\x00\x2f\x03\x01" RANDOM
           "\x00\x00\x08\x00\x05\x00\x04\x00\x41\x0a\x0a\x01\x00"),
     TLS_FAILURE_NO_SHARED_CIPHER,
     "offers only Camellia and RC4; this peer's policy (main configuration) needs AES-256-CBC, "
     "AES-128-CBC or 3DES"},
    {BYTES("\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01" RANDOM "\x00\x00\x02\x0a\x0a\x01\x00"),
     TLS_FAILURE_NO_SHARED_CIPHER, "offers no cipher suite for TLS 1.0"},
    {BYTES("\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" RANDOM "\x00\x00\x02\xc0\x2b\x01\x00"),
     TLS_FAILURE_NO_SHARED_GROUP,
     "offers none of the groups X25519, P-256 and P-384 of this peer's policy (main "
     "configuration): it names none at all"},
    {BYTES("\x15\x03\x01\x00\x02\x02\x28"), TLS_FAILURE_CLIENT_ALERT,
     "refused to go on after STARTTLS: handshake failure (alert)"},
    {BYTES("\x15\x03\x01\x00\x02\x02\x99"), TLS_FAILURE_CLIENT_ALERT,
     "refused to go on after STARTTLS: alert 153"},
    {BYTES("\x17\x03\x01\x00\x01x"), TLS_FAILURE_MALFORMED,
     "sent what cannot be read as TLS: unexpected record, within its ClientHello"},
};

static void test_openings(void **state)
{
    struct tls_context *context =
        server_context(&(struct tls_policy){.curves = "X25519:P-256:P-384"}, "ER");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    (void)state;
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        for (size_t step = 0; step < 2; step++) {
            struct duel duel;
            duel_begin(&duel, context, ctx);
            duel.step = step;
            BIO_write(duel.to_server, openings[i].bytes, (int)openings[i].length);
            enum tls_result result = tls_conn_handshake(duel.conn);
            if (result != TLS_FAILED) {
                fail_msg("case %zu: result %d", i, (int)result);
            }
            check_reason(tls_conn_explain(duel.conn, &main_site), openings[i].kind,
                         openings[i].text, i);
            duel_end(&duel);
        }
    }
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* ---- the client goes, or says nothing more ---- */

static const struct {
    const char *bytes; /* sent instead of a good ClientHello; NULL: that */
    int end;           /* errno; 0: closed; -1: it stays, and time is over */
    enum tls_failure kind;
    const char *text;
} ends[] = {
    {"", 0, TLS_FAILURE_CLIENT_CLOSED, "closed without a word after STARTTLS"},
    {"\x16\x03\x01", 0, TLS_FAILURE_CLIENT_CLOSED, "closed within its ClientHello"},
    {NULL, 0, TLS_FAILURE_CLIENT_CLOSED, "closed after ServerHello (tickets? certificate?)"},
    {"", ECONNRESET, TLS_FAILURE_CLIENT_CLOSED,
     "lost the connection after STARTTLS: Connection reset by peer"},
    {NULL, ECONNRESET, TLS_FAILURE_CLIENT_CLOSED,
     "lost the connection after ServerHello: Connection reset by peer"},
    {"", -1, TLS_FAILURE_TIMEOUT, "said nothing in time after STARTTLS"},
    {"\x16", -1, TLS_FAILURE_TIMEOUT, "said nothing in time but a part of its ClientHello"},
    {NULL, -1, TLS_FAILURE_TIMEOUT, "said nothing in time after ServerHello"},
    {"QUIT", 0, TLS_FAILURE_NOT_TLS, "spoke SMTP where TLS was expected (QUIT)"},
    {"EHLO", -1, TLS_FAILURE_NOT_TLS, "spoke SMTP where TLS was expected (EHLO)"},
};

static void test_ends(void **state)
{
    static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_context *context = server_context(&(struct tls_policy){0}, "ER");
    (void)state;
    for (size_t i = 0; i < 2 * sizeof ends / sizeof ends[0]; i++) {
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = versions[i % 2]});
        struct tls_failure_site site = main_site;
        struct duel duel;
        duel_begin(&duel, context, ctx);
        if (ends[i / 2].bytes == NULL) {
            SSL_do_handshake(duel.client);
        } else if (*ends[i / 2].bytes != '\0') {
            BIO_write(duel.to_server, ends[i / 2].bytes, (int)strlen(ends[i / 2].bytes));
        }
        assert_int_equal(tls_conn_handshake(duel.conn), TLS_WANT_READ);
        if (ends[i / 2].end >= 0) {
            duel.receive_limit = duel.received;
            duel.end_errno = ends[i / 2].end;
            assert_int_equal(tls_conn_handshake(duel.conn), TLS_LOST);
        }
        site.timed_out = ends[i / 2].end < 0;
        check_reason(tls_conn_explain(duel.conn, &site), ends[i / 2].kind, ends[i / 2].text, i / 2);
        duel_end(&duel);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* After a HelloRetryRequest. */
static void test_end_after_retry(void **state)
{
    struct tls_context *context =
        server_context(&(struct tls_policy){.curves = "P-384:X25519"}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){.curves = "P-256:P-384"});
    struct duel duel;
    (void)state;
    duel_begin(&duel, context, ctx);
    SSL_do_handshake(duel.client);
    assert_int_equal(tls_conn_handshake(duel.conn), TLS_WANT_READ);
    duel.receive_limit = duel.received;
    assert_int_equal(tls_conn_handshake(duel.conn), TLS_LOST);
    check_reason(tls_conn_explain(duel.conn, &main_site), TLS_FAILURE_CLIENT_CLOSED,
                 "closed after HelloRetryRequest", 0);
    duel_end(&duel);
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* ---- the client refuses ---- */

static uint8_t alert_to_send;

static enum ssl_verify_result_t refuse(SSL *ssl, uint8_t *alert)
{
    (void)ssl;
    *alert = alert_to_send;
    return ssl_verify_invalid;
}

static void test_refusals(void **state)
{
    static const struct {
        uint8_t alert;
        enum tls_failure kind;
        const char *text;
    } cases[] = {
        {SSL_AD_UNKNOWN_CA, TLS_FAILURE_CERTIFICATE_REFUSED,
         "refused our certificate: unknown CA (alert)"},
        {SSL_AD_CERTIFICATE_EXPIRED, TLS_FAILURE_CERTIFICATE_REFUSED,
         "refused our certificate: certificate expired (alert)"},
        {SSL_AD_BAD_CERTIFICATE, TLS_FAILURE_CERTIFICATE_REFUSED,
         "refused our certificate: bad certificate (alert)"},
        {SSL_AD_HANDSHAKE_FAILURE, TLS_FAILURE_CLIENT_ALERT,
         "refused to go on after ServerHello: handshake failure (alert)"},
    };
    static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_context *context = server_context(&(struct tls_policy){0}, "ER");
    (void)state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        SSL_CTX *ctx = client_context(&(struct client_spec){.max = versions[i % 2]});
        struct duel duel;
        SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, refuse);
        alert_to_send = cases[i / 2].alert;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_FAILED);
        check_reason(tls_conn_explain(duel.conn, &main_site), cases[i / 2].kind, cases[i / 2].text,
                     i / 2);
        duel_end(&duel);
        SSL_CTX_free(ctx);
    }
    tls_context_unref(context);
}

/* As OpenSSL's clients do it with TLS 1.3: in cleartext, which the library cannot read. */
static void test_refusal_in_cleartext(void **state)
{
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    (void)state;
    for (size_t step = 0; step < 8; step++) {
        struct duel duel;
        duel_begin(&duel, context, ctx);
        duel.step = step;
        SSL_do_handshake(duel.client);
        assert_int_equal(tls_conn_handshake(duel.conn), TLS_WANT_READ);
        BIO_write(duel.to_server, "\x15\x03\x03\x00\x02\x02\x30", 7);
        assert_int_equal(tls_conn_handshake(duel.conn), TLS_FAILED);
        check_reason(tls_conn_explain(duel.conn, &main_site), TLS_FAILURE_CERTIFICATE_REFUSED,
                     "refused our certificate: unknown CA (alert)", step);
        duel_end(&duel);
    }
    SSL_CTX_free(ctx);
    tls_context_unref(context);
}

/* ---- client certificates, and errors after the handshake ---- */

static void test_client_certificates(void **state)
{
    static const struct {
        const char *match;
        bool shown;
        enum tls_failure kind;
        const char *text;
    } cases[] = {
        {"", false, TLS_FAILURE_CCERT_MISSING,
         "showed no client certificate; this peer's policy (main configuration) demands one"},
        {"", true, TLS_FAILURE_CCERT_REJECTED,
         "its client certificate is not trusted: self signed certificate; this peer's policy (main "
         "configuration) demands one of a known authority"},
        {"AA:BB", true, TLS_FAILURE_CCERT_REJECTED,
         "its client certificate's fingerprint is not in the list; this peer's policy (main "
         "configuration) has match="},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char match[16];
        snprintf(match, sizeof match, "%s", cases[i].match);
        struct tls_policy policy = {.ask_ccert = true, .require_ccert = true, .match = match};
        struct tls_context *context = server_context(&policy, "E");
        SSL_CTX *ctx =
            client_context(&(struct client_spec){.credential = cases[i].shown ? &ecdsa384 : NULL});
        struct duel duel;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        check_reason(tls_conn_explain_ccert(duel.conn, &main_site), cases[i].kind, cases[i].text,
                     i);
        duel_end(&duel);
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

static void test_errors_in_the_session(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum tls_failure kind;
        const char *text;
    } cases[] = {
        {BYTES("\x17\x03\x03\x00\x20" RANDOM), TLS_FAILURE_OTHER,
         "broke TLS within the session: decryption failed or bad record mac"},
        {BYTES("EHLO x\r\n"), TLS_FAILURE_OTHER,
         "broke TLS within the session: wrong version number"},
    };
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    SSL_CTX *ctx = client_context(&(struct client_spec){0});
    struct tls_failure_reason reason;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct duel duel;
        char byte;
        size_t count;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        assert_null(tls_conn_failure(duel.conn));
        BIO_write(duel.to_server, cases[i].bytes, (int)cases[i].length);
        assert_int_equal(tls_conn_read(duel.conn, &byte, 1, &count), TLS_FAILED);
        check_reason(tls_conn_explain(duel.conn, &main_site), cases[i].kind, cases[i].text, i);
        duel_end(&duel);
    }
    SSL_CTX_free(ctx);
    tls_context_unref(context);
    tls_session_explain("no renegotiation", &reason);
    check_reason(&reason, TLS_FAILURE_RENEGOTIATION,
                 "asked for renegotiation, which is never granted", 0);
    tls_session_explain("tlsv1 alert unknown ca", &reason);
    check_reason(&reason, TLS_FAILURE_CLIENT_ALERT, "ended the session: unknown ca (alert)", 0);
}

static void test_own_faults(void **state)
{
    struct tls_offer offer = {.place = MAIN};
    struct tls_evidence evidence = {.offer = &offer,
                                    .began = "STARTTLS",
                                    .alert = TLS_NO_ALERT,
                                    .stage = TLS_STAGE_HELLO,
                                    .end = TLS_END_TIMEOUT,
                                    .waits_for_key = true};
    struct tls_failure_reason reason;
    (void)state;
    tls_handshake_explain(&evidence, &reason);
    check_reason(&reason, TLS_FAILURE_SERVER_KEY,
                 "not the client's fault: the key process did not answer in time", 0);
    evidence.end = TLS_END_ERROR;
    evidence.library = "private key operation failed";
    tls_handshake_explain(&evidence, &reason);
    check_reason(&reason, TLS_FAILURE_SERVER_KEY,
                 "not the client's fault: this server could not go on (private key operation "
                 "failed)",
                 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_misfits),
        cmocka_unit_test(test_place_of_the_policy),
        cmocka_unit_test(test_openings),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_end_after_retry),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_refusal_in_cleartext),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_errors_in_the_session),
        cmocka_unit_test(test_own_faults),
    };
    return cmocka_run_group_tests(tests, duel_make_keys, duel_free_keys);
}
