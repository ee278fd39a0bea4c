/*
 * cert_check_test.c: findings about certificate chains and key files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/text.h"

#include "tls/cert_check.h"
#include "tls/name_match.h"

#include "proxy/check_certificates.h"

#define NOW ((time_t)1800000000) /* 2027-01-15 08:00 UTC */
#define DAYS(n) ((time_t)(n)*24 * 3600)
#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *host;
        bool matches;
    } rows[] = {
        {"mx.example.com", "mx.example.com", true},
        {"MX.Example.COM", "mx.eXample.com", true},
        {"mx.example.com", "mx.example.com.", true},
        {"mx.example.com.", "mx.example.com", false},
        {"mx.example.com", "mx2.example.com", false},
        {"example.com", "mx.example.com", false},
        {"mx.example.com", "example.com", false},
        {"*.example.com", "mx.example.com", true},
        {"*.EXAMPLE.com", "mx.example.com.", true},
        {"*.example.com", "a.mx.example.com", false},
        {"*.example.com", "example.com", false},
        {"*.example.com", ".example.com", false},
        {"*.example.com", "mxexample.com", false},
        {"*.com", "example.com", false},
        {"*.com.", "example.com.", false},
        {"*..com", "mx..com", false},
        {"*", "com", false},
        {"*.", "com.", false},
        {"m*.example.com", "mx.example.com", false},
        {"*x.example.com", "mx.example.com", false},
        {"mx.*.com", "mx.example.com", false},
        {"*.*.com", "mx.example.com", false},
        {"*.example.com", "*.example.com", true},
        {"", "", false},
        {"", "mx.example.com", false},
        {"mx.example.com", "", false},
        {"mx.example.com", ".", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (tls_name_match(rows[i].pattern, strlen(rows[i].pattern), rows[i].host) !=
            rows[i].matches)
            fail_msg("%s for %s: expected %d", rows[i].pattern, rows[i].host, rows[i].matches);
    }
}

/* A chain about which there is nothing to say; what follows overrides it. */
#define GOOD                                                                                       \
    .subject = "CN=mx.example", .key = "RSA (2048 bits)", .key_bits = 2048,                        \
    .signature = "sha256WithRSAEncryption", .not_before = NOW - DAYS(30),                          \
    .not_after = NOW + DAYS(60), .chain_ends = NOW + DAYS(60),                                     \
    .names = "mx.example.com *.mail.example.com", .length = 2, .in_order = true
#define ECDSA(bits, curve) .key = "ECDSA (" curve ")", .key_bits = (bits)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#endif
static const struct {
    const char *name;
    const char *host; /* NULL: mx.example.com */
    const char *findings;
    struct tls_inventory_chain chains[3];
} chain_rows[] = {
    {"good", NULL, "", {{GOOD}}},
    {"no certificate", NULL, "", {{.subject = ""}}},
    {"wildcard", "x.mail.example.com", "", {{GOOD}}},
    {"self-signed alone", NULL, "", {{GOOD, .length = 1, .self_signed = true}}},
    {"14 days and no more",
     NULL,
     "",
     {{GOOD, .not_after = NOW + DAYS(14), .chain_ends = NOW + DAYS(14)}}},
    {"less than 14 days",
     NULL,
     "W L: certificate CN=mx.example: expires on 2027-01-29 07:59 UTC|",
     {{GOOD, .not_after = NOW + DAYS(14) - 1, .chain_ends = NOW + DAYS(14) - 1}}},
    {"last second",
     NULL,
     "W L: certificate CN=mx.example: expires on 2027-01-15 08:00 UTC|",
     {{GOOD, .not_after = NOW, .chain_ends = NOW}}},
    {"expired",
     NULL,
     "W L: certificate CN=mx.example: expired on 2027-01-14 08:00 UTC|",
     {{GOOD, .not_after = NOW - DAYS(1), .chain_ends = NOW - DAYS(1)}}},
    {"issuer expired",
     NULL,
     "W L: certificate CN=mx.example: an issuer's certificate in its chain expired on"
     " 2027-01-14 08:00 UTC|",
     {{GOOD, .chain_ends = NOW - DAYS(1)}}},
    {"issuer expires",
     NULL,
     "W L: certificate CN=mx.example: an issuer's certificate in its chain expires on"
     " 2027-01-16 08:00 UTC|",
     {{GOOD, .chain_ends = NOW + DAYS(1)}}},
    {"of the future",
     NULL,
     "W L: certificate CN=mx.example is not valid before 2027-01-15 08:00 UTC|",
     {{GOOD, .not_before = NOW + 1}}},
    {"wrong order",
     NULL,
     "W L: certificate CN=mx.example: the chain is in the wrong order: each certificate has to be"
     " followed by that of its issuer, or clients cannot verify it|",
     {{GOOD, .in_order = false}}},
    {"incomplete",
     NULL,
     "W L: certificate CN=mx.example: the chain is incomplete: its issuer's certificate is not in"
     " the file, and nothing adds it, as OpenSSL does from smtpd_tls_CAfile|",
     {{GOOD, .length = 1}}},
    {"other name",
     "mx2.example.com",
     "W L: certificate CN=mx.example does not cover mx2.example.com, only: mx.example.com"
     " *.mail.example.com|",
     {{GOOD}}},
    {"no names",
     NULL,
     "W L: certificate CN=mx.example has no DNS names in its subjectAltName extension, where"
     " clients look for mx.example.com|",
     {{GOOD, .names = ""}}},
    {"server name",
     NULL,
     "W L: certificate CN=mx.example does not cover smtp.example.net, only: mx.example.com"
     " *.mail.example.com|",
     {{GOOD}, {GOOD, .sni = "smtp.example.net"}}},
    {"names below, covered", NULL, "", {{GOOD, .sni = ".mail.example.com"}}},
    {"names below",
     NULL,
     "W L: certificate CN=mx.example does not cover all names below example.com, only:"
     " mx.example.com *.mail.example.com|",
     {{GOOD, .sni = ".example.com"}}},
    {"weak RSA",
     NULL,
     "W L: certificate CN=mx.example: the key is weak: RSA (1024 bits), less than 2048 bits|",
     {{GOOD, .key = "RSA (1024 bits)", .key_bits = 1024}}},
    {"weak EC",
     NULL,
     "W L: certificate CN=mx.example: the key is weak: ECDSA (secp224r1), less than 256 bits|",
     {{GOOD}, {GOOD, ECDSA(224, "secp224r1")}}},
    {"SHA-1",
     NULL,
     "W L: certificate CN=mx.example is signed with sha1WithRSAEncryption, which clients do not"
     " accept any more|",
     {{GOOD, .signature = "sha1WithRSAEncryption"}}},
    {"SHA-1 on a self-signed one",
     NULL,
     "",
     {{GOOD, .length = 1, .self_signed = true, .signature = "ecdsa-with-SHA1"}}},
    {"both types", NULL, "", {{GOOD, ECDSA(256, "prime256v1")}, {GOOD}}},
    {"no RSA",
     NULL,
     "W L: no RSA certificate, only ECDSA (prime256v1) (CN=mx.example): clients that cannot verify"
     " such a signature cannot use TLS|",
     {{GOOD, ECDSA(256, "prime256v1")}, {GOOD, .key = "ED25519", .key_bits = 253}}},
    {"no RSA for a server name",
     NULL,
     "W L: no RSA certificate for mx.example.com, only ECDSA (secp384r1) (CN=mx.example): clients"
     " that cannot verify such a signature cannot use TLS|",
     {{GOOD}, {GOOD, ECDSA(384, "secp384r1"), .sni = "mx.example.com"}}},
};
#pragma GCC diagnostic pop

static void chains(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(chain_rows); i++) {
        struct text findings = {0};
        struct diag diag = {.sink = collect, .ctx = &findings};
        struct tls_inventory_chain copy[3];
        struct tls_inventory inventory = {.chains = copy};
        memcpy(copy, chain_rows[i].chains, sizeof(copy));
        while (inventory.chain_count < 3 && copy[inventory.chain_count].length > 0)
            inventory.chain_count++;

        tls_check_chains(&inventory, "L",
                         chain_rows[i].host != NULL ? chain_rows[i].host : "mx.example.com", NOW,
                         &diag);
        const char *found = findings.data != NULL ? findings.data : "";
        if (strcmp(found, chain_rows[i].findings) != 0)
            fail_msg("%s: %s\nexpected %s", chain_rows[i].name, found, chain_rows[i].findings);
        text_free(&findings);
    }
}

static void too_many_names(void **state)
{
    (void)state;
    struct text findings = {0};
    struct diag diag = {.sink = collect, .ctx = &findings};
    struct tls_inventory_chain chain = {GOOD};
    struct tls_inventory inventory = {.chains = &chain, .chain_count = 1};

    memset(chain.names, 'a', sizeof(chain.names) - 1);
    for (size_t i = 50; i < sizeof(chain.names) - 1; i += 50)
        chain.names[i] = ' ';
    tls_check_chains(&inventory, "L", "mx.example.com", NOW, &diag);
    assert_string_equal(findings.data, "I L: certificate CN=mx.example has too many DNS names to"
                                       " say whether one covers mx.example.com|");
    text_free(&findings);
}

#define KEY                                                                                        \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2h2EmbpBd232Wnvf\n"                           \
    "6dca1KMxUF8nn3Pc4peDOV0hZDihRANCAAR4h8ZScYdo8z5EZQQpEGS1JG4Gewvg\n"                           \
    "eiZA6R+NZ/tj1ARwWxryITLuf5lYMUzuIusKYESLGEpNkrffGRUW2qXh\n"                                   \
    "-----END PRIVATE KEY-----\n"

static void key_files(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        bool key;
        const char *finding; /* after the file's name */
    } rows[] = {
        {0600, true, ""},
        {0400, true, ""},
        {0620, true, ""}, /* can be written, but not read */
        {0640, true, " has mode 0640: the private key in it can be read by its group|"},
        {0604, true, " has mode 0604: the private key in it can be read by everybody|"},
        {0644, true, " has mode 0644: the private key in it can be read by everybody|"},
        {0644, false, ""},
    };
    char name[] = "/tmp/cert_check_test.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct text findings = {0}, expected = {0};
        struct diag diag = {.sink = collect, .ctx = &findings};
        const char *content = rows[i].key ? KEY : "# no key\n";

        assert_return_code(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, content, strlen(content), 0), strlen(content));
        assert_return_code(fchmod(fd, rows[i].mode), 0);
        tls_check_key_file(name, "L", &diag);
        text_add_string(&expected, "");
        if (*rows[i].finding != '\0')
            text_format(&expected, "W L: %s%s", name, rows[i].finding);
        text_add_string(&findings, "");
        if (strcmp(findings.data, expected.data) != 0)
            fail_msg("mode %04o: %s\nexpected %s", (unsigned)rows[i].mode, findings.data,
                     expected.data);
        text_free(&findings);
        text_free(&expected);
    }
    close(fd);
    unlink(name);

    struct diag diag = {0};
    tls_check_key_file("/nonexistent/key.pem", "L", &diag);
    assert_int_equal(diag.warnings + diag.errors, 0);
}

/* The files that a configuration names: each once, and only those that are in use. */
static void configured_files(void **state)
{
    (void)state;
    char name[] = "/tmp/cert_check_test.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, KEY, strlen(KEY)), strlen(KEY));
    assert_return_code(fchmod(fd, 0640), 0);
    static const struct {
        const char *text; /* "@" stands for the file */
        unsigned warnings;
    } rows[] = {
        {"", 0},
        {"smtpd_tls_cert_file = @\n", 1},
        {"smtpd_tls_cert_file = none\nsmtpd_tls_key_file = none\n", 0},
        {"smtpd_tls_cert_file = /dev/null\nsmtpd_tls_key_file = @\n", 1},
        {"smtpd_tls_cert_file = @\nsmtpd_tls_eccert_file = @\n", 1},
        {"smtpd_tls_eccert_file = @\n", 1},
        {"smtpd_tls_chain_files = /dev/null, @\n", 1},
        {"smtpd_tls_chain_files = /dev/null\nsmtpd_tls_cert_file = @\n", 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct diag quiet = {0}, diag = {0};
        struct text text = {0};
        text_add_string(&text, "myhostname = mx.example.com\n");
        for (const char *c = rows[i].text; *c != '\0'; c++)
            *c == '@' ? text_add_string(&text, name) : text_add_char(&text, *c);
        struct config *config = config_parse("t", text.data, text.length, NULL, 0, &quiet);
        assert_non_null(config);
        check_key_files("L", config, &diag);
        if (diag.warnings != rows[i].warnings || diag.errors != 0)
            fail_msg("%s: %u warnings", rows[i].text, diag.warnings);
        config_free(config);
        text_free(&text);
    }
    close(fd);
    unlink(name);
}

/* The host is the one of the configuration. */
static void configured_host(void **state)
{
    (void)state;
    static const char text[] = "myhostname = mx2.example.com\n";
    struct text findings = {0};
    struct diag quiet = {0}, diag = {.sink = collect, .ctx = &findings};
    struct tls_inventory_chain chain = {GOOD};
    struct tls_inventory inventory = {.chains = &chain, .chain_count = 1};
    time_t now = time(NULL);

    chain.not_before = now - DAYS(1);
    chain.not_after = chain.chain_ends = now + DAYS(60);
    struct config *config = config_parse("t", text, strlen(text), NULL, 0, &quiet);
    assert_non_null(config);
    check_certificates("map:3", config, &inventory, &diag);
    assert_string_equal(findings.data,
                        "W map:3: certificate CN=mx.example does not cover mx2.example.com, only:"
                        " mx.example.com *.mail.example.com|");
    config_free(config);
    text_free(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(chains),
        cmocka_unit_test(too_many_names),
        cmocka_unit_test(key_files),
        cmocka_unit_test(configured_files),
        cmocka_unit_test(configured_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
