/*
 * config_test.c: from a file to values: defaults, names, overrides, listings.
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

/* Several lines, one parameter to look at. */
static void files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum param param;
        const char *value; /* NULL: an error */
        const char *findings;
    } rows[] = {
        {"stress = yes\n", PARAM_smtpd_timeout, "10s", ""},
        {"stress = yes\n", PARAM_smtpd_per_request_deadline, "yes", ""},
        {"smtpd_per_request_deadline = yes\n", PARAM_smtpd_per_request_deadline, "yes", ""},
        /* old names, as in Postfix */
        {"smtpd_per_record_deadline = yes\n", PARAM_smtpd_per_request_deadline, "yes",
         "I F, line 1: smtpd_per_record_deadline = yes: the old name of "
         "smtpd_per_request_deadline, whose default it is|"},
        {"smtpd_per_record_deadline = no\nstress = yes\n", PARAM_smtpd_per_request_deadline, "no",
         "I F, line 1: smtpd_per_record_deadline = no: the old name of "
         "smtpd_per_request_deadline, whose default it is|"},
        {"smtpd_per_record_deadline = x\n", PARAM_smtpd_per_request_deadline, NULL,
         "I F, line 1: smtpd_per_record_deadline = x: the old name of "
         "smtpd_per_request_deadline, whose default it is|"
         "E default value: smtpd_per_request_deadline = x: bad boolean value: specify yes or no|"},
        {"mynetworks = ::1\n", PARAM_smtpd_client_event_limit_exceptions, "::1", ""},
        {"smtpd_client_connection_limit_exceptions = ::2\n",
         PARAM_smtpd_client_event_limit_exceptions, "",
         "W F, line 1: smtpd_client_connection_limit_exceptions = ::2: the old name of "
         "smtpd_client_event_limit_exceptions; as in Postfix, no client is exempt if only the old "
         "name is set|"},
        {"smtpd_tls_cert_file = /c\n", PARAM_smtpd_tls_key_file, "/c", ""},
        {"smtpd_tls_eccert_file = /e\n", PARAM_smtpd_tls_eckey_file, "/e", ""},
        {"gatepost_state_directory = /s\n", PARAM_gatepost_control_socket, "/s/control", ""},
        {"smtpd_banner = $x\nx = $y\ny = z\n", PARAM_smtpd_banner, "z", ""},
        {"x = ${y?{1}:{2}}\nsmtpd_banner = $x$x\n", PARAM_smtpd_banner, "22", ""},
        {"smtpd_banner = a\nsmtpd_banner = b\n", PARAM_smtpd_banner, "b",
         "W F, line 2: overriding earlier entry: smtpd_banner=a|"},
        {"smtpd_banner = $x\nx = $y\ny = $x\n", PARAM_smtpd_banner, NULL,
         "E F, line 1: smtpd_banner = $x: $x is used in its own value|"},
        {"x = $x\n", PARAM_smtpd_banner, "(default)", ""},
        /* an error does not hide another */
        {"smtpd_timeout = x\nstress\nsmtpd_use_tls = 1\n", PARAM_smtpd_banner, NULL,
         "E F, line 2: missing '=' after attribute name: \"stress\"|"
         "E F, line 1: smtpd_timeout = x: bad time value: specify a number from 0 to 2147483647 "
         "and perhaps a unit, one of s m h d w|"
         "E F, line 3: smtpd_use_tls = 1: bad boolean value: specify yes or no|"},
        /* names */
        {"nobody = x\n", PARAM_smtpd_banner, "(default)",
         "W F, line 1: unused parameter: nobody=x|"},
        {"smtpd_tls_CApth = /x\n", PARAM_smtpd_banner, "(default)",
         "W F, line 1: unused parameter: smtpd_tls_CApth=/x; did you mean \"smtpd_tls_CApath\"?|"},
        {"smtpd_tls_cafile = /x\n", PARAM_smtpd_banner, "(default)",
         "W F, line 1: unused parameter: smtpd_tls_cafile=/x; did you mean \"smtpd_tls_CAfile\"?|"},
        {"nobody = x\nnobody = y\n", PARAM_smtpd_banner, "(default)",
         "W F, line 2: overriding earlier entry: nobody=x|"
         "W F, line 2: unused parameter: nobody=y|"},
        {"mydestination = $own\nown = here.test\n", PARAM_smtpd_banner, "(default)",
         "I F, line 1: mydestination is a parameter of Postfix that gatepost does not need|"},
        {"x = ${y?{$z}}\ny = $x\nz = ${ x}\n", PARAM_smtpd_banner, "(default)", ""},
        {"x = $$y\ny =\n", PARAM_smtpd_banner, "(default)",
         "W F, line 1: unused parameter: x=$$y|W F, line 2: unused parameter: y=|"},
        {"own_transport_destination_recipient_limit = 1\n", PARAM_smtpd_banner, "(default)",
         "I F, line 1: own_transport_destination_recipient_limit is a parameter of Postfix that "
         "gatepost does not need|"},
        {"smtpd_restriction_classes = strict, lax\nstrict = reject\nlax = permit\n",
         PARAM_smtpd_banner, "(default)",
         "I F, line 1: smtpd_restriction_classes is a parameter of Postfix that gatepost does not "
         "need|"},
        {"alias_maps = hash:/etc/aliases, ldap:people\npeople_server_host = h\n",
         PARAM_smtpd_banner, "(default)",
         "I F, line 1: alias_maps is a parameter of Postfix that gatepost does not need|"},
        /* parameters of Postfix that deserve a word */
        {"smtpd_tls_dh1024_param_file = /d\n", PARAM_smtpd_banner, "(default)",
         "W F, line 1: smtpd_tls_dh1024_param_file = /d: BoringSSL has no finite-field "
         "Diffie-Hellman: the file is not used|"},
        {"smtpd_tls_dh1024_param_file =\n", PARAM_smtpd_banner, "(default)", ""},
        {"smtpd_tls_eecdh_grade = AUTO\n", PARAM_smtpd_banner, "(default)", ""},
        {"tls_config_file = default\n", PARAM_smtpd_banner, "(default)", ""},
        {"tls_config_file = none\n", PARAM_smtpd_banner, "(default)", ""},
        {"tls_config_file = /etc/x\n", PARAM_smtpd_banner, NULL,
         "E F, line 1: tls_config_file = /etc/x: BoringSSL does not read OpenSSL's configuration, "
         "which may ask for more protection; specify none, and say here what it said there|"},
        /* nothing that is shown to a person can break a line */
        {"nobody = \x1b[2J\n", PARAM_smtpd_banner, "(default)",
         "W F, line 1: unused parameter: nobody=?[2J|"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct text findings = {0};
        struct config *config = config_check_parse(rows[i].text, &findings);
        const char *value = NULL;

        if (config != NULL)
            value = config_is_set(config, rows[i].param) || rows[i].param != PARAM_smtpd_banner
                        ? config_str(config, rows[i].param)
                        : "(default)";
        if ((value == NULL) != (rows[i].value == NULL) ||
            (value != NULL && strcmp(value, rows[i].value) != 0) ||
            strcmp(findings.data, rows[i].findings) != 0)
            fail_msg("%s: \"%s\" %s", rows[i].text, value != NULL ? value : "", findings.data);
        config_free(config);
        text_free(&findings);
    }
}

static void host_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host; /* NULL: the system's */
        const char *domain;
    } rows[] = {
        {"myhostname = a.b.c\n", "a.b.c", "b.c"},
        {"myhostname = a\n", "a", "localdomain"},
        {"myhostname = a.$mydomain\nmydomain = x.y\n", "a.x.y", "x.y"},
        {"myhostname = ${v}.d.e\nv = h\n", "h.d.e", "d.e"},
        {"mydomain = x.y\n", NULL, "x.y"},
    };
    char system[256];

    assert_int_equal(gethostname(system, sizeof(system)), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct text findings = {0};
        struct text host = {0};
        struct config *config = config_check_parse(rows[i].text, &findings);

        assert_non_null(config);
        text_add_string(&host, rows[i].host != NULL ? rows[i].host : system);
        if (rows[i].host == NULL && strchr(system, '.') == NULL)
            text_format(&host, ".%s", rows[i].domain);
        assert_string_equal(config_str(config, PARAM_myhostname), host.data);
        assert_string_equal(config_str(config, PARAM_mydomain), rows[i].domain);
        config_free(config);
        text_free(&host);
        text_free(&findings);
    }
}

/* Neither may be made of the other's default, which is made of it. */
static void host_cycle(void **state)
{
    (void)state;
    struct text findings = {0};
    struct config *config = config_check_parse("myhostname = a.$mydomain\n", &findings);

    assert_null(config);
    assert_non_null(strstr(findings.data, "myhostname"));
    text_free(&findings);
}

static void overrides(void **state)
{
    (void)state;
    static const char file[] = "smtpd_banner = file\nx = 1\n";
    static const struct config_override list[] = {
        {"smtpd_banner", "first"}, {"smtpd_banner", "$x$y"}, {"y", "2"}, {"z", "3"}};
    static const struct config_override bad[] = {{"smtpd_use_tls", "1"}};
    static const struct config_override nameless[] = {{"", "1"}, {"a b", "1"}, {"a=b", "1"}};
    struct text findings = {0};
    struct diag diag = {config_check_collect, &findings, 0, 0};

    struct config *config = config_parse("F", file, strlen(file), list, COUNT(list), &diag);
    assert_non_null(config);
    assert_string_equal(config_str(config, PARAM_smtpd_banner), "12");
    assert_string_equal(config_origin(config, PARAM_smtpd_banner), "-o");
    assert_string_equal(config_origin(config, PARAM_stress), "default value");
    assert_string_equal(findings.data, "W -o: unused parameter: z=3|");

    findings.length = 0;
    assert_null(config_parse("F", file, strlen(file), bad, 1, &diag));
    assert_string_equal(findings.data,
                        "W F, line 2: unused parameter: x=1|"
                        "E -o: smtpd_use_tls = 1: bad boolean value: specify yes or no|");
    for (size_t i = 0; i < COUNT(nameless); i++) {
        findings.length = 0;
        assert_null(config_derive(config, &nameless[i], 1, &diag));
        assert_int_equal(strncmp(findings.data, "E -o: bad parameter name", 24), 0);
    }
    config_free(config);
    text_free(&findings);
}

static void derivation(void **state)
{
    (void)state;
    static const char file[] = "nobody = x\nmyhostname = a.example\nsmtpd_timeout = 5sec\n";
    static const struct config_override list[] = {{"myhostname", "b.other"}, {"somebody", "y"}};
    static const struct config_override bad[] = {{"smtpd_tls_wrappermode", "x"}};
    struct text findings = {0};
    struct diag diag = {config_check_collect, &findings, 0, 0};
    struct config *base = config_parse("F", file, strlen(file), NULL, 0, &diag);

    assert_non_null(base);
    assert_int_equal(diag.warnings, 2);
    findings.length = 0;
    struct config *config = config_derive_from(base, list, 2, "O", &diag);
    assert_non_null(config);
    /* What was reported of the base is not reported again. */
    assert_string_equal(findings.data, "W O: unused parameter: somebody=y|");
    assert_null(config_derive(base, bad, 1, &diag));
    config_free(base);
    assert_string_equal(config_str(config, PARAM_myhostname), "b.other");
    assert_string_equal(config_str(config, PARAM_mydomain), "other");
    assert_string_equal(config_str(config, PARAM_smtpd_banner), "b.other ESMTP Postfix");
    assert_int_equal(config_time(config, PARAM_smtpd_timeout), 5);
    assert_string_equal(config_origin(config, PARAM_smtpd_timeout), "F, line 3");
    config_free(config);
    text_free(&findings);
}

/* What config_print prints. */
static void print(const struct config *config, enum config_listing listing,
                  const char *const *names, size_t count, struct text *out, struct text *findings)
{
    struct diag diag = {config_check_collect, findings, 0, 0};
    char *data = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&data, &size);

    assert_non_null(stream);
    config_print(config, listing, names, count, stream, &diag);
    fclose(stream);
    text_add(findings, "", 0);
    text_add(out, data, size);
    free(data);
}

static void listings(void **state)
{
    (void)state;
    static const char file[] = "smtpd_timeout = ${stress?{5}:{50}}s\nuser = x\nstress = $user\n"
                               "unused = z\nqueue_directory = /q\nsmtpd_tls_loglevel =\n  DEBUG,\n"
                               "# c\n  cache\nbiff = no\nmaillog_file = $queue_directory/x\n"
                               "gatepost_user =  a  b \n";
    static const char *const two[] = {"stress", "mail_name", "user"};
    static const char *const unknown[] = {"unused", "smtpd_timeuot", "biff"};
    static const struct {
        enum config_listing listing;
        const char *const *names;
        size_t count;
        const char *out; /* NULL: not compared */
        const char *findings;
    } rows[] = {
        {CONFIG_NON_DEFAULT, NULL, 0,
         "gatepost_user = a  b\nmaillog_file = $queue_directory/x\n"
         "smtpd_timeout = ${stress?{5}:{50}}s\nsmtpd_tls_loglevel = DEBUG,  cache\n"
         "stress = $user\nuser = x\n",
         ""},
        {CONFIG_ALL, two, 3, "stress = $user\nmail_name = Postfix\nuser = x\n", ""},
        {CONFIG_NON_DEFAULT, two, 3, "stress = $user\nuser = x\n", ""},
        {CONFIG_DEFAULTS, two, 3, "stress = \nmail_name = Postfix\n", ""},
        {CONFIG_ALL, unknown, 3, "",
         "W unused: unknown parameter|"
         "W smtpd_timeuot: unknown parameter; did you mean \"smtpd_timeout\"?|"
         "W biff: a parameter of Postfix that gatepost does not need|"},
    };
    struct text findings = {0};
    struct config *config = config_check_parse(file, &findings);

    assert_non_null(config);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct text out = {0};

        findings.length = 0;
        print(config, rows[i].listing, rows[i].names, rows[i].count, &out, &findings);
        text_add(&out, "", 0);
        assert_string_equal(out.data, rows[i].out);
        assert_string_equal(findings.data, rows[i].findings);
        text_free(&out);
    }
    config_free(config);
    text_free(&findings);
}

/* Every parameter is listed once, sorted, and a listing can be read again. */
static void whole_listing(void **state)
{
    (void)state;
    struct text findings = {0};
    struct config *config = config_check_parse("", &findings);

    for (int i = 0; i < 2; i++) {
        struct text out = {0};
        const char *line;

        print(config, i == 0 ? CONFIG_ALL : CONFIG_DEFAULTS, NULL, 0, &out, &findings);
        line = out.data;
        for (size_t j = 0; j < PARAM_COUNT; j++) {
            size_t length = strlen(param_table[j].name);

            assert_int_equal(strncmp(line, param_table[j].name, length), 0);
            assert_int_equal(strncmp(line + length, " = ", 3), 0);
            line = strchr(line, '\n') + 1;
        }
        assert_int_equal(*line, '\0');
        config_free(config);
        config = config_check_parse(out.data, &findings);
        assert_non_null(config);
        assert_string_equal(findings.data, "");
        text_free(&out);
    }
    config_free(config);
    text_free(&findings);
}

static void tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        const char *name = param_table[i].name;
        enum param param;

        assert_string_equal(config_param_name((enum param)i), name);
        assert_true(config_param_find(name, &param));
        assert_int_equal(param, i);
        assert_true(i == 0 || strcmp(param_table[i - 1].name, name) < 0);
        assert_true(strlen(param_table[i].help) > 10);
        assert_null(known_note_find(name));
        assert_false(known_is_foreign(name, strlen(name)));
    }
    for (size_t i = 0; i < known_foreign_count; i++) {
        assert_true(i == 0 || strcmp(known_foreign[i - 1], known_foreign[i]) < 0);
        assert_true(known_is_foreign(known_foreign[i], strlen(known_foreign[i])));
        assert_null(known_note_find(known_foreign[i]));
    }
    for (size_t i = 0; i < known_note_count; i++)
        assert_ptr_equal(known_note_find(known_notes[i].name), &known_notes[i]);
    assert_false(config_param_find("MYHOSTNAME", &(enum param){0}));
    assert_false(config_param_find("", &(enum param){0}));
    assert_false(config_param_find("myhostnam", &(enum param){0}));
    assert_false(config_param_find("myhostname_", &(enum param){0}));
}

/* What can be in the place of the file. */
static void loading(void **state)
{
    (void)state;
    static const struct {
        const char *kind; /* of what is there */
        const char *finding;
    } rows[] = {
        {"file", NULL},
        {"nothing", "No such file or directory"},
        {"directory", "a directory, not a regular file"},
        {"fifo", "something special, not a regular file"},
        {"nul", "line 2: NUL byte: this is not a text file"},
    };
    char directory[] = "/tmp/config_test.XXXXXX";
    char path[sizeof(directory) + 16];

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/gatepost.cf", directory);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct text findings = {0};
        struct diag diag = {config_check_collect, &findings, 0, 0};

        if (rows[i].kind[0] == 'd') {
            assert_int_equal(mkdir(path, 0700), 0);
        } else if (strcmp(rows[i].kind, "fifo") == 0) {
            assert_int_equal(mkfifo(path, 0600), 0);
        } else if (strcmp(rows[i].kind, "nothing") != 0) {
            static const char content[] = "smtpd_banner = $config_directory\n\0";
            FILE *file = fopen(path, "w");

            assert_non_null(file);
            fwrite(content, 1, strlen(content) + (rows[i].kind[0] == 'n'), file);
            fclose(file);
        }
        struct config *config = config_load(directory, NULL, 0, &diag);
        if (rows[i].finding == NULL) {
            assert_string_equal(config_str(config, PARAM_smtpd_banner), directory);
        } else {
            assert_null(config);
            assert_int_equal(diag.errors, 1);
            assert_non_null(strstr(findings.data, path));
            assert_non_null(strstr(findings.data, rows[i].finding));
        }
        config_free(config);
        text_free(&findings);
        remove(path);
    }
    rmdir(directory);
}

/* Large files are read or refused, and neither takes long nor crashes. */
static void large_files(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *piece; /* repeated; %zu is its number */
        size_t count;
        bool good;
        const char *finding;
    } rows[] = {
        {"smtpd_banner = ", "xxxxxxxxxxxxxxxx", 1 << 16, false, "too long: at most 510 bytes"},
        {"smtpd_banner = ", "xxxxxxxxxxxxxxxx", (1 << 16) + 1, false, "longer than 1048576 bytes"},
        {"nobody = ", "xxxxxxxxxxxxxxxx", 1 << 16, true, "unused parameter: nobody=xxx"},
        {"smtpd_tls_exclude_ciphers =", " xxxxxxxxxxxxxxx", 1 << 15, true, ""},
        {"smtpd_banner = ", "${stress?", 100000, false, "truncated macro reference"},
        {"smtpd_banner = ", "$$", 100, true, ""},
        {"", "own_name_%zu = x\n", 20000, true, "W 19900 more unused parameters|"},
        {"", "own_name_%zu = $own_name_%zu\n", 20000, true, ""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct text findings = {0};
        struct text file = {0};

        text_add_string(&file, rows[i].before);
        for (size_t j = 0; j < rows[i].count; j++) {
            const char *mark = rows[i].piece;
            const char *found;

            for (; (found = strstr(mark, "%zu")) != NULL; mark = found + 3) {
                text_add(&file, mark, (size_t)(found - mark));
                text_format(&file, "%zu", j);
            }
            text_add_string(&file, mark);
        }
        struct config *config = config_check_parse(file.data, &findings);
        if ((config != NULL) != rows[i].good || strstr(findings.data, rows[i].finding) == NULL)
            fail_msg("row %zu: %.300s", i, findings.data);
        config_free(config);
        text_free(&file);
        text_free(&findings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),         cmocka_unit_test(host_defaults),
        cmocka_unit_test(host_cycle),    cmocka_unit_test(overrides),
        cmocka_unit_test(derivation),    cmocka_unit_test(listings),
        cmocka_unit_test(whole_listing), cmocka_unit_test(tables),
        cmocka_unit_test(loading),       cmocka_unit_test(large_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
