/*
 * config_values_test.c: single parameters: types, bounds, names that are gone, and what is said
 * about each.
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

#include "policy/known.h"
#include "policy/params.h"
#include "tests/unit/config_check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One parameter, the value in the file, and what it comes to. */
static void values(void **state)
{
    (void)state;
    static const struct {
        enum param param;
        const char *written;
        const char *text; /* NULL: an error */
        long number;
        const char *finding; /* part of it, or NULL for none */
    } rows[] = {
        /* bool */
        {PARAM_smtpd_tls_auth_only, "yes", "yes", 1, NULL},
        {PARAM_smtpd_tls_auth_only, "no", "no", 0, NULL},
        {PARAM_smtpd_tls_auth_only, "YES", "YES", 1, NULL},
        {PARAM_smtpd_tls_auth_only, "No", "No", 0, NULL},
        {PARAM_smtpd_tls_auth_only, "${smtpd_use_tls?yes}", "yes", 1, NULL},
        {PARAM_smtpd_tls_auth_only, "maybe", NULL, 0,
         "E F, line 1: smtpd_tls_auth_only = maybe: bad boolean value: specify yes or no|"},
        {PARAM_smtpd_tls_auth_only, "1", NULL, 0, "yes or no"},
        {PARAM_smtpd_tls_auth_only, "true", NULL, 0, "yes or no"},
        {PARAM_smtpd_tls_auth_only, "on", NULL, 0, "yes or no"},
        {PARAM_smtpd_tls_auth_only, "y", NULL, 0, "yes or no"},
        {PARAM_smtpd_tls_auth_only, "yes # why", NULL, 0, "yes or no"},
        {PARAM_smtpd_tls_auth_only, "", NULL, 0, "yes or no"},
        /* int */
        {PARAM_line_length_limit, "512", "512", 512, NULL},
        {PARAM_line_length_limit, "65536", "65536", 65536, NULL},
        {PARAM_line_length_limit, "002048", "002048", 2048, NULL},
        {PARAM_line_length_limit, "511", NULL, 0,
         "E F, line 1: line_length_limit = 511: out of range: specify a number from 512 to 65536|"},
        {PARAM_line_length_limit, "65537", NULL, 0, "out of range"},
        {PARAM_line_length_limit, "-2048", NULL, 0, "out of range"},
        {PARAM_line_length_limit, "2048k", NULL, 0,
         "bad number: specify a decimal number from 512"},
        {PARAM_line_length_limit, "0x800", NULL, 0, "bad number"},
        {PARAM_line_length_limit, "+2048", NULL, 0, "bad number"},
        {PARAM_line_length_limit, "1 000", NULL, 0, "bad number"},
        {PARAM_line_length_limit, "-", NULL, 0, "bad number"},
        {PARAM_line_length_limit, "", NULL, 0, "bad number"},
        {PARAM_line_length_limit, "auto", NULL, 0, "bad number"},
        {PARAM_line_length_limit, "2147483648", NULL, 0, "bad number"},
        {PARAM_line_length_limit, "99999999999999999999999999", NULL, 0, "bad number"},
        /* a number or auto */
        {PARAM_gatepost_workers, "auto", "auto", 0, NULL},
        {PARAM_gatepost_workers, "AUTO", "AUTO", 0, NULL},
        {PARAM_gatepost_workers, "1", "1", 1, NULL},
        {PARAM_gatepost_workers, "1024", "1024", 1024, NULL},
        {PARAM_gatepost_workers, "0", NULL, 0, "specify auto or a number from 1 to 1024|"},
        {PARAM_gatepost_workers, "1025", NULL, 0, "out of range"},
        {PARAM_gatepost_workers, "automatic", NULL, 0, "bad number: specify auto or a decimal"},
        /* time */
        {PARAM_smtpd_timeout, "5", "5", 5, NULL},
        {PARAM_smtpd_timeout, "5s", "5s", 5, NULL},
        {PARAM_smtpd_timeout, "5m", "5m", 300, NULL},
        {PARAM_smtpd_timeout, "5h", "5h", 18000, NULL},
        {PARAM_smtpd_timeout, "5d", "5d", 432000, NULL},
        {PARAM_smtpd_timeout, "5w", "5w", 3024000, NULL},
        {PARAM_smtpd_timeout, "2147483647", "2147483647", 2147483647, NULL},
        {PARAM_smtpd_timeout, "3600sec", "3600sec", 3600,
         "W F, line 1: smtpd_timeout = 3600sec: only the first letter of a time unit counts: "
         "taken as 3600s|"},
        {PARAM_smtpd_timeout, "100ms", "100ms", 6000, "taken as 100m|"},
        {PARAM_smtpd_timeout, "0", NULL, 0, "out of range: specify a time from 1s to 2147483647s|"},
        {PARAM_smtpd_timeout, "-1", NULL, 0, "bad time value"},
        {PARAM_smtpd_timeout, "", NULL, 0, "bad time value"},
        {PARAM_smtpd_timeout, "s", NULL, 0, "bad time value"},
        {PARAM_smtpd_timeout, "5S", NULL, 0, "bad time unit: specify one of s m h d w"},
        {PARAM_smtpd_timeout, "5y", NULL, 0, "bad time unit"},
        {PARAM_smtpd_timeout, "5 s", NULL, 0, "bad time unit"},
        {PARAM_smtpd_timeout, "1.5h", NULL, 0, "bad time unit"},
        {PARAM_smtpd_timeout, "2147483648", NULL, 0, "bad time value"},
        {PARAM_smtpd_timeout, "3551w", NULL, 0, "time too long"},
        {PARAM_smtpd_timeout, "99999999999999999999w", NULL, 0, "bad time value"},
        {PARAM_smtpd_tls_session_cache_timeout, "0", "0", 0, NULL},
        {PARAM_smtpd_tls_session_cache_timeout, "100d", "100d", 8640000, NULL},
        {PARAM_smtpd_tls_session_cache_timeout, "101d", NULL, 0, "from 0s to 8640000s"},
        {PARAM_gatepost_drain_time, "0", "0", 0, NULL},
        /* text */
        {PARAM_smtpd_banner, "", "", 0, NULL},
        {PARAM_smtpd_banner, "h ESMTP\tx", "h ESMTP\tx", 0, NULL},
        {PARAM_smtpd_banner, "Gr\xc3\xbc\xc3\x9f Gott", "Gr\xc3\xbc\xc3\x9f Gott", 0, NULL},
        {PARAM_smtpd_banner, "a\r b", NULL, 0, "smtpd_banner = a? b: control character"},
        {PARAM_smtpd_banner, "a\x1b b", NULL, 0, "control character"},
        {PARAM_smtpd_banner, "a\x7f b", NULL, 0, "control character"},
        {PARAM_smtpd_tls_ciphers, "", NULL, 0, "smtpd_tls_ciphers = : must not be empty"},
        {PARAM_smtpd_tls_ciphers, "$stress", NULL, 0, "must not be empty"},
        {PARAM_tls_high_cipherlist, "", NULL, 0, "must not be empty"},
        {PARAM_syslog_name, "x", "x", 0, NULL},
        /* lists may have been continued with CRLF */
        {PARAM_smtpd_tls_exclude_ciphers, "a,\r\n b", "a,\r b", 0, NULL},
        {PARAM_smtpd_tls_exclude_ciphers, "a\x01", NULL, 0, "control character"},
        /* paths */
        {PARAM_smtpd_tls_CAfile, "", "", 0, NULL},
        {PARAM_smtpd_tls_CAfile, "/a b", "/a b", 0, NULL},
        {PARAM_smtpd_tls_CAfile, "a", NULL, 0, "not an absolute path: it must begin with /"},
        {PARAM_smtpd_tls_CAfile, "none", NULL, 0, "not an absolute path"},
        {PARAM_smtpd_tls_cert_file, "none", "none", 0, NULL},
        {PARAM_smtpd_tls_cert_file, "/c", "/c", 0, NULL},
        {PARAM_smtpd_tls_cert_file, "c.pem", NULL, 0, "not an absolute path"},
        {PARAM_smtpd_tls_cert_file, "$config_directory/c.pem", NULL, 0, "./c.pem: not an absolute"},
        {PARAM_smtpd_tls_chain_files, "/a, /b\t/c", "/a, /b\t/c", 0, NULL},
        {PARAM_smtpd_tls_chain_files, "/a, b", NULL, 0, "\"b\" is not an absolute path"},
        {PARAM_gatepost_chroot_directory, "", NULL, 0, "must not be empty"},
        /* host names */
        {PARAM_myhostname, "mx.example.com", "mx.example.com", 0, NULL},
        {PARAM_myhostname, "mx", "mx", 0, NULL},
        {PARAM_myhostname, "MX-1.ex_ample.com", "MX-1.ex_ample.com", 0, NULL},
        {PARAM_myhostname, "", NULL, 0, "bad host name"},
        {PARAM_myhostname, "a b", NULL, 0, "bad host name"},
        {PARAM_myhostname, "a..b", NULL, 0, "bad host name"},
        {PARAM_myhostname, ".a", NULL, 0, "bad host name"},
        {PARAM_myhostname, "a.", NULL, 0, "bad host name"},
        {PARAM_myhostname, "-a", NULL, 0, "bad host name"},
        {PARAM_myhostname, "a-", NULL, 0, "bad host name"},
        {PARAM_myhostname, "a-.b", NULL, 0, "bad host name"},
        {PARAM_myhostname, "a.-b", NULL, 0, "bad host name"},
        {PARAM_myhostname, "[::1]", NULL, 0, "bad host name"},
        {PARAM_myhostname, "m\xc3\xbc.example", NULL, 0, "bad host name"},
        {PARAM_myhostname, "012345678901234567890123456789012345678901234567890123456789012.a",
         "012345678901234567890123456789012345678901234567890123456789012.a", 0, NULL},
        {PARAM_myhostname, "0123456789012345678901234567890123456789012345678901234567890123.a",
         NULL, 0, "bad host name"},
        /* words */
        {PARAM_gatepost_backend_protocol, "proxy1", "proxy1", 0, NULL},
        {PARAM_gatepost_backend_protocol, "XCLIENT", "xclient", 0, NULL},
        {PARAM_gatepost_backend_protocol, "proxy", NULL, 0,
         "specify one of: proxy2 proxy1 xclient none|"},
        {PARAM_gatepost_backend_protocol, "proxy1 proxy2", NULL, 0, "specify one of"},
        {PARAM_gatepost_backend_protocol, "", NULL, 0, "specify one of"},
        {PARAM_smtpd_forbid_bare_newline, "reject", "reject", 0, NULL},
        {PARAM_smtpd_tls_fingerprint_digest, "SHA256", "sha256", 0, NULL},
        {PARAM_smtpd_tls_fingerprint_digest, "crc32", NULL, 0, "specify one of"},
        /* log level */
        {PARAM_smtpd_tls_loglevel, "0", "0", 0, NULL},
        {PARAM_smtpd_tls_loglevel, "none", "none", 0, NULL},
        {PARAM_smtpd_tls_loglevel, "1", "1", 1, NULL},
        {PARAM_smtpd_tls_loglevel, "Routine", "routine", 1, NULL},
        {PARAM_smtpd_tls_loglevel, "2", "2", 2, NULL},
        {PARAM_smtpd_tls_loglevel, "debug, cache", "debug, cache", 2, NULL},
        {PARAM_smtpd_tls_loglevel, "ssl-expert", "ssl-expert", 3, NULL},
        {PARAM_smtpd_tls_loglevel, "9", "9", 4, NULL},
        {PARAM_smtpd_tls_loglevel, "1,trace", "1,trace", 1, NULL},
        {PARAM_smtpd_tls_loglevel, "summary", "summary", 0, NULL},
        {PARAM_smtpd_tls_loglevel, "10", NULL, 0, "unknown word \"10\""},
        {PARAM_smtpd_tls_loglevel, "1 # text", NULL, 0, "unknown word \"#\""},
        /* expansion */
        {PARAM_smtpd_banner, "$myhostname_ x", " x", 0, NULL},
        {PARAM_smtpd_banner, "$mail_name", "Postfix", 0, NULL},
        {PARAM_smtpd_banner, "${{$compatibility_level} <level {3.6} ? {old} : {new}}", "new", 0,
         NULL},
        {PARAM_smtpd_banner, "$queue_directory", "", 0,
         "W F, line 1: smtpd_banner = $queue_directory: $queue_directory has no value here"},
        {PARAM_smtpd_banner, "${queue_directory?x}", "", 0, NULL},
        {PARAM_smtpd_banner, "$config_directory", ".", 0, NULL},
        {PARAM_smtpd_banner, "$", NULL, 0, "smtpd_banner = $: empty macro name"},
        {PARAM_smtpd_banner, "${x", NULL, 0, "truncated macro reference"},
        {PARAM_smtpd_banner, "$smtpd_banner", NULL, 0, "$smtpd_banner is used in its own value"},
        {PARAM_smtpd_tls_key_file, "$smtpd_tls_key_file", NULL, 0, "used in its own value"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct param_row *row = &param_table[rows[i].param];
        struct text findings = {0};
        struct text file = {0};

        text_format(&file, "%s = %s\n", row->name, rows[i].written);
        struct config *config = config_check_parse(file.data, &findings);
        const char *text = config != NULL ? config_str(config, rows[i].param) : NULL;
        const char *wanted = rows[i].finding != NULL ? rows[i].finding : "";
        if ((text == NULL) != (rows[i].text == NULL) ||
            (text != NULL && strcmp(text, rows[i].text) != 0) ||
            strstr(findings.data, wanted) == NULL || (*wanted == '\0' && findings.length > 0))
            fail_msg("%s: %s", file.data, findings.data);
        if (config != NULL) {
            assert_true(config_is_set(config, rows[i].param));
            assert_string_equal(config_origin(config, rows[i].param), "F, line 1");
        }
        if (config != NULL && row->type == PARAM_TYPE_BOOL)
            assert_int_equal(config_bool(config, rows[i].param), rows[i].number);
        else if (config != NULL && row->type == PARAM_TYPE_TIME)
            assert_int_equal(config_time(config, rows[i].param), rows[i].number);
        else if (config != NULL && (row->type == PARAM_TYPE_INT || row->type == PARAM_TYPE_AUTO ||
                                    row->type == PARAM_TYPE_LOGLEVEL))
            assert_int_equal(config_int(config, rows[i].param), rows[i].number);
        config_free(config);
        text_free(&file);
        text_free(&findings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
