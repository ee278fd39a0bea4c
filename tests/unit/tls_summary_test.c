/* tls_summary_test.c: the texts that reach the log and the Received-TLS header. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tls/summary.h"

static const struct {
    struct tls_summary summary;
    const char *text;
} cases[] = {
    {{.protocol = "TLSv1.3",
      .cipher = "TLS_AES_256_GCM_SHA384",
      .cipher_bits = 256,
      .cipher_algorithm_bits = 256,
      .key_exchange = "x25519",
      .server_signature = "RSA-PSS (2048 bits)",
      .server_digest = "SHA256"},
     "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange x25519"
     " server-signature RSA-PSS (2048 bits) server-digest SHA256"},
    {{.protocol = "TLSv1.3",
      .cipher = "TLS_AES_128_GCM_SHA256",
      .cipher_bits = 128,
      .cipher_algorithm_bits = 128,
      .key_exchange = "secp256r1",
      .server_signature = "ECDSA (prime256v1)",
      .server_digest = "SHA256",
      .client_signature = "RSA-PSS (2048 bits)",
      .client_digest = "SHA256"},
     "TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits) key-exchange secp256r1"
     " server-signature ECDSA (prime256v1) server-digest SHA256"
     " client-signature RSA-PSS (2048 bits) client-digest SHA256"},
    /* Ed25519 has no digest of its own. */
    {{.protocol = "TLSv1.3",
      .cipher = "TLS_AES_128_GCM_SHA256",
      .cipher_bits = 128,
      .cipher_algorithm_bits = 128,
      .key_exchange = "x25519",
      .server_signature = "ED25519"},
     "TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits) key-exchange x25519"
     " server-signature ED25519"},
    /* Resumed: the group, no signatures. */
    {{.protocol = "TLSv1.3",
      .resumed = true,
      .cipher = "TLS_AES_128_GCM_SHA256",
      .cipher_bits = 128,
      .cipher_algorithm_bits = 128,
      .key_exchange = "X25519MLKEM768"},
     "TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits) key-exchange X25519MLKEM768"},
    {{.protocol = "TLSv1",
      .cipher = "DES-CBC3-SHA",
      .cipher_bits = 112,
      .cipher_algorithm_bits = 168},
     "TLSv1 with cipher DES-CBC3-SHA (112/168 bits)"},
};

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[TLS_SUMMARY_TEXT_MAX];
        assert_string_equal(tls_summary_text(&cases[i].summary, out), cases[i].text);
        assert_ptr_equal(tls_summary_text(&cases[i].summary, out), out);
    }
}

/* Every field full: the text must fit, ended. */
static void test_longest(void **state)
{
    struct tls_summary summary = {.cipher_bits = -2147483647, .cipher_algorithm_bits = -2147483647};
    char out[TLS_SUMMARY_TEXT_MAX + 8];
    (void)state;
    memset(summary.protocol, 'p', sizeof summary.protocol - 1);
    memset(summary.cipher, 'c', sizeof summary.cipher - 1);
    memset(summary.key_exchange, 'k', sizeof summary.key_exchange - 1);
    memset(summary.server_signature, 's', sizeof summary.server_signature - 1);
    memset(summary.server_digest, 'd', sizeof summary.server_digest - 1);
    memset(summary.client_signature, 'S', sizeof summary.client_signature - 1);
    memset(summary.client_digest, 'D', sizeof summary.client_digest - 1);
    memset(out, '#', sizeof out);
    tls_summary_text(&summary, out);
    assert_int_equal(out[TLS_SUMMARY_TEXT_MAX], '#');
    assert_true(strlen(out) < TLS_SUMMARY_TEXT_MAX);
    assert_non_null(strstr(out, "client-digest DDDDDDDDDDDDDDD"));
}

static void test_status(void **state)
{
    (void)state;
    assert_string_equal(tls_peer_status_text(TLS_PEER_ANONYMOUS), "Anonymous");
    assert_string_equal(tls_peer_status_text(TLS_PEER_UNTRUSTED), "Untrusted");
    assert_string_equal(tls_peer_status_text(TLS_PEER_TRUSTED), "Trusted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
