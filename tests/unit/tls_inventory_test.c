/*
 * tls_inventory_test.c: what an inventory says, against handshakes.
 */
#include "tests/unit/tls_duel.h"

#include <openssl/crypto.h>
#include <openssl/nid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/tls_pki.h"
#include "tls/inventory.h"
#include "tls/sni_maps.h"

/* Does a client that offers just SUITE, in a version that has it, get it? */
static bool suite_works(struct tls_context *context, const struct tls_inventory *inventory,
                        const struct tls_inventory_suite *suite)
{
    uint16_t version =
        suite->max_version < inventory->max_version ? suite->max_version : inventory->max_version;
    SSL_CTX *ctx = client_context(&(struct client_spec){.max = version, .ciphers = suite->name});
    static const uint16_t schemes[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PKCS1_SHA256,
                                       SSL_SIGN_ED25519, SSL_SIGN_RSA_PSS_RSAE_SHA256};
    assert_true(SSL_CTX_set_verify_algorithm_prefs(ctx, schemes, 4));
    struct tls_summary summary = {0};
    struct duel duel;
    duel_begin(&duel, context, ctx);
    bool works = duel_handshake(&duel) == TLS_OK;
    if (works) {
        tls_conn_summary(duel.conn, &summary);
        assert_string_equal(summary.cipher, suite->name);
        assert_int_equal(summary.cipher_bits, suite->bits);
    }
    duel_end(&duel);
    SSL_CTX_free(ctx);
    return works;
}

/* A suite is said to be usable just when a handshake with it succeeds. */
static void test_suites(void **state)
{
    static char tls13_group[] = "X25519MLKEM768", p256[] = "P-256";
    static const char *const keys[] = {"E", "R", "ER", "D", "DR"};
    static const struct tls_policy policies[] = {
        {0},
        {.max_version = TLS_VERSION_1_0},
        {.max_version = TLS_VERSION_1_1, .min_version = TLS_VERSION_1_1},
        {.max_version = TLS_VERSION_1_2, .server_preference = true},
        {.min_version = TLS_VERSION_1_3},
        {.curves = p256},
        {.curves = tls13_group, .max_version = TLS_VERSION_1_2},
    };
    const size_t count = sizeof policies / sizeof policies[0];
    (void)state;
    for (size_t i = 0; i < 5 * count; i++) {
        const struct tls_policy *policy = &policies[i % count];
#ifndef SSL_GROUP_X25519_MLKEM768
        if (policy->curves == tls13_group) {
            continue;
        }
#endif
        struct tls_context *context = server_context(policy, keys[i / count]);
        struct tls_inventory *inventory = tls_inventory_new(context);
        unsigned usable = 0;
        for (size_t k = 0; k < inventory->suite_count; k++) {
            const struct tls_inventory_suite *suite = &inventory->suites[k];
            usable += suite->usable;
            if (suite->min_version == TLS1_3_VERSION) {
                assert_true(suite->usable); /* cannot be chosen by a client; test_order */
                continue;
            }
            if (suite_works(context, inventory, suite) != suite->usable) {
                fail_msg("keys %s, policy %zu: %s, said to be usable: %d", keys[i / count],
                         i % count, suite->name, suite->usable);
            }
            assert_null(strstr(suite->name, "PSK"));
            assert_int_equal(suite->forward_secrecy, strncmp(suite->name, "ECDHE", 5) == 0);
            assert_int_equal(suite->aead,
                             strstr(suite->name, "GCM") || strstr(suite->name, "CHACHA"));
            assert_int_equal(suite->needs_ecdsa, strstr(suite->name, "ECDSA") != NULL);
            assert_int_equal(suite->needs_rsa, !suite->needs_ecdsa);
        }
        assert_true(usable > 0 || policy->curves == tls13_group || keys[i / count][0] == 'D');
        tls_inventory_free(inventory);
        tls_context_unref(context);
    }
    tls_inventory_free(NULL);
}

/* The suite that is chosen of all is the first that is usable, or for clients that decide one of
 * the first group. */
static void test_order(void **state)
{
    static char list[] = "[ECDHE-RSA-AES256-GCM-SHA384|ECDHE-RSA-CHACHA20-POLY1305]:"
                         "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA";
    static const struct tls_policy policies[] = {
        {.max_version = TLS_VERSION_1_2, .server_preference = true},
        {.max_version = TLS_VERSION_1_2, .server_preference = true, .cipher_list = list},
        {.server_preference = true},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof policies / sizeof policies[0]; i++) {
        struct tls_context *context = server_context(&policies[i / 2], "R");
        struct tls_inventory *inventory = tls_inventory_new(context);
        SSL_CTX *ctx =
            client_context(&(struct client_spec){.ciphers = i % 2 ? "CHACHA20:AES256:ALL" : "ALL"});
        struct tls_summary summary;
        struct duel duel;
        size_t at = 0;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        tls_conn_summary(duel.conn, &summary);
        while (strcmp(inventory->suites[at].name, summary.cipher) != 0) {
            assert_true(++at < inventory->suite_count);
        }
        for (size_t k = 0; k < at;
             k++) { /* what comes before is of the same preference, or of no use */
            assert_true(!inventory->suites[k].usable ||
                        inventory->suites[k].group == inventory->suites[at].group);
        }
        for (size_t k = 1; k < inventory->suite_count; k++) { /* groups are numbered in order */
            unsigned step = inventory->suites[k].group - inventory->suites[k - 1].group;
            assert_true(step <= 1);
        }
        duel_end(&duel);
        SSL_CTX_free(ctx);
        tls_inventory_free(inventory);
        tls_context_unref(context);
    }
}

static void test_tls13(void **state)
{
    struct tls_context *context = server_context(&(struct tls_policy){0}, "E");
    struct tls_inventory *inventory = tls_inventory_new(context);
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(inventory->suites[i].min_version, TLS1_3_VERSION);
        assert_int_equal(inventory->suites[i].max_version, TLS1_3_VERSION);
        assert_true(inventory->suites[i].forward_secrecy && inventory->suites[i].aead);
        assert_false(inventory->suites[i].needs_rsa || inventory->suites[i].needs_ecdsa);
    }
    assert_true(inventory->suites[3].max_version < TLS1_3_VERSION);
    assert_string_equal(inventory->suites[0].name, inventory->suites[0].standard_name);
    tls_inventory_free(inventory);
    tls_context_unref(context);
}

static void test_settings(void **state)
{
    static char curves[] = "X25519 prime256v1 secp384r1";
    static const struct {
        struct tls_policy policy;
        bool server, chacha;
        long lifetime;
    } cases[] = {
        {{.curves = curves}, false, false, 3600},
        {{.curves = curves, .server_preference = true, .session_timeout = 120}, true, false, 120},
        {{.curves = curves, .session_timeout = -1}, false, false, 0},
        {{.curves = curves, .prioritize_chacha = true}, false, false, 3600},
        {{.curves = curves, .prioritize_chacha = true, .server_preference = true},
         true,
         true,
         3600},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_context *context = server_context(&cases[i].policy, "E");
        struct tls_inventory *inventory = tls_inventory_new(context);
        assert_int_equal(inventory->min_version, TLS_VERSION_1_0);
        assert_int_equal(inventory->max_version, TLS_VERSION_1_3);
        assert_int_equal(inventory->server_preference, cases[i].server);
        assert_int_equal(inventory->prioritize_chacha, cases[i].chacha);
        assert_int_equal(inventory->tickets, cases[i].lifetime > 0);
        assert_int_equal(inventory->ticket_lifetime, cases[i].lifetime);
        assert_int_equal(inventory->group_count, 3);
        assert_string_equal(inventory->groups[0], "x25519");
        assert_string_equal(inventory->groups[1], "secp256r1");
        assert_string_equal(inventory->groups[2], "secp384r1");
        tls_inventory_free(inventory);
        tls_context_unref(context);
    }
}

static void test_chains(void **state)
{
    struct tls_credential root = pki_make(
        &(struct pki_spec){.name = "Root", .authority = true, .days_before = -5, .days_after = 2});
    struct tls_credential middle =
        pki_make(&(struct pki_spec){.name = "Middle", .authority = true, .by = &root});
    struct tls_credential leaf = pki_make(&(struct pki_spec){
        .name = "leaf, \"quoted\"", .by = &middle, .days_before = -5, .days_after = 90});
    CRYPTO_BUFFER *reversed[] = {leaf.chain[0], root.chain[0], leaf.chain[1]};
    struct tls_credential items[] = {leaf, leaf, rsa, ed25519};
    struct tls_credentials credentials = {.items = items, .count = 4};
    items[1].chain = reversed;
    items[1].chain_length = 3;
    static const struct {
        const char *subject, *key, *signature, *names;
        int bits;
        size_t length;
        bool self_signed, in_order;
        int ends, chain_ends; /* days from now */
    } wanted[] = {
        {"CN=leaf\\, \\\"quoted\\\"", "ECDSA (prime256v1)", "ecdsa-with-SHA256", "", 256, 2, false,
         true, 90, 1},
        {"CN=leaf\\, \\\"quoted\\\"", "ECDSA (prime256v1)", "ecdsa-with-SHA256", "", 256, 3, false,
         false, 90, 1},
        {"CN=mx.test", "RSA (2048 bits)", "sha256WithRSAEncryption", "mx.test", 2048, 1, true, true,
         1, 1},
        {"CN=mx.test", "ED25519", "ED25519", "mx.test", 253, 1, true, true, 1, 1},
    };
    (void)state;
    struct tls_context *context = server_context_of(&(struct tls_policy){0}, &credentials);
    struct tls_inventory *inventory = tls_inventory_new(context);
    assert_int_equal(inventory->chain_count, 4);
    time_t now = time(NULL);
    for (size_t i = 0; i < 4; i++) {
        const struct tls_inventory_chain *chain = &inventory->chains[i];
        assert_string_equal(chain->subject, wanted[i].subject);
        assert_string_equal(chain->key, wanted[i].key);
        assert_string_equal(chain->signature, wanted[i].signature);
        assert_string_equal(chain->names, wanted[i].names);
        assert_true(chain->key_bits == wanted[i].bits || (i == 3 && chain->key_bits > 250));
        assert_int_equal(chain->length, wanted[i].length);
        assert_int_equal(chain->self_signed, wanted[i].self_signed);
        assert_int_equal(chain->in_order, wanted[i].in_order);
        assert_true(labs(chain->not_after - now - 86400L * wanted[i].ends) < 600);
        assert_true(labs(chain->chain_ends - now - 86400L * wanted[i].chain_ends) < 600);
        assert_true(chain->not_before < now && chain->not_before > now - 6 * 86400L);
        assert_string_equal(chain->sni, "");
        assert_false(chain->ocsp);
    }
    tls_inventory_free(inventory);
    tls_context_unref(context);
    tls_credential_clear(&leaf);
    tls_credential_clear(&middle);
    tls_credential_clear(&root);
}

/* Chains for other names are listed by name, with their files. */
static void test_names(void **state)
{
    char directory[] = "/tmp/gatepost-inventory-XXXXXX", path[128], maps[512], command[64];
    struct findings findings;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/mx.pem", directory);
    pki_write(path, (const struct tls_credential *[]){&ecdsa}, 1, true);
    snprintf(maps, sizeof maps, "inline:{ b.test=%s, .a.test=%s }", path, path);
    findings_reset(&findings);
    struct tls_sni_list *names = tls_sni_list_read(maps, NULL, &findings.diag);
    assert_non_null(names);
    const struct tls_credential_files files = {.chain_files = path,
                                               .cert_file = "",
                                               .key_file = "",
                                               .eccert_file = "",
                                               .eckey_file = "",
                                               .sni = names};
    struct tls_credentials *credentials = tls_credentials_from_files(&files, &findings.diag);
    struct tls_context *context = server_context_of(&(struct tls_policy){0}, credentials);
    struct tls_inventory *inventory = tls_inventory_new(context);
    assert_int_equal(inventory->chain_count, 3);
    assert_string_equal(inventory->chains[0].sni, "");
    assert_string_equal(inventory->chains[1].sni, ".a.test");
    assert_string_equal(inventory->chains[2].sni, "b.test");
    assert_string_equal(inventory->chains[2].file, path);
    tls_inventory_free(inventory);
    tls_context_unref(context);
    tls_credentials_free(credentials);
    tls_sni_list_free(names);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

/* ---- PRIORITIZE_CHACHA ---- */

static void test_chacha(void **state)
{
    static char list[] = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:"
                         "ECDHE-RSA-CHACHA20-POLY1305:AES128-SHA";
    static char groups[] = "[ECDHE-RSA-AES256-GCM-SHA384|ECDHE-RSA-CHACHA20-POLY1305|"
                           "ECDHE-RSA-AES128-GCM-SHA256]:AES128-SHA";
#define CHACHA "ECDHE-RSA-CHACHA20-POLY1305"
#define AES128 "ECDHE-RSA-AES128-GCM-SHA256"
#define AES256 "ECDHE-RSA-AES256-GCM-SHA384"
    static const struct {
        char *list;
        bool server, prioritize;
        const char *client, *chosen;
    } cases[] = {
        {list, true, true, CHACHA ":" AES256, CHACHA},
        {list, true, true, AES128 ":" CHACHA ":" AES256, AES256},
        {list, true, true, AES128 ":" CHACHA, AES128},
        {list, true, true, CHACHA, CHACHA},
        {list, true, true, "AES128-SHA:" CHACHA, CHACHA},
        {list, true, false, CHACHA ":" AES256, AES256},
        {list, false, true, AES128 ":" CHACHA, AES128},
        {list, false, true, CHACHA ":" AES128, CHACHA},
        {groups, true, true, CHACHA ":" AES128 ":" AES256, CHACHA},
        {groups, true, true, AES128 ":" CHACHA ":" AES256, AES128},
        {groups, true, true, CHACHA ":AES128-SHA", CHACHA},
        {groups, true, false, AES256 ":" CHACHA, AES256},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        size_t at = i / 2; /* with one key, and with a choice of two */
        struct tls_context *context =
            server_context(&(struct tls_policy){.cipher_list = cases[at].list,
                                                .server_preference = cases[at].server,
                                                .prioritize_chacha = cases[at].prioritize},
                           i % 2 ? "ER" : "R");
        SSL_CTX *ctx = client_context(
            &(struct client_spec){.max = TLS1_2_VERSION, .ciphers = cases[at].client});
        struct tls_summary summary;
        struct duel duel;
        duel_begin(&duel, context, ctx);
        assert_int_equal(duel_handshake(&duel), TLS_OK);
        tls_conn_summary(duel.conn, &summary);
        if (strcmp(summary.cipher, cases[at].chosen) != 0) {
            fail_msg("case %zu: %s", at, summary.cipher);
        }
        duel_end(&duel);
        SSL_CTX_free(ctx);
        tls_context_unref(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suites), cmocka_unit_test(test_order),
        cmocka_unit_test(test_tls13),  cmocka_unit_test(test_settings),
        cmocka_unit_test(test_chains), cmocka_unit_test(test_names),
        cmocka_unit_test(test_chacha),
    };
    return cmocka_run_group_tests(tests, duel_make_keys, duel_free_keys);
}
