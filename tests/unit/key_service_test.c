/*
 * key_service_test.c: what the key process answers: signatures that verify, and a refusal for
 * everything that no TLS server signs; decryption that tells nothing.
 */
#include "tests/unit/tls_duel.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "tls/key_decrypt.h"
#include "tls/key_name.h"
#include "tls/key_rules.h"
#include "tls/key_service.h"

#define BLANKS "                                                                " /* 64 */
#define CONTEXT "TLS 1.3, server CertificateVerify"
#define CLIENT_CONTEXT "TLS 1.3, client CertificateVerify"

static struct tls_key_service *service, *strict; /* STRICT decrypts nothing */
static struct tls_credential small;              /* RSA-512: too small for most */

/* An RSA key of BITS, in a credential without a certificate. */
static EVP_PKEY *rsa_key(int bits)
{
    RSA *made = RSA_new();
    BIGNUM *exponent = BN_new();
    EVP_PKEY *key = EVP_PKEY_new();
    assert_true(BN_set_word(exponent, RSA_F4));
    assert_true(RSA_generate_key_ex(made, bits, exponent, NULL));
    assert_true(EVP_PKEY_assign_RSA(key, made));
    BN_free(exponent);
    return key;
}

static int set_up(void **state)
{
    if (duel_make_keys(state) != 0) {
        return -1;
    }
    small.key = rsa_key(512);
    struct tls_credential all[] = {ecdsa, ecdsa384, rsa, ed25519, small};
    const struct tls_credentials credentials = {.items = all, .count = 5};
    service = tls_key_service_new();
    strict = tls_key_service_new();
    assert_true(tls_key_service_add(service, &credentials, true));
    assert_true(tls_key_service_add(strict, &credentials, false));
    return 0;
}

static int tear_down(void **state)
{
    tls_key_service_free(service);
    tls_key_service_free(strict);
    EVP_PKEY_free(small.key);
    return duel_free_keys(state);
}

/* ---- what is signed ---- */

/* Bytes that are described in words: see input_make. */
struct input {
    uint8_t bytes[TLS_KEY_INPUT_MAX];
    size_t length;
};

static void add_bytes(struct input *input, const void *bytes, size_t length)
{
    memcpy(input->bytes + input->length, bytes, length);
    input->length += length;
}

static void add_filler(struct input *input, uint8_t byte, size_t length)
{
    memset(input->bytes + input->length, byte, length);
    input->length += length;
}

/* TLS 1.3: BLANKS blanks, TEXT with its NUL, and a hash of so many bytes. */
static struct input verify_input(size_t blanks, const char *text, size_t hash)
{
    struct input input = {.length = 0};
    add_bytes(&input, BLANKS, blanks);
    add_bytes(&input, text, strlen(text) + 1);
    add_filler(&input, 0x77, hash);
    return input;
}

/* Up to TLS 1.2: randoms, and ECDH parameters with a point of so many bytes that says LENGTH. */
static struct input exchange_input(uint8_t type, uint16_t group, uint8_t length, size_t point)
{
    struct input input = {.length = 0};
    const uint8_t head[] = {type, (uint8_t)(group >> 8), (uint8_t)group, length};
    add_filler(&input, 0xc1, 32);
    add_filler(&input, 0x5e, 32);
    add_bytes(&input, head, sizeof head);
    add_filler(&input, 4, point);
    return input;
}

static void forms(void **state)
{
    const struct {
        struct input input;
        enum tls_signed_form form;
    } cases[] = {
        {verify_input(64, CONTEXT, 32), TLS_SIGNED_CERTIFICATE_VERIFY},
        {verify_input(64, CONTEXT, 48), TLS_SIGNED_CERTIFICATE_VERIFY},
        {verify_input(64, CONTEXT, 31), TLS_SIGNED_NOTHING},
        {verify_input(64, CONTEXT, 33), TLS_SIGNED_NOTHING},
        {verify_input(64, CONTEXT, 64), TLS_SIGNED_NOTHING},
        {verify_input(64, CONTEXT, 0), TLS_SIGNED_NOTHING},
        {verify_input(63, CONTEXT, 32), TLS_SIGNED_NOTHING},
        {verify_input(63, CONTEXT, 33), TLS_SIGNED_NOTHING},
        {verify_input(64, CLIENT_CONTEXT, 32), TLS_SIGNED_NOTHING},
        {verify_input(64, "", 64), TLS_SIGNED_NOTHING},
        {exchange_input(3, 23, 65, 65), TLS_SIGNED_EXCHANGE},
        {exchange_input(3, 21, 57, 57), TLS_SIGNED_EXCHANGE},
        {exchange_input(3, 24, 97, 97), TLS_SIGNED_EXCHANGE},
        {exchange_input(3, 25, 133, 133), TLS_SIGNED_EXCHANGE},
        {exchange_input(3, 29, 32, 32), TLS_SIGNED_EXCHANGE},
        {exchange_input(3, 29, 33, 33), TLS_SIGNED_NOTHING},
        {exchange_input(3, 29, 32, 33), TLS_SIGNED_NOTHING},
        {exchange_input(3, 29, 32, 31), TLS_SIGNED_NOTHING},
        {exchange_input(3, 30, 56, 56), TLS_SIGNED_NOTHING},
        {exchange_input(1, 23, 65, 65), TLS_SIGNED_NOTHING},
        {exchange_input(3, 23, 0, 0), TLS_SIGNED_NOTHING},
        {{.bytes = "short", .length = 5}, TLS_SIGNED_NOTHING},
        {{.length = 64}, TLS_SIGNED_NOTHING},
        {{.length = TLS_KEY_INPUT_MAX}, TLS_SIGNED_NOTHING},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (tls_signed_form(cases[i].input.bytes, cases[i].input.length) != cases[i].form) {
            fail_msg("case %zu", i);
        }
    }
}

/* ---- asking ---- */

struct reply {
    uint8_t bytes[TLS_KEY_ANSWER_MAX];
    struct tls_key_answer answer;
};

static enum tls_key_status ask(const struct tls_key_service *whom, const EVP_PKEY *key,
                               enum tls_key_task task, uint16_t scheme, const uint8_t *input,
                               size_t length, struct reply *reply)
{
    uint8_t name[TLS_KEY_NAME_SIZE], bytes[TLS_KEY_REQUEST_MAX];
    enum tls_key_status status;
    assert_true(tls_key_name(key, name));
    const struct tls_key_request request = {.id = 0x01020304,
                                            .task = task,
                                            .scheme = scheme,
                                            .key = name,
                                            .input = input,
                                            .input_length = length};
    size_t asked = tls_key_request_write(&request, bytes);
    size_t got = tls_key_service_answer(whom, bytes, asked, reply->bytes, &status);
    assert_true(tls_key_answer_parse(reply->bytes, got, &reply->answer));
    assert_int_equal(reply->answer.id, 0x01020304);
    assert_int_equal(reply->answer.status, status);
    assert_int_equal(reply->answer.output_length > 0, status == TLS_KEY_DONE);
    return status;
}

/* Does the signature in REPLY hold? */
static bool verifies(EVP_PKEY *key, uint16_t scheme, const struct input *input,
                     const struct reply *reply)
{
    enum tls_signed_form form = tls_signed_form(input->bytes, input->length);
    const struct tls_signature_rule *rule = tls_signature_rule(key, scheme, form);
    EVP_PKEY_CTX *key_context = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(context, &key_context, rule->md != NULL ? rule->md() : NULL,
                                     NULL, key) == 1;
    if (rule->pss) {
        good = good && EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, -1) == 1;
    }
    good = good && EVP_DigestVerify(context, reply->answer.output, reply->answer.output_length,
                                    input->bytes, input->length) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

static void signatures(void **state)
{
    static const struct {
        uint16_t scheme;
        const struct tls_credential *credential;
        enum tls_key_status before, in; /* TLS 1.3 */
    } cases[] = {
        {SSL_SIGN_ECDSA_SECP256R1_SHA256, &ecdsa, TLS_KEY_DONE, TLS_KEY_DONE},
        {SSL_SIGN_ECDSA_SECP384R1_SHA384, &ecdsa, TLS_KEY_DONE, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_ECDSA_SECP521R1_SHA512, &ecdsa, TLS_KEY_DONE, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_ECDSA_SECP384R1_SHA384, &ecdsa384, TLS_KEY_DONE, TLS_KEY_DONE},
        {SSL_SIGN_ECDSA_SHA1, &ecdsa, TLS_KEY_DONE, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_ECDSA_SECP256R1_SHA256, &rsa, TLS_KEY_BAD_SCHEME, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_ECDSA_SECP256R1_SHA256, &ed25519, TLS_KEY_BAD_SCHEME, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_ED25519, &ed25519, TLS_KEY_DONE, TLS_KEY_DONE},
        {SSL_SIGN_ED25519, &ecdsa, TLS_KEY_BAD_SCHEME, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_RSA_PKCS1_MD5_SHA1, &rsa, TLS_KEY_DONE, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_RSA_PKCS1_SHA1, &rsa, TLS_KEY_DONE, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_RSA_PKCS1_SHA256, &rsa, TLS_KEY_DONE, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_RSA_PKCS1_SHA384, &rsa, TLS_KEY_DONE, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_RSA_PKCS1_SHA512, &rsa, TLS_KEY_DONE, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_RSA_PSS_RSAE_SHA256, &rsa, TLS_KEY_DONE, TLS_KEY_DONE},
        {SSL_SIGN_RSA_PSS_RSAE_SHA384, &rsa, TLS_KEY_DONE, TLS_KEY_DONE},
        {SSL_SIGN_RSA_PSS_RSAE_SHA512, &rsa, TLS_KEY_DONE, TLS_KEY_DONE},
        {SSL_SIGN_RSA_PSS_RSAE_SHA256, &ecdsa, TLS_KEY_BAD_SCHEME, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_RSA_PKCS1_SHA256, &small, TLS_KEY_DONE, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_RSA_PSS_RSAE_SHA256, &small, TLS_KEY_BAD_SCHEME, TLS_KEY_BAD_SCHEME},
        {SSL_SIGN_RSA_PKCS1_SHA512, &small, TLS_KEY_BAD_SCHEME, TLS_KEY_BAD_SCHEME},
        {0x0809 /* rsa_pss_pss_sha256 */, &rsa, TLS_KEY_BAD_SCHEME, TLS_KEY_BAD_SCHEME},
        {0xffff, &ecdsa, TLS_KEY_BAD_SCHEME, TLS_KEY_BAD_SCHEME},
    };
    const struct input before = exchange_input(3, 29, 32, 32), in = verify_input(64, CONTEXT, 48);
    struct reply reply;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EVP_PKEY *key = cases[i].credential->key;
        uint16_t scheme = cases[i].scheme;
        for (unsigned tls13 = 0; tls13 < 2; tls13++) {
            const struct input *input = tls13 ? &in : &before;
            enum tls_key_status got =
                ask(strict, key, TLS_KEY_SIGN, scheme, input->bytes, input->length, &reply);
            if (got != (tls13 ? cases[i].in : cases[i].before) ||
                (got == TLS_KEY_DONE && !verifies(key, scheme, input, &reply))) {
                fail_msg("case %zu, %s: %s", i, tls13 ? "TLS 1.3" : "before",
                         tls_key_status_text(got));
            }
        }
    }
}

static void refused_input(void **state)
{
    const struct input inputs[] = {
        verify_input(64, CLIENT_CONTEXT, 32), verify_input(63, CONTEXT, 32),
        exchange_input(3, 29, 32, 40),        exchange_input(2, 29, 32, 32),
        {.bytes = "x", .length = 1},          {.length = TLS_KEY_INPUT_MAX},
    };
    struct reply reply;
    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        assert_int_equal(ask(service, ecdsa.key, TLS_KEY_SIGN, SSL_SIGN_ECDSA_SECP256R1_SHA256,
                             inputs[i].bytes, inputs[i].length, &reply),
                         TLS_KEY_BAD_INPUT);
    }
}

static void unknown_key(void **state)
{
    struct tls_credential other;
    struct reply reply;
    const struct input input = verify_input(64, CONTEXT, 32);
    (void)state;
    assert_true(tls_selfsigned_make(TLS_KEY_ECDSA_P256, "mx.test", 1, &other));
    assert_int_equal(ask(service, other.key, TLS_KEY_SIGN, SSL_SIGN_ECDSA_SECP256R1_SHA256,
                         input.bytes, input.length, &reply),
                     TLS_KEY_UNKNOWN_KEY);
    struct tls_key_service *empty = tls_key_service_new();
    assert_int_equal(ask(empty, ecdsa.key, TLS_KEY_SIGN, SSL_SIGN_ECDSA_SECP256R1_SHA256,
                         input.bytes, input.length, &reply),
                     TLS_KEY_UNKNOWN_KEY);
    tls_key_service_free(empty);
    tls_credential_clear(&other);
}

/* Every request that is not well-formed: cut, too long, other numbers. */
static void malformed(void **state)
{
    uint8_t name[TLS_KEY_NAME_SIZE], bytes[TLS_KEY_REQUEST_MAX + 1] = {0};
    uint8_t answer[TLS_KEY_ANSWER_MAX];
    const struct input input = verify_input(64, CONTEXT, 32);
    struct tls_key_answer parsed;
    enum tls_key_status status;
    (void)state;
    assert_true(tls_key_name(ecdsa.key, name));
    struct tls_key_request request = {.id = 7,
                                      .task = TLS_KEY_SIGN,
                                      .scheme = SSL_SIGN_ECDSA_SECP256R1_SHA256,
                                      .key = name,
                                      .input = input.bytes,
                                      .input_length = input.length};
    size_t whole = tls_key_request_write(&request, bytes);
    for (size_t length = 0; length < whole; length++) {
        size_t got = tls_key_service_answer(service, bytes, length, answer, &status);
        assert_true(tls_key_answer_parse(answer, got, &parsed));
        assert_int_equal(parsed.id, length >= 4 ? 7 : 0);
        assert_int_equal(status,
                         length <= TLS_KEY_REQUEST_HEAD ? TLS_KEY_MALFORMED : TLS_KEY_BAD_INPUT);
    }
    tls_key_service_answer(service, bytes, sizeof bytes, answer, &status);
    assert_int_equal(status, TLS_KEY_MALFORMED); /* longer than a request can be */
    const struct {
        uint8_t task;
        uint16_t scheme;
    } numbers[] = {{0, 0x0403}, {3, 0x0403}, {0xff, 0}, {TLS_KEY_SIGN, 0}, {TLS_KEY_DECRYPT, 1}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        request.task = numbers[i].task;
        request.scheme = numbers[i].scheme;
        whole = tls_key_request_write(&request, bytes);
        tls_key_service_answer(service, bytes, whole, answer, &status);
        assert_int_equal(status, TLS_KEY_MALFORMED);
    }
}

/* ---- decryption ---- */

/* Encrypt a block: 00 02, padding, 00 at SEPARATOR from the end (0: none), then SECRET. */
static void encrypt_block(uint8_t *out, uint8_t first, uint8_t second, size_t separator,
                          uint8_t secret)
{
    RSA *key = EVP_PKEY_get0_RSA(rsa.key);
    size_t size = RSA_size(key), written;
    uint8_t block[512];
    memset(block, 0x99, size);
    memset(block + size - 48, secret, 48);
    block[0] = first;
    block[1] = second;
    if (separator != 0) {
        block[size - separator] = 0;
    }
    assert_true(RSA_encrypt(key, &written, out, size, block, size, RSA_NO_PADDING));
}

static void decryption(void **state)
{
    static const struct {
        uint8_t first, second;
        size_t separator;
        bool good;
    } cases[] = {
        {0, 2, 49, true},  {0, 1, 49, false},  {0, 3, 49, false}, {1, 2, 49, false},
        {0, 2, 0, false},  {0, 2, 48, false},  {0, 2, 50, false}, {0, 2, 100, false},
        {0, 0, 49, false}, {0, 2, 254, false},
    };
    uint8_t input[512], again[48];
    struct reply reply;
    size_t size = (size_t)EVP_PKEY_size(rsa.key);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        encrypt_block(input, cases[i].first, cases[i].second, cases[i].separator, 0x42);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(ask(service, rsa.key, TLS_KEY_DECRYPT, 0, input, size, &reply),
                             TLS_KEY_DONE);
            const uint8_t *out = reply.answer.output;
            assert_int_equal(reply.answer.output_length, size);
            assert_true(out[0] == 0 && out[1] == 2 && out[size - 49] == 0);
            assert_null(memchr(out + 2, 0, size - 51)); /* flawless, whatever it was */
            bool same = true;
            for (size_t j = size - 48; j < size; j++) {
                same = same && out[j] == 0x42;
            }
            assert_int_equal(same, cases[i].good);
            assert_true(round == 0 || memcmp(again, out + size - 48, 48) == 0);
            memcpy(again, out + size - 48, 48);
        }
    }
}

/* What has not the size of the modulus, or is not below it, gets a block as well. */
static void decryption_of_nonsense(void **state)
{
    uint8_t input[TLS_KEY_INPUT_MAX];
    struct reply reply;
    size_t size = (size_t)EVP_PKEY_size(rsa.key);
    const size_t lengths[] = {1, 48, size - 1, size, size + 1, sizeof input};
    (void)state;
    memset(input, 0xff, sizeof input);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        assert_int_equal(ask(service, rsa.key, TLS_KEY_DECRYPT, 0, input, lengths[i], &reply),
                         TLS_KEY_DONE);
        assert_int_equal(reply.answer.output_length, size);
        assert_true(reply.answer.output[1] == 2 && reply.answer.output[size - 49] == 0);
    }
}

/* A block that would be somebody's signature does not come out. */
static void decryption_does_not_sign(void **state)
{
    uint8_t wanted[512], checked[512];
    struct reply reply;
    RSA *key = EVP_PKEY_get0_RSA(rsa.key);
    size_t size = RSA_size(key), written;
    (void)state;
    memset(wanted, 0xff, size);
    wanted[0] = 0;
    wanted[1] = 1;
    wanted[size - 36] = 0;
    assert_int_equal(ask(service, rsa.key, TLS_KEY_DECRYPT, 0, wanted, size, &reply), TLS_KEY_DONE);
    assert_true(
        RSA_encrypt(key, &written, checked, size, reply.answer.output, size, RSA_NO_PADDING));
    assert_memory_not_equal(checked, wanted, size);
}

static void decryption_refused(void **state)
{
    uint8_t input[512] = {0};
    struct reply reply;
    size_t size = (size_t)EVP_PKEY_size(rsa.key);
    (void)state;
    assert_int_equal(ask(strict, rsa.key, TLS_KEY_DECRYPT, 0, input, size, &reply),
                     TLS_KEY_NOT_ALLOWED);
    assert_int_equal(ask(service, ecdsa.key, TLS_KEY_DECRYPT, 0, input, size, &reply),
                     TLS_KEY_NOT_ALLOWED);
    assert_int_equal(ask(service, ed25519.key, TLS_KEY_DECRYPT, 0, input, size, &reply),
                     TLS_KEY_NOT_ALLOWED);
}

/* A key that two services have may do what either of them allows. */
static void shared_key(void **state)
{
    struct tls_key_service *both = tls_key_service_new();
    const struct tls_credentials credentials = {.items = &rsa, .count = 1};
    uint8_t input[512];
    struct reply reply;
    (void)state;
    encrypt_block(input, 0, 2, 49, 1);
    for (int allowed = 0; allowed < 3; allowed++) {
        assert_true(tls_key_service_add(both, &credentials, allowed == 1));
        assert_int_equal(
            ask(both, rsa.key, TLS_KEY_DECRYPT, 0, input, (size_t)EVP_PKEY_size(rsa.key), &reply),
            allowed > 0 ? TLS_KEY_DONE : TLS_KEY_NOT_ALLOWED);
    }
    tls_key_service_free(both);
}

/* ---- the rate ---- */

static void rate(void **state)
{
    struct tls_key_rate bucket = {0};
    unsigned taken = 0;
    (void)state;
    while (tls_key_rate_take(&bucket, 1000.)) {
        taken++;
    }
    assert_int_equal(taken, (unsigned)TLS_KEY_RATE);
    assert_false(tls_key_rate_take(&bucket, 1000.));
    assert_true(tls_key_rate_take(&bucket, 1000. + 1.5 / TLS_KEY_RATE));
    assert_false(tls_key_rate_take(&bucket, 1000. + 1.5 / TLS_KEY_RATE));
    taken = 0;
    while (tls_key_rate_take(&bucket, 5000.)) {
        taken++;
    }
    assert_int_equal(taken, (unsigned)TLS_KEY_RATE); /* no more is saved up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(signatures),
        cmocka_unit_test(refused_input),
        cmocka_unit_test(unknown_key),
        cmocka_unit_test(malformed),
        cmocka_unit_test(decryption),
        cmocka_unit_test(decryption_of_nonsense),
        cmocka_unit_test(decryption_does_not_sign),
        cmocka_unit_test(decryption_refused),
        cmocka_unit_test(shared_key),
        cmocka_unit_test(rate),
    };
    return cmocka_run_group_tests_name("key_service", tests, set_up, tear_down);
}
