/*
 * endpoint_test.c: backends and listeners as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/endpoint.h"
#include "policy/text.h"

static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

/* 107 bytes, the longest path of a socket; and one more. */
#define PATH_107                                                                                   \
    "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890" \
    "123456789012345"

static void backends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host; /* NULL: an error */
        const char *port;
        const char *path;
    } rows[] = {
        {"inet:127.0.0.1:10025", "127.0.0.1", "10025", NULL},
        {"127.0.0.1:10025", "127.0.0.1", "10025", NULL},
        {"INET:127.0.0.1:25", "127.0.0.1", "25", NULL},
        {"inet:mail.example.com:smtp", "mail.example.com", "smtp", NULL},
        {"inet:localhost:1", "localhost", "1", NULL},
        {"inet:localhost:65535", "localhost", "65535", NULL},
        {"inet:[::1]:25", "::1", "25", NULL},
        {"[2001:db8::7]:submissions", "2001:db8::7", "submissions", NULL},
        {"[127.0.0.1]:25", "127.0.0.1", "25", NULL},
        {"[fe80::1%eth0]:25", "fe80::1%eth0", "25", NULL},
        {"unix:/run/x", "", NULL, "/run/x"},
        {"UNIX:/run/x", "", NULL, "/run/x"},
        {"unix:/a:b c", "", NULL, "/a:b c"},
        {"unix:" PATH_107, "", NULL, PATH_107},
        {"unix:" PATH_107 "6", NULL, NULL, NULL},
        {"unix:run/x", NULL, NULL, NULL},
        {"unix:", NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
        {"inet:", NULL, NULL, NULL},
        {"25", NULL, NULL, NULL},
        {"localhost", NULL, NULL, NULL},
        {"inet:localhost", NULL, NULL, NULL},
        {"inet:localhost:", NULL, NULL, NULL},
        {"inet::25", NULL, NULL, NULL},
        {":25", NULL, NULL, NULL},
        {"*:25", NULL, NULL, NULL},
        {"localhost:0", NULL, NULL, NULL},
        {"localhost:65536", NULL, NULL, NULL},
        {"localhost:99999999999999999999", NULL, NULL, NULL},
        {"localhost:-1", NULL, NULL, NULL},
        {"localhost:2 5", NULL, NULL, NULL},
        {"localhost:25/tcp", NULL, NULL, NULL},
        {"local host:25", NULL, NULL, NULL},
        {"local\nhost:25", NULL, NULL, NULL},
        {"::1:25", NULL, NULL, NULL},
        {"::1", NULL, NULL, NULL},
        {"[::1]", NULL, NULL, NULL},
        {"[::1]25", NULL, NULL, NULL},
        {"[::1", NULL, NULL, NULL},
        {"[]:25", NULL, NULL, NULL},
        {"[localhost]:25", NULL, NULL, NULL},
        {"[::g]:25", NULL, NULL, NULL},
        {"[127.0.0.1%lo]:25", NULL, NULL, NULL},
        {"[::1%a/b]:25", NULL, NULL, NULL},
        {"[::1]:", NULL, NULL, NULL},
        {"tcp:localhost:25", NULL, NULL, NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct endpoint endpoint;
        struct text findings = {0};
        struct diag diag = {collect, &findings, 0, 0};
        int status = endpoint_parse(rows[i].text, "gatepost_backend", &endpoint, &diag);

        if ((status == 0) != (rows[i].host != NULL))
            fail_msg("\"%s\": %s", rows[i].text, status == 0 ? "accepted" : findings.data);
        assert_int_equal(diag.errors, status == 0 ? 0 : 1);
        if (status != 0) {
            assert_non_null(strstr(findings.data, "E gatepost_backend: \""));
        } else if (rows[i].path != NULL) {
            assert_int_equal(endpoint.kind, ENDPOINT_UNIX);
            assert_string_equal(endpoint.path, rows[i].path);
        } else {
            assert_int_equal(endpoint.kind, ENDPOINT_INET);
            assert_string_equal(endpoint.host, rows[i].host);
            assert_string_equal(endpoint.port, rows[i].port);
        }
        endpoint_free(&endpoint);
        text_free(&findings);
    }
}

/* What a list comes to: "host port name level banner|" for each listener. */
static void describe(const struct listen_list *list, struct text *out)
{
    text_add(out, "", 0);
    for (size_t i = 0; i < list->count; i++) {
        const struct listen_spec *spec = &list->specs[i];

        text_format(out, "%s,%s,%s,%s,%s|", spec->endpoint.host, spec->endpoint.port, spec->name,
                    config_str(spec->config, PARAM_smtpd_tls_security_level),
                    config_str(spec->config, PARAM_smtpd_banner));
    }
}

static void listeners(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *result; /* or NULL, and */
        const char *error;  /* part of it */
    } rows[] = {
        {"25", ",25,25,may,h.example x|", NULL},
        {"smtp", ",smtp,smtp,may,h.example x|", NULL},
        {"*:25", ",25,*:25,may,h.example x|", NULL},
        {":25", ",25,:25,may,h.example x|", NULL},
        {"127.0.0.1:0", "127.0.0.1,0,127.0.0.1:0,may,h.example x|", NULL},
        {"inet:127.0.0.1:25", "127.0.0.1,25,inet:127.0.0.1:25,may,h.example x|", NULL},
        {"[::]:25", "::,25,[::]:25,may,h.example x|", NULL},
        {"25, 26", ",25,25,may,h.example x|,26,26,may,h.example x|", NULL},
        {"25 26,27", ",25,25,may,h.example x|,26,26,may,h.example x|,27,27,may,h.example x|", NULL},
        {"a:0 a:0", "a,0,a:0,may,h.example x|a,0,a:0,may,h.example x|", NULL},
        {"a:25 b:25 a:26",
         "a,25,a:25,may,h.example x|b,25,b:25,may,h.example x|a,26,a:26,may,h.example x|", NULL},
        {"{ 25 }", ",25,25,may,h.example x|", NULL},
        {"{25}", ",25,25,may,h.example x|", NULL},
        {"{ 25, smtpd_tls_security_level=encrypt }", ",25,25,encrypt,h.example x|", NULL},
        {"{ 25 smtpd_tls_security_level=encrypt },26",
         ",25,25,encrypt,h.example x|,26,26,may,h.example x|", NULL},
        {"{ [::1]:25, { smtpd_banner = one, two } smtpd_tls_security_level=none }",
         "::1,25,[::1]:25,none,one, two|", NULL},
        {"{ 25, { smtpd_banner = } }", ",25,25,may,|", NULL},
        {"{ 25, { smtpd_banner = a = b } }", ",25,25,may,a = b|", NULL},
        {"{ 25, smtpd_banner=$myhostname }", ",25,25,may,h.example|", NULL},
        {"{ 25, smtpd_banner=$$x }", ",25,25,may,$x|", NULL},
        {"{ 25, myhostname=other.example }", ",25,25,may,other.example x|", NULL},
        {"{ 25, smtpd_banner=a, smtpd_banner=b }", ",25,25,may,b|", NULL},
        {"$port", ",2525,2525,may,h.example x|", NULL},
        {",", NULL, "nowhere to listen"},
        {"25 25", NULL, "F, line 3: gatepost_listen: \"25\": is there twice"},
        {"25 *:25", NULL, "is there twice"},
        {"A:25 { a:25 }", NULL, "is there twice"},
        {"[::1]", NULL, "specify [address]:port"},
        {"::1", NULL, "in brackets"},
        {"127.0.0.1", NULL, "no port"},
        {"70000", NULL, "bad port"},
        {"25 70000", NULL, "bad port"},
        {"{ }", NULL, "no address"},
        {"{}", NULL, "no address"},
        {"{ 25", NULL, "unbalanced braces"},
        {"{ 25 }26", NULL, "unbalanced braces"},
        {"{ 25 } }", NULL, ""},
        {"{ 25, { smtpd_banner = x }", NULL, "unbalanced braces"},
        {"{ 25, { smtpd_banner = x }y }", NULL, "unbalanced braces"},
        {"{ 25, smtpd_banner = x }", NULL, "specify name=value without blanks"},
        {"{ 25, smtpd_banner }", NULL, "specify name=value without blanks"},
        {"{ 25, =x }", NULL, "specify name=value without blanks"},
        {"{ 25, { = x } }", NULL, "specify name=value"},
        {"{ 25, { smtpd banner = x } }", NULL, "bad parameter name: \"smtpd banner\""},
        {"{ 25, smtpd_tls_wrappermode=maybe }", NULL,
         "F, line 3: gatepost_listen: 25: smtpd_tls_wrappermode = maybe: bad boolean value"},
        {"{ 25, gatepost_workers=2 }", NULL,
         "\"gatepost_workers\": cannot be set for one listener"},
        {"{ 25, gatepost_listen=26 }", NULL, "cannot be set for one listener"},
        {"{ 25, syslog_name=x }", NULL, "cannot be set for one listener"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text findings = {0};
        struct text result = {0};
        struct text file = {0};
        struct diag diag = {collect, &findings, 0, 0};
        struct listen_list list;

        text_add(&findings, "", 0);
        text_format(&file,
                    "myhostname = h.example\nport = 2525\ngatepost_listen = %s\n"
                    "smtpd_banner = $myhostname x\n",
                    rows[i].value);
        struct config *base = config_parse("F", file.data, file.length, NULL, 0, &diag);
        assert_non_null(base);
        int status = listen_list_parse(base, &list, &diag);
        config_free(base);
        describe(&list, &result);
        if ((status == 0) != (rows[i].result != NULL) ||
            (status == 0 && strcmp(result.data, rows[i].result) != 0) ||
            (status != 0 && strstr(findings.data, rows[i].error) == NULL))
            fail_msg("\"%s\": \"%s\" %s", rows[i].value, result.data, findings.data);
        assert_int_equal(diag.errors > 0, status != 0);
        assert_int_equal(list.count > 0, status == 0);
        listen_list_free(&list);
        text_free(&file);
        text_free(&result);
        text_free(&findings);
    }
}

static void too_many_listeners(void **state)
{
    (void)state;
    for (int count = 256; count <= 257; count++) {
        struct text file = {0};
        struct diag diag = {0};
        struct listen_list list;

        text_add_string(&file, "gatepost_listen =");
        for (int i = 0; i < count; i++)
            text_format(&file, " %d", 1000 + i);
        struct config *base = config_parse("F", file.data, file.length, NULL, 0, &diag);
        assert_non_null(base);
        assert_int_equal(listen_list_parse(base, &list, &diag), count == 256 ? 0 : -1);
        listen_list_free(&list);
        config_free(base);
        text_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backends),
        cmocka_unit_test(listeners),
        cmocka_unit_test(too_many_listeners),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
