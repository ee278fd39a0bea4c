/*
 * profile_test.c: published rule sets: each rule is violated by what it forbids and by nothing
 * else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/profile.h"
#include "policy/text.h"

#include "proxy/check_profile.h"

#define NOW ((time_t)1800000000)
#define DAYS(n) ((time_t)(n)*24 * 3600)
#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define SUITES_MAX 16
#define GROUPS_MAX 8

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

#define TLS13 "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384"
#define TLS13_ALL TLS13 " TLS_CHACHA20_POLY1305_SHA256"
#define GCM_SUITES "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384"
#define MOZILLA_6 "Mozilla Server Side TLS 6.0, "
#define BSI "BSI TR-02102-2, version 2023-01"
#define NCSC "NCSC-NL IT Security Guidelines for TLS, version 2.1"
#define PCI_CRYPTO " [PCI DSS 4.0, 4.2.1 and glossary: strong cryptography]|"

/* What is judged, in words; 0 and NULL stand for what every profile is content with. */
struct sample {
    const char *profile;
    const char *findings;  /* without "W L: profile NAME: " */
    unsigned min, max;     /* last digit of the version: 4 is TLS 1.3; 0: 4 */
    const char *suites;    /* default: none; "[a b]" for equal preference */
    const char *groups;    /* default: secp256r1 secp384r1 */
    const char *key;       /* default: ECDSA; type, with the curve after a colon, */
    int key_bits;          /* default: 256 */
    const char *signature; /* default: ecdsa-with-SHA256 */
    int days;              /* default: 90 */
    int began;             /* days before now; default: 10 */
    bool self_signed, server_order, compression, renegotiation, early_data, encrypt_then_mac;
};

static const struct sample samples[] = {
    {"mozilla-modern", "", .suites = TLS13_ALL},
    {"mozilla-modern",
     "TLS 1.2 is offered (TLS 1.3 only) [" MOZILLA_6 "modern, tls_versions]|"
     "cipher suites ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES256-GCM-SHA384 are offered (the"
     " three suites of TLS 1.3) [" MOZILLA_6 "modern, ciphersuites]|",
     .min = 3, .suites = TLS13_ALL " " GCM_SUITES},
    {"mozilla-modern", "", .groups = "X25519MLKEM768 x25519 secp256r1 secp384r1"},
    {"mozilla-modern",
     "key exchange groups secp521r1, x448 are offered (X25519MLKEM768, X25519, P-256 and P-384) "
     "[" MOZILLA_6 "modern, tls_curves]|",
     .groups = "x25519 secp521r1 x448"},
    {"mozilla-modern",
     "the server's order of suites decides (the client's order of suites decides) [" MOZILLA_6
     "modern, server_preferred_order]|",
     .server_order = true},
    {"mozilla-modern",
     "certificate CN=mx is of type RSA (ECDSA certificates) [" MOZILLA_6
     "modern, certificate_types]|"
     "certificate CN=mx is signed with sha256WithRSAEncryption (ECDSA with SHA-256, SHA-384 or"
     " SHA-512) [" MOZILLA_6 "modern, certificate_signatures]|",
     .key = "RSA", .key_bits = 2048, .signature = "sha256WithRSAEncryption"},
    {"mozilla-modern",
     "certificate CN=mx has a key on the curve secp521r1 (P-256 or P-384) [" MOZILLA_6
     "modern, certificate_curves]|",
     .key = "ECDSA:secp521r1", .key_bits = 521},
    {"mozilla-modern",
     "certificate CN=mx is valid for 91 days (90 days at most) [" MOZILLA_6
     "modern, maximum_certificate_lifespan]|",
     .days = 91},

    {"mozilla-intermediate", "", .min = 3, .suites = TLS13_ALL " " GCM_SUITES, .days = 366},
    {"mozilla-intermediate", "", .min = 3, .key = "ECDSA:prime256v1"},
    {"mozilla-intermediate", "", .min = 3, .key = "RSA", .key_bits = 2048,
     .signature = "sha256WithRSAEncryption"},
    {"mozilla-intermediate",
     "TLS 1.0, TLS 1.1 are offered (minimum TLS 1.2) [" MOZILLA_6 "intermediate, tls_versions]|"
     "TLS 1.3 is not offered (TLS 1.2 and TLS 1.3) [" MOZILLA_6 "intermediate, tls_versions]|",
     .min = 1, .max = 3},
    {"mozilla-intermediate",
     "TLS 1.1 is offered (minimum TLS 1.2) [" MOZILLA_6 "intermediate, tls_versions]|", .min = 2},
    {"mozilla-intermediate",
     "cipher suite AES128-SHA is offered (ECDHE with AES-GCM or ChaCha20-Poly1305) [" MOZILLA_6
     "intermediate, ciphers and ciphersuites]|",
     .suites = TLS13_ALL " " GCM_SUITES " ECDHE-RSA-CHACHA20-POLY1305 AES128-SHA"},
    {"mozilla-intermediate",
     "certificate CN=mx has an RSA key of 1024 bits (RSA keys of 2048 bits) [" MOZILLA_6
     "intermediate, rsa_key_size]|"
     "certificate CN=mx is signed with sha1WithRSAEncryption (RSA with SHA-256, or ECDSA with"
     " SHA-256, SHA-384 or SHA-512) [" MOZILLA_6 "intermediate, certificate_signatures]|",
     .key = "RSA", .key_bits = 1024, .signature = "sha1WithRSAEncryption"},
    {"mozilla-intermediate",
     "certificate CN=mx is of type ED25519 (ECDSA or RSA certificates) [" MOZILLA_6
     "intermediate, certificate_types]|",
     .key = "ED25519"},
    {"mozilla-intermediate",
     "certificate CN=mx is valid for 367 days (366 days at most) [" MOZILLA_6
     "intermediate, maximum_certificate_lifespan]|",
     .days = 367},

    {"mozilla-intermediate",
     "key exchange group x448 is offered (X25519MLKEM768, X25519, P-256 and P-384) [" MOZILLA_6
     "intermediate, tls_curves]|"
     "the server's order of suites decides (the client's order of suites decides) [" MOZILLA_6
     "intermediate, server_preferred_order]|"
     "certificate CN=mx has a key on the curve secp521r1 (P-256 or P-384) [" MOZILLA_6
     "intermediate, certificate_curves]|",
     .groups = "X25519MLKEM768 x25519 secp256r1 secp384r1 x448", .server_order = true,
     .key = "ECDSA:secp521r1", .key_bits = 521},

    {"bsi-tr-02102-2", "", .min = 3, .suites = TLS13 " " GCM_SUITES, .days = 4000},
    {"bsi-tr-02102-2", "", .min = 3, .max = 3, .groups = "secp521r1 brainpoolP256r1 ffdhe3072",
     .suites = "ECDHE-RSA-AES128-SHA256", .encrypt_then_mac = true},
    {"bsi-tr-02102-2", "", .key = "RSA", .key_bits = 3072, .signature = "RSASSA-PSS"},
    {"bsi-tr-02102-2",
     "TLS 1.1 is offered (TLS 1.2 or TLS 1.3) [" BSI ", 3.2]|"
     "cipher suite ECDHE-RSA-AES128-SHA is offered (ephemeral Diffie-Hellman with AES, in GCM or"
     " CCM mode or in CBC mode with SHA-2) [" BSI ", 3.3.1.1 and 3.4.4]|"
     "cipher suites ECDHE-RSA-AES128-SHA256, ECDHE-RSA-AES128-SHA are offered without"
     " Encrypt-then-MAC (CBC mode only together with Encrypt-then-MAC) [" BSI ", 3.3.4]|",
     .min = 2, .suites = GCM_SUITES " ECDHE-RSA-AES128-SHA256 ECDHE-RSA-AES128-SHA"},
    {"bsi-tr-02102-2",
     "cipher suite TLS_CHACHA20_POLY1305_SHA256 is offered; those of TLS 1.3 cannot be switched off"
     " one by one (ephemeral Diffie-Hellman with AES, in GCM or CCM mode or in CBC mode with SHA-2)"
     " [" BSI ", 3.3.1.1 and 3.4.4]|",
     .suites = TLS13_ALL},
    {"bsi-tr-02102-2",
     "key exchange groups X25519MLKEM768, x25519 are offered (P-256, P-384, P-521, Brainpool"
     " curves, ffdhe3072 or ffdhe4096) [" BSI ", 3.3.2 and 3.4.2]|",
     .groups = "X25519MLKEM768 x25519 secp256r1"},
    {"bsi-tr-02102-2",
     "certificate CN=mx has an RSA key of 2048 bits (RSA keys of 3000 bits since 2024) [" BSI
     ", 3.6.1]|"
     "certificate CN=mx is signed with sha256WithRSAEncryption (ECDSA or RSA-PSS with SHA-2; RSA"
     " with PKCS #1 v1.5 padding until 2025 only) [" BSI ", 3.4.3]|",
     .key = "RSA", .key_bits = 2048, .signature = "sha256WithRSAEncryption"},
    {"bsi-tr-02102-2",
     "certificate CN=mx is of type ED25519 (ECDSA or RSA certificates) [" BSI ", 3.4.3]|",
     .key = "ED25519"},
    {"bsi-tr-02102-2",
     "certificate CN=mx has a key on the curve secp224r1 (P-256, P-384, P-521 or a Brainpool curve)"
     " [" BSI ", 3.6.2]|",
     .key = "ECDSA:secp224r1", .key_bits = 224},
    {"bsi-tr-02102-2",
     "TLS compression is offered (no TLS compression) [" BSI ", 3.3.4]|"
     "insecure renegotiation is possible (renegotiation only as in RFC 5746) [" BSI ", 3.3.4]|"
     "0-RTT data is accepted (no 0-RTT data) [" BSI ", 3.4.1]|",
     .compression = true, .renegotiation = true, .early_data = true},

    {"ncsc-nl-2.1", "", .min = 3, .suites = TLS13_ALL " " GCM_SUITES, .days = 4000},
    {"ncsc-nl-2.1", "", .min = 3, .groups = "secp521r1 x25519", .key = "ED25519",
     .suites = TLS13_ALL " " GCM_SUITES " ECDHE-RSA-AES128-SHA256 ECDHE-ECDSA-AES256-SHA",
     .server_order = true},
    {"ncsc-nl-2.1", "", .suites = "[" GCM_SUITES "] [ECDHE-RSA-AES128-SHA ECDHE-ECDSA-AES256-SHA]",
     .server_order = true},
    {"ncsc-nl-2.1",
     "TLS 1.0, TLS 1.1 are offered (TLS 1.2 is sufficient, TLS 1.3 good; older ones are to be"
     " phased out) [" NCSC ", B1-1]|",
     .min = 1},
    {"ncsc-nl-2.1",
     "cipher suite NULL-SHA is offered (suites that the tables do not name are insufficient) [" NCSC
     ", B2-1 to B2-4]|"
     "cipher suites AES128-SHA, DES-CBC3-SHA are offered (static RSA and triple DES are to be"
     " phased out) [" NCSC ", B2-1 to B2-4]|",
     .suites = GCM_SUITES " AES128-SHA DES-CBC3-SHA NULL-SHA", .server_order = true},
    {"ncsc-nl-2.1",
     "the client's order of suites decides (unless all suites are good, the server prefers good to"
     " sufficient ones, and those to ones that are to be phased out) [" NCSC ", B2-5]|",
     .suites = GCM_SUITES " ECDHE-RSA-AES128-SHA"},
    {"ncsc-nl-2.1",
     "ECDHE-ECDSA-AES128-GCM-SHA256 is not preferred to ECDHE-RSA-AES128-SHA (unless all suites are"
     " good, the server prefers good to sufficient ones, and those to ones that are to be phased"
     " out) [" NCSC ", B2-5]|",
     .suites = "ECDHE-RSA-AES128-SHA " GCM_SUITES, .server_order = true},
    {"ncsc-nl-2.1",
     "ECDHE-RSA-AES256-GCM-SHA384 is not preferred to ECDHE-RSA-AES128-SHA (unless all suites are"
     " good, the server prefers good to sufficient ones, and those to ones that are to be phased"
     " out) [" NCSC ", B2-5]|",
     .suites = "[ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-SHA]", .server_order = true},
    {"ncsc-nl-2.1",
     "key exchange groups secp224r1, X25519MLKEM768 are offered (P-256, P-384, P-521, X25519 or"
     " X448) [" NCSC ", B5-1]|",
     .groups = "secp224r1 x25519 X25519MLKEM768"},
    {"ncsc-nl-2.1",
     "certificate CN=mx has a key on the curve secp224r1 (P-256, P-384 or P-521) [" NCSC ", B5-1]|",
     .key = "ECDSA:secp224r1", .key_bits = 224},
    {"ncsc-nl-2.1",
     "certificate CN=mx has an RSA key of 1024 bits (RSA keys of 2048 bits) [" NCSC ", B3-3]|"
     "certificate CN=mx is signed with sha1WithRSAEncryption (SHA-256 or better) [" NCSC ", B3-2]|",
     .key = "RSA", .key_bits = 1024, .signature = "sha1WithRSAEncryption"},
    {"ncsc-nl-2.1",
     "TLS compression is offered (no TLS compression) [" NCSC ", B7-1]|"
     "insecure renegotiation is possible (renegotiation only as in RFC 5746) [" NCSC ", B8-1]|"
     "0-RTT data is accepted (no 0-RTT data) [" NCSC ", B9-1]|",
     .compression = true, .renegotiation = true, .early_data = true},

    {"pci-dss-4", "", .min = 3, .suites = TLS13_ALL " " GCM_SUITES " AES128-SHA", .days = 4000,
     .groups = "x25519 secp521r1", .key = "RSA", .key_bits = 2048,
     .signature = "sha384WithRSAEncryption", .server_order = true},
    {"pci-dss-4",
     "TLS 1.0, TLS 1.1 are offered (minimum TLS 1.2: no fallback to insecure versions; RFC 8996"
     " withdrew the older ones) [PCI DSS 4.0, 4.2.1]|",
     .min = 1},
    {"pci-dss-4",
     "cipher suite NULL-SHA is offered (112 bits of strength)" PCI_CRYPTO
     "cipher suite DES-CBC3-SHA is offered (accepted algorithms: triple DES is none since 2024, "
     "NIST"
     " SP 800-131A revision 2)" PCI_CRYPTO,
     .suites = "DES-CBC3-SHA NULL-SHA AES128-SHA"},
    {"pci-dss-4",
     "certificate CN=mx has an RSA key of 2047 bits (112 bits of strength: RSA keys of 2048 bits,"
     " NIST SP 800-57)" PCI_CRYPTO
     "certificate CN=mx is signed with md5WithRSAEncryption (accepted algorithms: no MD5 and no"
     " SHA-1)" PCI_CRYPTO,
     .key = "RSA", .key_bits = 2047, .signature = "md5WithRSAEncryption"},
    {"pci-dss-4",
     "certificate CN=mx has expired (certificates that are not expired) [PCI DSS 4.0, 4.2.1]|",
     .days = 9},
    {"pci-dss-4",
     "certificate CN=mx is not valid yet (certificates that are not expired) [PCI DSS 4.0,"
     " 4.2.1]|",
     .began = -1},
    {"pci-dss-4",
     "certificate CN=mx signed itself (trusted certificates: a self-signed one only if its users"
     " verify it) [PCI DSS 4.0, 4.2.1]|",
     .self_signed = true},
};

/* Split LIST in place; "[" and "]" are only looked at by suites_of. Returns the number. */
static size_t split(char *list, const char *words[], size_t max)
{
    size_t count = 0;
    char *rest = list;

    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        assert_true(count < max);
        if (*word != '\0')
            words[count++] = word;
    }
    return count;
}

static size_t suites_of(char *list, struct profile_suite suites[])
{
    const char *words[SUITES_MAX];
    size_t count = split(list, words, SUITES_MAX);
    bool equal = false;
    unsigned group = 0;

    for (size_t i = 0; i < count; i++) {
        char *name = list + (words[i] - list), *end;
        if (!equal)
            group++;
        if (*name == '[') {
            equal = true;
            name++;
        }
        if ((end = strchr(name, ']')) != NULL) {
            equal = false;
            *end = '\0';
        }
        suites[i] = (struct profile_suite){.name = name,
                                           .bits = strstr(name, "NULL")  ? 0
                                                   : strstr(name, "DES") ? 112
                                                                         : 128,
                                           .aead = strstr(name, "GCM") || strstr(name, "POLY1305"),
                                           .tls13 = strncmp(name, "TLS_", 4) == 0,
                                           .group = group};
    }
    return count;
}

/* What PROFILE finds about SAMPLE, each finding ending in "|"; the prefix of each is checked. */
static void judge(const struct sample *sample, struct text *findings)
{
    struct diag diag = {.sink = collect, .ctx = findings};
    struct profile_suite suites[SUITES_MAX];
    const char *groups[GROUPS_MAX];
    char *suite_list = text_copy(sample->suites ? sample->suites : "");
    char *group_list = text_copy(sample->groups ? sample->groups : "secp256r1 secp384r1");
    char *key = text_copy(sample->key ? sample->key : "ECDSA:secp256r1");
    char *colon = strchr(key, ':');
    time_t began = NOW - DAYS(sample->began ? sample->began : 10);

    if (colon != NULL)
        *colon = '\0';
    const struct profile_certificate certificate = {
        .subject = "CN=mx",
        .key_type = key,
        .curve = colon != NULL ? colon + 1 : "",
        .key_bits = sample->key_bits ? sample->key_bits : 256,
        .signature = sample->signature ? sample->signature : "ecdsa-with-SHA256",
        .not_before = began,
        .not_after = began + DAYS(sample->days ? sample->days : 90),
        .self_signed = sample->self_signed,
    };
    const struct profile_subject subject = {
        .min_version = (uint16_t)(0x0300 + (sample->min ? sample->min : 4)),
        .max_version = (uint16_t)(0x0300 + (sample->max ? sample->max : 4)),
        .suites = suites,
        .suite_count = suites_of(suite_list, suites),
        .groups = groups,
        .group_count = split(group_list, groups, GROUPS_MAX),
        .certificates = &certificate,
        .certificate_count = 1,
        .server_preference = sample->server_order,
        .compression = sample->compression,
        .insecure_renegotiation = sample->renegotiation,
        .early_data = sample->early_data,
        .encrypt_then_mac = sample->encrypt_then_mac,
        .tls13_suites_fixed = true,
        .now = NOW,
    };
    const struct profile *profile = profile_find(sample->profile);
    assert_non_null(profile);
    text_add_string(findings, "");
    unsigned violations = profile_check(profile, &subject, "L", &diag);
    assert_int_equal(violations, diag.warnings);
    assert_int_equal(diag.errors, 0);
    free(suite_list);
    free(group_list);
    free(key);
}

static void rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(samples); i++) {
        struct text findings = {0}, expected = {0};
        char *rows = text_copy(samples[i].findings), *rest = rows;

        text_add_string(&expected, "");
        for (char *row; (row = strsep(&rest, "|")) != NULL && *row != '\0';)
            text_format(&expected, "W L: profile %s: %s|", samples[i].profile, row);
        judge(&samples[i], &findings);
        if (strcmp(findings.data, expected.data) != 0)
            fail_msg("row %zu: %s\nexpected %s", i, findings.data, expected.data);
        free(rows);
        text_free(&findings);
        text_free(&expected);
    }
}

/* Every rule is violated by some row above: its requirement and section stand in a finding. */
static void every_rule_is_tested(void **state)
{
    (void)state;
    for (size_t i = 0; profile_name(i) != NULL; i++) {
        const struct profile *profile = profile_find(profile_name(i));
        struct profile_rule_text rule, other;
        for (size_t r = 0; profile_rule(profile, r, &rule); r++) {
            char end[1024];
            bool tested = false;
            snprintf(end, sizeof(end), " (%s) [%s%s%s]|", rule.requirement,
                     profile_document(profile), *rule.section ? ", " : "", rule.section);
            for (size_t s = 0; s < ROWS(samples) && !tested; s++)
                tested = strcmp(samples[s].profile, profile_name(i)) == 0 &&
                         strstr(samples[s].findings, end) != NULL;
            if (!tested)
                fail_msg("%s: %s: no row violates it", profile_name(i), rule.id);
            for (size_t o = 0; o < r; o++) {
                assert_true(profile_rule(profile, o, &other));
                assert_string_not_equal(rule.id, other.id);
            }
        }
    }
}

static void profile_names(void **state)
{
    (void)state;
    static const char *const names[] = {"bsi-tr-02102-2", "mozilla-intermediate", "mozilla-modern",
                                        "ncsc-nl-2.1", "pci-dss-4"};
    struct text findings = {0};
    struct diag diag = {.sink = collect, .ctx = &findings};
    size_t count = 0;

    while (profile_name(count) != NULL)
        count++;
    assert_int_equal(count, ROWS(names));
    for (size_t i = 0; i < ROWS(names); i++)
        assert_ptr_equal(check_profile_find(names[i], &diag), profile_find(names[i]));
    assert_int_equal(findings.length, 0);
    assert_null(check_profile_find("mozilla", &diag));
    assert_int_equal(diag.errors, 1);
    assert_string_equal(findings.data,
                        "E there is no profile mozilla; there are: mozilla-modern,"
                        " mozilla-intermediate, bsi-tr-02102-2, ncsc-nl-2.1, pci-dss-4|");
    text_free(&findings);
}

/* What an inventory becomes: unusable suites do not count, and keys are taken apart. */
static void from_inventory(void **state)
{
    (void)state;
    struct tls_inventory_suite suites[] = {
        {.name = "TLS_CHACHA20_POLY1305_SHA256",
         .min_version = 0x0304,
         .bits = 256,
         .aead = true,
         .usable = true,
         .group = 1},
        {.name = "AES128-SHA", .min_version = 0x0301, .bits = 128, .group = 2},
        {.name = "AES256-SHA", .min_version = 0x0301, .bits = 256, .usable = true, .group = 3},
    };
    char groups[][32] = {"secp256r1", "x25519"};
    struct tls_inventory_chain chains[] = {
        {.subject = "CN=a",
         .key = "RSA (1024 bits)",
         .key_bits = 1024,
         .signature = "ecdsa-with-SHA256",
         .not_before = 0,
         .not_after = DAYS(90)},
        {.subject = "CN=b",
         .key = "ECDSA (secp224r1)",
         .key_bits = 224,
         .signature = "ecdsa-with-SHA256",
         .not_before = 0,
         .not_after = DAYS(90)},
        {.subject = "CN=c",
         .key = "ED25519",
         .key_bits = 253,
         .signature = "ecdsa-with-SHA256",
         .not_before = 0,
         .not_after = DAYS(90)},
    };
    const struct tls_inventory inventory = {.min_version = 0x0302,
                                            .max_version = 0x0304,
                                            .suites = suites,
                                            .suite_count = 3,
                                            .groups = groups,
                                            .group_count = 2,
                                            .chains = chains,
                                            .chain_count = 3};
    struct text findings = {0};
    struct diag diag = {.sink = collect, .ctx = &findings};

    unsigned violations = check_profile("map:7", &inventory, profile_find("bsi-tr-02102-2"), &diag);
    static const char *const expected[] = {
        "W map:7: profile bsi-tr-02102-2: TLS 1.1 is offered (",
        "bsi-tr-02102-2: cipher suites TLS_CHACHA20_POLY1305_SHA256, AES256-SHA are offered; ",
        "bsi-tr-02102-2: cipher suite AES256-SHA is offered without Encrypt-then-MAC",
        "bsi-tr-02102-2: key exchange group x25519 is offered",
        "bsi-tr-02102-2: certificate CN=c is of type ED25519 (",
        "bsi-tr-02102-2: certificate CN=b has a key on the curve secp224r1 (",
        "bsi-tr-02102-2: certificate CN=a has an RSA key of 1024 bits (",
    };
    assert_int_equal(violations, ROWS(expected));
    for (size_t i = 0; i < ROWS(expected); i++)
        if (strstr(findings.data, expected[i]) == NULL)
            fail_msg("%s\nlacks %s", findings.data, expected[i]);
    text_free(&findings);

    const struct tls_inventory nothing = {.min_version = 0x0304, .max_version = 0x0304};
    assert_int_equal(check_profile("L", &nothing, profile_find("pci-dss-4"), &diag), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(every_rule_is_tested),
        cmocka_unit_test(profile_names),
        cmocka_unit_test(from_inventory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
