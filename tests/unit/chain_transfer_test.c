/* chain_transfer_test.c: chains arrive as they were sent, without keys; nothing else is taken. */
#include "tests/unit/tls_duel.h"

#include <openssl/evp.h>
#include <openssl/pool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tls_pki.h"
#include "tls/chain_transfer.h"
#include "tls/key_name.h"
#include "tls/sni.h"

static struct tls_credential long_chain; /* leaf, intermediate */

static int set_up(void **state)
{
    struct tls_credential root = pki_make(&(struct pki_spec){.name = "root", .authority = true});
    struct tls_credential middle =
        pki_make(&(struct pki_spec){.name = "middle", .authority = true, .by = &root});
    long_chain = pki_make(&(struct pki_spec){.name = "leaf", .by = &middle});
    long_chain.ocsp = CRYPTO_BUFFER_new((const uint8_t *)"response", 8, NULL);
    tls_credential_clear(&root);
    tls_credential_clear(&middle);
    return duel_make_keys(state);
}

static int tear_down(void **state)
{
    tls_credential_clear(&long_chain);
    return duel_free_keys(state);
}

/* Everything there can be: two chains, and two names, one of which has two chains. */
struct sample {
    struct tls_credential defaults[2], first[1], second[2];
    struct tls_credentials credentials, sets[2];
    struct tls_sni_set sni_sets[2];
    struct tls_sni_name names[3];
    struct tls_sni_table sni;
};

static void sample_make(struct sample *sample)
{
    *sample = (struct sample){.defaults = {long_chain, rsa},
                              .first = {ecdsa384},
                              .second = {ecdsa, ed25519},
                              .names = {{".example.com", 0}, {"a.example", 1}, {"b.example", 1}}};
    sample->sets[0] = (struct tls_credentials){.items = sample->first, .count = 1};
    sample->sets[1] = (struct tls_credentials){.items = sample->second, .count = 2};
    for (size_t i = 0; i < 2; i++) {
        sample->sni_sets[i] = (struct tls_sni_set){.credentials = &sample->sets[i]};
    }
    sample->sni = (struct tls_sni_table){.names = sample->names,
                                         .name_count = 3,
                                         .sets = sample->sni_sets,
                                         .set_count = 2,
                                         .references = 1};
    sample->credentials =
        (struct tls_credentials){.items = sample->defaults, .count = 2, .sni = &sample->sni};
}

static bool same_blob(const CRYPTO_BUFFER *a, const CRYPTO_BUFFER *b)
{
    return a == b ||
           (a != NULL && b != NULL && CRYPTO_BUFFER_len(a) == CRYPTO_BUFFER_len(b) &&
            memcmp(CRYPTO_BUFFER_data(a), CRYPTO_BUFFER_data(b), CRYPTO_BUFFER_len(a)) == 0);
}

static void assert_same_set(const struct tls_credentials *got, const struct tls_credentials *sent)
{
    uint8_t got_name[TLS_KEY_NAME_SIZE], sent_name[TLS_KEY_NAME_SIZE];
    assert_int_equal(got->count, sent->count);
    for (size_t i = 0; i < sent->count; i++) {
        assert_int_equal(got->items[i].chain_length, sent->items[i].chain_length);
        for (size_t j = 0; j < sent->items[i].chain_length; j++) {
            assert_true(same_blob(got->items[i].chain[j], sent->items[i].chain[j]));
        }
        assert_true(same_blob(got->items[i].ocsp, sent->items[i].ocsp));
        assert_true(tls_key_name(got->items[i].key, got_name));
        assert_true(tls_key_name(sent->items[i].key, sent_name));
        assert_memory_equal(got_name, sent_name, sizeof got_name);
        assert_int_not_equal(EVP_PKEY_cmp(got->items[i].key, sent->items[i].key), 0);
    }
}

static int no_way(void *arg, const uint8_t *packet, size_t length)
{
    (void)arg;
    (void)packet;
    (void)length;
    return -1;
}

static void round_trip(void **state)
{
    struct sample sample;
    struct tls_chain_bytes bytes = {0};
    struct tls_credentials *got;
    struct tls_key_client *keys = tls_key_client_new(no_way, NULL);
    const struct tls_credentials plain = {.items = &rsa, .count = 1};
    (void)state;
    sample_make(&sample);
    assert_true(tls_chains_write(&bytes, &sample.credentials));
    assert_true(tls_chains_write(&bytes, NULL));
    assert_true(tls_chains_write(&bytes, &plain));
    const uint8_t *cursor = bytes.bytes;
    size_t left = bytes.length;

    assert_true(tls_chains_read(&cursor, &left, keys, &got));
    assert_same_set(got, &sample.credentials);
    assert_ptr_equal(got->keys, keys);
    assert_same_set(tls_sni_find(got->sni, "x.example.com"), &sample.sets[0]);
    assert_same_set(tls_sni_find(got->sni, "A.example"), &sample.sets[1]);
    assert_ptr_equal(tls_sni_find(got->sni, "a.example"), tls_sni_find(got->sni, "b.example"));
    assert_ptr_equal(tls_sni_find(got->sni, "b.example")->keys, keys);
    assert_null(tls_sni_find(got->sni, "c.example"));
    tls_credentials_free(got);

    assert_true(tls_chains_read(&cursor, &left, keys, &got));
    assert_null(got);
    assert_true(tls_chains_read(&cursor, &left, keys, &got));
    assert_same_set(got, &plain);
    assert_null(got->sni);
    tls_credentials_free(got);
    assert_int_equal(left, 0);
    assert_false(tls_chains_read(&cursor, &left, keys, &got));
    tls_key_client_free(keys);
    free(bytes.bytes);
}

/* The private scalar is not in what is sent. */
static void no_key_inside(void **state)
{
    struct sample sample;
    struct tls_chain_bytes bytes = {0};
    uint8_t *der = NULL;
    (void)state;
    sample_make(&sample);
    assert_true(tls_chains_write(&bytes, &sample.credentials));
    int length = i2d_PrivateKey(ecdsa.key, &der);
    assert_true(length > 40);
    /* SEC 1: sequence, version, and then the octet string of 32 bytes */
    const uint8_t *scalar = memmem(der, (size_t)length, "\x02\x01\x01\x04\x20", 5);
    assert_non_null(scalar);
    assert_null(memmem(bytes.bytes, bytes.length, scalar + 5, 32));
    OPENSSL_free(der);
    free(bytes.bytes);
}

/* Cut anywhere, it is refused. */
static void cut_short(void **state)
{
    struct sample sample;
    struct tls_chain_bytes bytes = {0};
    struct tls_credentials *got;
    (void)state;
    sample_make(&sample);
    assert_true(tls_chains_write(&bytes, &sample.credentials));
    for (size_t length = 0; length < bytes.length; length++) {
        uint8_t *copy = malloc(length + 1);
        memcpy(copy, bytes.bytes, length);
        const uint8_t *cursor = copy;
        size_t left = length;
        if (tls_chains_read(&cursor, &left, NULL, &got) || got != NULL) {
            fail_msg("taken after %zu bytes", length);
        }
        free(copy);
    }
    free(bytes.bytes);
}

/* Names that could not be found, or lead nowhere. */
static void bad_names(void **state)
{
    static const struct tls_sni_name cases[][2] = {
        {{"b.example", 0}, {"a.example", 0}}, /* not sorted */
        {{"a.example", 0}, {"a.example", 0}}, /* twice */
        {{"", 0}, {"a.example", 0}},          /* empty */
        {{"a.example", 0}, {"b.example", 2}}, /* no such set */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample sample;
        struct tls_chain_bytes bytes = {0};
        struct tls_credentials *got;
        sample_make(&sample);
        memcpy(sample.names, cases[i], sizeof cases[i]);
        sample.sni.name_count = 2;
        assert_true(tls_chains_write(&bytes, &sample.credentials));
        const uint8_t *cursor = bytes.bytes;
        size_t left = bytes.length;
        if (tls_chains_read(&cursor, &left, NULL, &got)) {
            fail_msg("case %zu", i);
        }
        free(bytes.bytes);
    }
}

/* Bytes that promise more than there is, or are no certificates. */
static void nonsense(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        {"\x03", 1},
        {"\xff", 1},
        {"\x01\x00\x00", 3},                               /* no chain */
        {"\x01\x00\x01\x00\x00\x00\x00", 7},               /* of no certificate */
        {"\x01\xff\xff\x01", 4},                           /* too many chains */
        {"\x01\x00\x01\xff", 4},                           /* too many certificates */
        {"\x01\x00\x01\x01\x00\x00\x01X\x00\x00\x00", 11}, /* not a certificate */
        {"\x01\x00\x01\x01\xff\xff\xff", 7},               /* longer than the rest */
        {"\x02\x00\x01\x01\x00\x00\x01X\x00\x00\x00\xff\xff\xff\xff", 15},
    };
    struct tls_credentials *got;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *cursor = (const uint8_t *)cases[i].bytes;
        size_t left = cases[i].length;
        if (tls_chains_read(&cursor, &left, NULL, &got) || got != NULL) {
            fail_msg("case %zu", i);
        }
    }
}

/* What the reader would not take is not written. */
static void too_much(void **state)
{
    struct tls_credential many[65];
    const struct tls_credentials credentials = {.items = many, .count = 65};
    struct tls_chain_bytes bytes = {0};
    (void)state;
    for (size_t i = 0; i < 65; i++) {
        many[i] = ecdsa;
    }
    assert_false(tls_chains_write(&bytes, &credentials));
    assert_int_equal(bytes.length, 0);
    free(bytes.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(no_key_inside), cmocka_unit_test(cut_short),
        cmocka_unit_test(bad_names),  cmocka_unit_test(nonsense),      cmocka_unit_test(too_much),
    };
    return cmocka_run_group_tests_name("chain_transfer", tests, set_up, tear_down);
}
