/*
 * import_test.c: what becomes of a Postfix configuration. Whatever is imported without an error
 * must be a gatepost.cf that gatepost takes, and mean what it meant to Postfix.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/config.h"
#include "policy/endpoint.h"
#include "policy/import.h"
#include "policy/text.h"
#include "tests/unit/import_check.h"

#define SMTP "smtp inet n - y - - smtpd"
#define SCREENED                                                                                   \
    "smtp inet n - y - 1 postscreen -o postscreen_greet_wait=3s\n"                                 \
    "smtpd pass - - y - 50 smtpd -o smtpd_tls_security_level=encrypt -o { a = b c }\n"
#define TEMPLATE                                                                                   \
    "-o smtpd_upstream_proxy_protocol=haproxy -o smtpd_tls_security_level=none "                   \
    "-o smtpd_tls_auth_only=no -o smtpd_forbid_bare_newline=normalize"
#define BACKEND "-M '127.0.0.1:10025/inet=127.0.0.1:10025 inet n - y - - smtpd " TEMPLATE

/* Import; returns the output, for the caller to free. */
static char *convert(const char *directory, const char *main_text, const char *master_text,
                     struct text *findings, int *status)
{
    struct diag diag = {.sink = import_check_collect, .ctx = findings};
    const struct import_source source = {directory, main_text, strlen(main_text), master_text,
                                         strlen(master_text)};
    char *output = NULL;
    size_t length;
    FILE *out = open_memstream(&output, &length);

    assert_non_null(out);
    text_add(findings, "", 0);
    *status = import_text(&source, out, &diag);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(*status, diag.errors == 0 ? 0 : -1);
    return output;
}

struct row {
    const char *name;
    const char *main_text;
    const char *master_text; /* NULL: one smtpd on port 25 */
    const char *has[IMPORT_CHECK_MOST];
    const char *lacks[IMPORT_CHECK_MOST];
    const char *findings; /* in what is reported; NULL: nothing but infos may be */
};

static const struct row rows[] = {
    {"nothing at all",
     "",
     "",
     {"\ngatepost_listen = 25\n", "has no smtpd(8)", "\n#$ postconf"},
     {"-M#"},
     NULL},
    {"kept as it is",
     "smtpd_tls_ciphers = high\nsmtpd_timeout = 60s\n",
     NULL,
     {"\nsmtpd_tls_ciphers = high\n", "\nsmtpd_timeout = 60s\n"},
     {0},
     NULL},

    /* Levels. */
    {"no TLS said",
     "",
     NULL,
     {"STARTTLS is offered.\nsmtpd_tls_security_level = none\n"},
     {0},
     NULL},
    {"level",
     "smtpd_tls_security_level = may\n",
     NULL,
     {"\nsmtpd_tls_security_level = may\n"},
     {"= none\n"},
     NULL},
    {"smtpd_use_tls",
     "smtpd_use_tls = yes\n",
     NULL,
     {"\n#smtpd_use_tls = yes\n", "\nsmtpd_tls_security_level = may\n"},
     {0},
     NULL},
    {"smtpd_enforce_tls",
     "smtpd_enforce_tls = yes\nsmtpd_use_tls = no\n",
     NULL,
     {"\n#smtpd_enforce_tls = yes\n", "\nsmtpd_tls_security_level = encrypt\n"},
     {0},
     NULL},
    {"booleans that say no",
     "smtpd_enforce_tls = no\n",
     NULL,
     {"\n#smtpd_enforce_tls = no\n", "\nsmtpd_tls_security_level = none\n"},
     {0},
     NULL},
    {"a boolean that is none",
     "smtpd_enforce_tls = true\n",
     NULL,
     {"does not start with this", "\nsmtpd_enforce_tls = true\n"},
     {0},
     "E /p/main.cf, line 1: "},
    {"level through a name",
     "lvl = encrypt\nsmtpd_tls_security_level = $lvl\nsmtpd_use_tls = no\n",
     NULL,
     {"\nlvl = encrypt\n", "\nsmtpd_tls_security_level = $lvl\n", "\n#smtpd_use_tls"},
     {0},
     NULL},
    {"a level of clients",
     "smtpd_tls_security_level = dane\n",
     NULL,
     {"\nsmtpd_tls_security_level = dane\n"},
     {0},
     "E /p/main.cf, line 1: "},

    /* Values that would mean something else. */
    {"$config_directory",
     "smtpd_tls_cert_file = $config_directory/c.pem\n",
     NULL,
     {"# Was \"$config_directory/c.pem\"", "\nsmtpd_tls_cert_file = /p/c.pem\n"},
     {0},
     NULL},
    {"through a name",
     "d = ${config_directory}/x\nsmtpd_tls_cert_file = $d/c\n",
     NULL,
     {"\nsmtpd_tls_cert_file = /p/x/c\n"},
     {"\nd = "},
     NULL},
    {"a default of Postfix",
     "smtpd_tls_CAfile = $data_directory/c\n",
     NULL,
     {"\nsmtpd_tls_CAfile = /var/lib/postfix/c\n"},
     {0},
     NULL},
    {"not Postfix's default",
     "data_directory = /d\nsmtpd_tls_CAfile = $data_directory/c\n",
     NULL,
     {"\nsmtpd_tls_CAfile = /d/c\n"},
     {0},
     NULL},
    {"what stays is kept as a reference",
     "smtpd_banner = $myhostname $mail_version $$x $mail_name\n",
     NULL,
     {"\nsmtpd_banner = ${myhostname}  $$x ${mail_name}\n", "left out: $mail_version"},
     {0},
     NULL},
    {"a name that nobody keeps",
     "x = $y\ny = $x\nsmtpd_banner = b\n",
     NULL,
     {"business"},
     {"\nx = ", "\ny = "},
     NULL},
    {"a loop", "x = $y\ny = $x\nsmtpd_banner = $x\n", NULL, {"Cannot be expanded"}, {0}, "E "},
    {"comparison with what only Postfix has",
     "smtpd_tls_CAfile = ${{$data_directory} == {/var/lib/postfix} ? {/a} : {/b}}\n",
     NULL,
     {"\nsmtpd_tls_CAfile = /a\n"},
     {0},
     NULL},
    {"compatibility level is not set",
     "smtpd_tls_fingerprint_digest = ${{$compatibility_level} <level {3.6} ? {md5} : {sha1}}\n",
     NULL,
     {"\ncompatibility_level = 0\n"},
     {0},
     NULL},
    {"compatibility level is set",
     "compatibility_level = 3.6\n",
     NULL,
     {"\ncompatibility_level = 3.6\n"},
     {"= 0\n"},
     NULL},
    {"relative file name",
     "smtpd_tls_key_file = etc/k\n",
     NULL,
     {"relative to Postfix's queue_directory", "\nsmtpd_tls_key_file = /var/spool/postfix/etc/k\n"},
     {0},
     NULL},
    {"relative file names",
     "queue_directory = /q\nsmtpd_tls_chain_files = a, /b $config_directory/c\n",
     NULL,
     {"\nsmtpd_tls_chain_files = /q/a /b /p/c\n"},
     {0},
     NULL},
    {"key by reference",
     "smtpd_tls_cert_file = /c\nsmtpd_tls_key_file = $smtpd_tls_cert_file\n",
     NULL,
     {"\nsmtpd_tls_key_file = $smtpd_tls_cert_file\n"},
     {0},
     NULL},

    /* What does nothing here is said. */
    {"noted",
     "smtpd_tls_dh1024_param_file = /d\n",
     NULL,
     {"Diffie-Hellman", "\n#smtpd_tls_dh1024_param_file = /d\n"},
     {0},
     "W /p/main.cf, line 1: "},
    {"session cache",
     "smtpd_tls_session_cache_database = btree:/x\n",
     NULL,
     {"\n#smtpd_tls_session_cache_database = btree:/x\n"},
     {0},
     "W /p/main.cf, line 1: "},
    {"random source",
     "tls_random_source = dev:/dev/urandom\n",
     NULL,
     {"getrandom(2)", "\n#tls_random_source ="},
     {0},
     NULL},
    {"postscreen and tlsproxy",
     "tlsproxy_tls_ciphers = high\npostscreen_tls_security_level = may\n",
     NULL,
     {"\n#tlsproxy_tls_ciphers =", "\n#postscreen_tls_security_level ="},
     {0},
     NULL},
    {"weaker than asked stays an error",
     "tls_config_file = /etc/strict.cnf\n",
     NULL,
     {"does not start with this", "\ntls_config_file = /etc/strict.cnf\n"},
     {0},
     "E /p/main.cf, line 1: "},
    {"a grade that cannot be",
     "smtpd_tls_security_level = may\nsmtpd_tls_ciphers = null\n",
     NULL,
     {"does not start with this", "\nsmtpd_tls_ciphers = null\n"},
     {0},
     "E /p/main.cf, line 2: "},
    {"a hole",
     "smtpd_tls_security_level = may\nsmtpd_tls_protocols = !TLSv1.1\n",
     NULL,
     {"has a hole", "\nsmtpd_tls_protocols = !TLSv1.1\n"},
     {0},
     "W /p/main.cf, line 2: "},
    {"misspelt",
     "smtpd_tls_CApth = /c\n",
     NULL,
     {"Did you mean smtpd_tls_CApath?\n#smtpd_tls_CApth = /c\n"},
     {0},
     "W /p/main.cf, line 1: smtpd_tls_CApth is not a parameter; did you mean "
     "\"smtpd_tls_CApath\"?"},
    {"like nothing",
     "qqq_www_zzz_yyy = /c\n",
     NULL,
     {"\n#qqq_www_zzz_yyy = /c\n"},
     {"Did you mean"},
     NULL},
    {"overridden",
     "smtpd_tls_loglevel = 1\nsmtpd_tls_loglevel = 2\n",
     NULL,
     {"line 2 says something else", "\n#smtpd_tls_loglevel = 1\n", "\nsmtpd_tls_loglevel = 2\n"},
     {0},
     "W /p/main.cf, line 2: overriding earlier entry"},
    {"stress in main.cf",
     "stress = yes\n",
     NULL,
     {"\n#stress = yes\n", "master(8) sets it"},
     {0},
     NULL},
    {"stress in master.cf",
     "stress =\n",
     "smtp inet n - y - - smtpd -o stress=yes\n",
     {"\nstress = yes\n"},
     {0},
     NULL},
    {"old names",
     "smtpd_per_record_deadline = yes\nsmtpd_client_connection_limit_exceptions = ::2\n",
     NULL,
     {"\nsmtpd_per_record_deadline = yes\n", "\nsmtpd_client_connection_limit_exceptions = ::2\n",
      "no client is exempt"},
     {0},
     "the old name of"},
    {"syslog_name", "syslog_name = mx\n", NULL, {"twice", "\n#syslog_name = mx\n"}, {0}, NULL},
    {"Postfix's business",
     "relayhost = [a]\nsmtp_tls_loglevel = 1\n",
     NULL,
     {"in main.cf as before: relayhost\n", "no part in: smtp_tls_loglevel\n"},
     {"[a]"},
     NULL},
    {"names used in master.cf are no typing errors",
     "mua_client_restrictions = reject\n",
     SMTP "\nsub inet n - y - - smtpd -o smtpd_client_restrictions=$mua_client_restrictions\n",
     {"as before: mua_client_restrictions"},
     {"#mua_"},
     NULL},

    /* master.cf. */
    {"-o wins",
     "smtpd_tls_security_level = may\n",
     SMTP " -o smtpd_tls_security_level=encrypt\n",
     {"\n#smtpd_tls_security_level = may\n", "\nsmtpd_tls_security_level = encrypt\n",
      "From master.cf, line 1", "main.cf says \"may\""},
     {"\nsmtpd_tls_security_level = may\n"},
     NULL},
    {"-o in braces",
     "",
     SMTP " -o { smtpd_tls_protocols = >=TLSv1.2, <=TLSv1.3 }\n",
     {"\nsmtpd_tls_protocols = >=TLSv1.2, <=TLSv1.3\n"},
     {0},
     NULL},
    {"the backend",
     "",
     NULL,
     {"\n#$ postconf -c '/p' " BACKEND "'\n", "\n#$ postconf -c '/p' -M# 'smtp/inet'\n",
      "\n#$ postfix -c '/p' reload\n"},
     {0},
     NULL},
    {"the backend keeps what is not TLS",
     "",
     SMTP
     " -v -o smtpd_tls_ask_ccert=yes -o content_filter=x -o { a = b, c } -o smtpd_banner=it's\n",
     {BACKEND " -o content_filter=x -o { a = b, c } -o smtpd_banner=it'\\''s -v'\n",
      "\nsmtpd_banner = it's\n"},
     {"-o smtpd_tls_ask_ccert"},
     NULL},
    {"columns are kept",
     "",
     "25 inet n y n - 7 smtpd\n",
     {"=127.0.0.1:10025 inet n y n - 7 smtpd -o", "-M# '25/inet'"},
     {0},
     NULL},
    {"a port in use",
     "content_filter = f:[127.0.0.1]:10026\n",
     SMTP "\n127.0.0.1:10025 inet n - n - - smtpd\n",
     {"\ngatepost_backend = inet:127.0.0.1:10027\n", "-M '127.0.0.1:10027/inet="},
     {0},
     NULL},
    {"IPv6 only",
     "inet_protocols = ipv6\n",
     NULL,
     {"\ngatepost_listen = [::]:25\n", "inet:[::1]:10025\n", "-M '[::1]:10025/inet=[::1]:10025 "},
     {0},
     NULL},
    {"IPv4 only", "inet_protocols = ipv4\n", NULL, {"\ngatepost_listen = 0.0.0.0:25\n"}, {0}, NULL},
    {"own host only",
     "inet_interfaces = loopback-only\n",
     NULL,
     {"\ngatepost_listen = 127.0.0.1:25 [::1]:25\n"},
     {0},
     NULL},
    {"addresses",
     "a = 192.0.2.1\ninet_interfaces = $a, [2001:db8::1] 2001:db8::2\n",
     NULL,
     {"\ngatepost_listen = 192.0.2.1:25 [2001:db8::1]:25 [2001:db8::2]:25\n"},
     {0},
     NULL},
    {"address in master.cf",
     "inet_interfaces = 192.0.2.1\n",
     "192.0.2.2:smtp inet n - n - - smtpd\n",
     {"\ngatepost_listen = 192.0.2.2:25\n", "-M# '192.0.2.2:smtp/inet'"},
     {0},
     NULL},
    {"submission stays",
     "smtpd_tls_security_level = may\n",
     SMTP "\nsubmission inet n - n - - smtpd -o smtpd_tls_security_level=encrypt\n"
          "smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes\n"
          "127.0.0.1:10030 inet n - n - - smtpd\n",
     {"submission/inet (line 2), smtps/inet (line 3). ",
      "#    { submission, gatepost_backend=inet:127.0.0.1:10026, smtpd_tls_security_level=encrypt "
      "}\n",
      "#    { smtps, gatepost_backend=inet:127.0.0.1:10027, smtpd_tls_wrappermode=yes }\n",
      "#   postconf -c '/p' -M '127.0.0.1:10027/inet=127.0.0.1:10027 inet n - n - - smtpd " TEMPLATE
      " -o smtpd_sasl_auth_enable=yes'\n",
      "#   postconf -c '/p' -M# 'smtps/inet'\n", "\ngatepost_listen = 25\n"},
     {"#$ postconf -c '/p' -M# 'submission", "10030/inet"},
     NULL},
    {"others do not get what is for port 25",
     "smtpd_tls_security_level = may\n",
     SMTP " -o smtpd_tls_security_level=encrypt\nsubmission inet n - n - - smtpd\n",
     {"{ submission, gatepost_backend=inet:127.0.0.1:10026, smtpd_tls_security_level=may }"},
     {0},
     NULL},

    /* postscreen. */
    {"postscreen",
     "smtpd_tls_security_level = may\n",
     SCREENED,
     {"\n#$ postconf -c '/p' -M '127.0.0.1:10025/inet=127.0.0.1:10025 inet n - y - 1 postscreen -o "
      "postscreen_upstream_proxy_protocol=haproxy -o postscreen_tls_security_level=none -o "
      "postscreen_greet_wait=3s'\n",
      "\n#$ postconf -c '/p' -M 'smtpd/pass=smtpd pass - - y - 50 smtpd -o "
      "smtpd_tls_security_level=none -o smtpd_tls_auth_only=no -o "
      "smtpd_forbid_bare_newline=normalize -o { a = b c }'\n",
      "\nsmtpd_tls_security_level = encrypt\n",
      "#   postconf -c '/p' " BACKEND " -o { a = b c }'\n", "PREGREET"},
     {"#$ postconf -c '/p' " BACKEND},
     NULL},
    {"postscreen without smtpd",
     "",
     "smtp inet n - y - 1 postscreen\n",
     {"which postscreen(8) needs"},
     {"smtpd/pass=smtpd"},
     NULL},

    /* What is lost. */
    {"nothing is lost",
     "smtpd_recipient_restrictions = reject_unauth_destination\n",
     NULL,
     {"- nothing that"},
     {0},
     NULL},
    {"certificates",
     "smtpd_relay_restrictions = permit_tls_clientcerts, reject\n",
     NULL,
     {"- smtpd_relay_restrictions (main.cf, line 1): permit_tls_clientcerts permits nobody"},
     {"- nothing", "permit_tls_all"},
     "W /p/main.cf, line 1: smtpd_relay_restrictions: "},
    {"all certificates, through a name",
     "r = permit_tls_all_clientcerts\nsmtpd_relay_restrictions = $r, reject\n",
     NULL,
     {"permit_tls_all_clientcerts permits nobody"},
     {0},
     "W /p/main.cf, line 2: "},
    {"certificate access, in a class",
     "smtpd_restriction_classes = c\nc = check_ccert_access hash:/x\n",
     NULL,
     {"- c (main.cf, line 2): check_ccert_access"},
     {0},
     "W /p/main.cf, line 2: "},
    {"policy service and milters",
     "smtpd_data_restrictions = check_policy_service { unix:p, timeout=1s }\nsmtpd_milters = "
     "inet:m\n",
     NULL,
     {"encryption_protocol", "{tls_version}"},
     {0},
     NULL},
    {"REQUIRETLS and SASL",
     "requiretls_enable = yes\nsmtpd_sasl_tls_security_options = noanonymous\n",
     NULL,
     {"REQUIRETLS", "smtpd_sasl_security_options holds"},
     {"-o smtpd_sasl_security_options"},
     NULL},
    {"SASL options of TLS where there is no AUTH without",
     "smtpd_tls_auth_only = yes\nsmtpd_sasl_tls_security_options = noanonymous\n",
     NULL,
     {BACKEND " -o smtpd_sasl_security_options=noanonymous'\n"},
     {0},
     NULL},
    {"in main.cf of another service only",
     "mua = permit_tls_clientcerts\n",
     SMTP "\nsubmission inet n - n - - smtpd -o smtpd_client_restrictions=$mua\n",
     {"- nothing"},
     {0},
     NULL},
    {"plaintext is refused by the level instead",
     "smtpd_tls_security_level = may\n"
     "smtpd_sender_restrictions = permit_mynetworks, reject_plaintext_session, permit\n",
     NULL,
     {"# Was may. ", "\nsmtpd_tls_security_level = encrypt\n",
      BACKEND " -o { smtpd_sender_restrictions = permit_mynetworks, permit }'\n"},
     {0},
     "W /p/main.cf, line 2: "},
    {"plaintext check without TLS stays in force",
     "smtpd_sender_restrictions = reject_plaintext_session\n",
     NULL,
     {"\nsmtpd_tls_security_level = none\n", BACKEND "'\n"},
     {0},
     "W /p/main.cf, line 1: "},
    {"a proxy in front",
     "smtpd_upstream_proxy_protocol = haproxy\n",
     NULL,
     {"a proxy stands before port 25"},
     {"\nsmtpd_upstream"},
     "W /p/main.cf, line 1: "},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct text findings = {0};
        int status;
        char *output =
            convert("/p", row->main_text, row->master_text != NULL ? row->master_text : SMTP "\n",
                    &findings, &status);

        import_check_compare(row->name, output, row->has, row->lacks);
        if (row->findings != NULL ? strstr(findings.data, row->findings) == NULL
                                  : strstr(findings.data, "W ") || strstr(findings.data, "E "))
            fail_msg("%s: reported:\n%s", row->name, findings.data);
        if (status == 0)
            config_free(import_check_take(row->name, output));
        free(output);
        text_free(&findings);
    }
}

/* The listeners that are offered as a comment are right when they are taken. */
static void offered_listeners(void **state)
{
    struct text findings = {0};
    struct text output = {0};
    int status;
    char *original = convert(
        "/p", "smtpd_tls_security_level = may\n",
        SMTP " -o smtpd_tls_ciphers=high\nsubmission inet n - n - - smtpd -o "
             "smtpd_tls_security_level=encrypt -o { smtpd_tls_exclude_ciphers = RC4, 3DES }\n",
        &findings, &status);
    const char *line = original;

    (void)state;
    while (*line != '\0') {
        size_t length = strcspn(line, "\n");

        if (strncmp(line, "gatepost_listen", 15) != 0) {
            size_t skip =
                strncmp(line, "#gatepost_listen", 16) == 0 || strncmp(line, "#    {", 6) == 0;
            text_add(&output, line + skip, length - skip);
            text_add_char(&output, '\n');
        }
        line += length + (line[length] != '\0');
    }
    struct diag diag = {0};
    struct config *config = config_parse("gatepost.cf", output.data, output.length, NULL, 0, &diag);
    struct listen_list list;
    assert_non_null(config);
    assert_int_equal(listen_list_parse(config, &list, &diag), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.specs[1].endpoint.port, "submission");
    const struct config *submission = list.specs[1].config;
    assert_string_equal(config_str(submission, PARAM_gatepost_backend), "inet:127.0.0.1:10026");
    assert_string_equal(config_str(submission, PARAM_smtpd_tls_security_level), "encrypt");
    assert_string_equal(config_str(submission, PARAM_smtpd_tls_exclude_ciphers), "RC4, 3DES");
    assert_string_equal(config_str(submission, PARAM_smtpd_tls_ciphers), "medium");
    assert_string_equal(config_str(list.specs[0].config, PARAM_smtpd_tls_ciphers), "high");
    listen_list_free(&list);
    config_free(config);
    text_free(&output);
    text_free(&findings);
    free(original);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(offered_listeners),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
