/* tls_names_test.c: names of groups, signatures, errors and cipher words. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "tls/cipher_words.h"
#include "tls/errors.h"
#include "tls/names.h"
#include "tls/selfsigned.h"

static void test_groups(void **state)
{
    static const struct {
        uint16_t id;
        const char *spellings[4];
        const char *library;
        const char *printed;
    } cases[] = {
        {0x0017, {"secp256r1", "prime256v1", "P-256", "SECP256R1"}, "P-256", "secp256r1"},
        {0x0018, {"secp384r1", "P-384", "p-384", "Secp384r1"}, "P-384", "secp384r1"},
        {0x0019, {"secp521r1", "P-521", "p-521", "SECP521R1"}, "P-521", "secp521r1"},
        {0x001d, {"X25519", "x25519", "X25519", "x25519"}, "X25519", "x25519"},
        {0x11ec,
         {"X25519MLKEM768", "x25519mlkem768", "X25519mlkem768", "X25519MLKEM768"},
         "X25519MLKEM768",
         "X25519MLKEM768"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t k = 0; k < 4; k++) {
            assert_string_equal(tls_group_library_name(cases[i].spellings[k]), cases[i].library);
        }
        assert_string_equal(tls_group_printed_name(cases[i].id), cases[i].printed);
    }
    assert_null(tls_group_library_name("X448"));
    assert_null(tls_group_library_name(""));
    assert_string_equal(tls_group_printed_name(0), "");
    assert_string_equal(tls_group_printed_name(0x0a0a), "unknown");
}

static void test_foreign_groups(void **state)
{
    (void)state;
    assert_true(tls_group_is_foreign("X448"));
    assert_true(tls_group_is_foreign("x448"));
    assert_true(tls_group_is_foreign("ffdhe2048"));
    assert_true(tls_group_is_foreign("brainpoolP256r1"));
    assert_true(tls_group_is_foreign("secp256k1"));
    assert_false(tls_group_is_foreign("X25591"));
    assert_false(tls_group_is_foreign(""));
}

static void test_signatures(void **state)
{
    static const struct {
        uint16_t scheme;
        enum tls_key_kind kind;
        const char *name;
        const char *nameless;
        const char *digest;
    } cases[] = {
        {0x0403, TLS_KEY_ECDSA_P256, "ECDSA (prime256v1)", "ECDSA", "SHA256"},
        {0x0503, TLS_KEY_ECDSA_P384, "ECDSA (secp384r1)", "ECDSA", "SHA384"},
        {0x0804, TLS_KEY_RSA_2048, "RSA-PSS (2048 bits)", "RSA-PSS", "SHA256"},
        {0x0806, TLS_KEY_RSA_2048, "RSA-PSS (2048 bits)", "RSA-PSS", "SHA512"},
        {0x0807, TLS_KEY_ED25519, "ED25519", "ED25519", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_credential credential;
        char name[TLS_SIGNATURE_NAME_MAX];
        assert_true(tls_selfsigned_make(cases[i].kind, "mx.test", 1, &credential));
        tls_signature_name(cases[i].scheme, credential.key, name);
        assert_string_equal(name, cases[i].name);
        tls_signature_name(cases[i].scheme, NULL, name);
        assert_string_equal(name, cases[i].nameless);
        assert_string_equal(tls_signature_digest(cases[i].scheme), cases[i].digest);
        tls_credential_clear(&credential);
    }
    char name[TLS_SIGNATURE_NAME_MAX] = "x";
    tls_signature_name(0xfefe, NULL, name);
    assert_string_equal(name, "");
    assert_string_equal(tls_signature_digest(0xfefe), "");
}

static void test_error_reasons(void **state)
{
    static const struct {
        int reason;
        const char *text;
    } cases[] = {
        {SSL_R_NO_SHARED_CIPHER, "no shared cipher"},
        {SSL_R_UNSUPPORTED_PROTOCOL, "unsupported protocol"},
        {SSL_R_WRONG_VERSION_NUMBER, "wrong version number"},
        {SSL_R_HTTP_REQUEST, "http request"},
        {SSL_R_NO_SHARED_GROUP, "no suitable key share"},
        {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "sslv3 alert handshake failure"},
        {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "tlsv1 alert unknown ca"},
        {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "tlsv1 alert protocol version"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "sslv3 alert certificate expired"},
        {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "sslv3 alert bad certificate"},
        {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "decryption failed or bad record mac"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_error error;
        char start[32], middle[160];
        ERR_clear_error();
        ERR_put_error(ERR_LIB_SSL, 0, cases[i].reason, "/build/src/ssl/handshake_server.cc", 825);
        uint32_t packed = ERR_peek_error();
        tls_error_take(&error);
        assert_string_equal(error.reason, cases[i].text);
        snprintf(start, sizeof start, "error:%08X:", (unsigned)packed);
        snprintf(middle, sizeof middle,
                 "SSL routines::%s:../ssl/handshake_server.cc:825:", cases[i].text);
        assert_memory_equal(error.text, start, strlen(start));
        assert_string_equal(error.text + strlen(start), middle);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

/* The SSL library's word counts, wherever it stands in the queue. */
static void test_error_choice(void **state)
{
    struct tls_error error;
    (void)state;
    ERR_clear_error();
    ERR_put_error(ERR_LIB_X509, 0, 100, "crypto/x509/x.c", 1);
    ERR_put_error(ERR_LIB_SSL, 0, SSL_R_NO_SHARED_CIPHER, "src/ssl/a.cc", 2);
    ERR_put_error(ERR_LIB_SSL, 0, SSL_R_HTTP_REQUEST, "src/ssl/b.cc", 3);
    tls_error_take(&error);
    assert_string_equal(error.reason, "no shared cipher");
    tls_error_take(&error);
    assert_string_equal(error.reason, "unknown error");
}

static void test_cipher_words(void **state)
{
    static const struct {
        const char *expression;
        enum cipher_word_kind kind;
    } kinds[] = {
        {"MEDIUM", CIPHER_WORD_EMPTY},
        {"EXPORT", CIPHER_WORD_EMPTY},
        {"aNULL", CIPHER_WORD_LACKING},
        {"kDHE+AES256", CIPHER_WORD_LACKING},
        {"DHE-RSA-AES256-SHA", CIPHER_WORD_LACKING},
        {"PSD", CIPHER_WORD_UNKNOWN},
        {"kRSA+PSD", CIPHER_WORD_UNKNOWN},
        {"aes", CIPHER_WORD_UNKNOWN},
    };
    static const char *const translations[][2] = {
        {"TLSv1", "ECDHE+SHA1"}, {"TLSv1.0+AES128", "ECDHE+SHA1+AES128"}, {"SSLv3", "kRSA+SHA1"},
        {"TLSv1.2", "TLSv1.2"},  {"ECDHE+AESGCM", "ECDHE+AESGCM"},        {"DEFAULT", "ALL"},
    };
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_int_equal(tls_cipher_word_kind(kinds[i].expression), kinds[i].kind);
    }
    for (size_t i = 0; i < sizeof translations / sizeof translations[0]; i++) {
        assert_true(tls_cipher_words_translate(translations[i][0], out, sizeof out));
        assert_string_equal(out, translations[i][1]);
    }
    assert_false(tls_cipher_words_translate("TLSv1", out, 10));
    assert_true(tls_cipher_words_name_3des("RSA+3DES"));
    assert_true(tls_cipher_words_name_3des("DES-CBC3-SHA"));
    assert_false(tls_cipher_words_name_3des("HIGH"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),       cmocka_unit_test(test_foreign_groups),
        cmocka_unit_test(test_signatures),   cmocka_unit_test(test_error_reasons),
        cmocka_unit_test(test_error_choice), cmocka_unit_test(test_cipher_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
