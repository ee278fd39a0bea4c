/*
 * tls_sni_maps_test.c: the text of tls_server_sni_maps.
 */
#include "tests/unit/tls_duel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/sni_maps.h"

static char directory[] = "/tmp/gatepost-sni-maps-XXXXXX";

static void write_bytes(const char *name, const char *bytes, size_t length)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[80];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

static void collect(void *ctx, const struct tls_sni_entry *entry)
{
    char *out = ctx;
    size_t used = strlen(out);
    snprintf(out + used, 1024 - used, "%zu %s=%s;", entry->map, entry->name, entry->files);
}

static void test_maps(void **state)
{
    static const struct {
        const char *value; /* "@": the directory */
        const char *entries;
        const char *said; /* "" for no error */
    } cases[] = {
        {"inline:{ { a.test = /x, /y } }", "0 a.test=/x, /y;", ""},
        {"inline:{{a.test=/x},{ .B.Test = /y }}", "0 a.test=/x;0 .b.test=/y;", ""},
        {"inline:{a.test=/x, b.test=/y}", "0 a.test=/x;0 b.test=/y;", ""},
        {"inline:{}", "", ""},
        {"inline:{a.test=/x} inline:{b.test=/y}", "0 a.test=/x;1 b.test=/y;", ""},
        {"texthash:@/map", "0 a.test=/x, /y;0 .b.test=/z  /w;", ""},
        {"inline:{c.test=/c}, texthash:@/map", "0 c.test=/c;1 a.test=/x, /y;1 .b.test=/z  /w;", ""},
        {"inline:{a.test}", "", "specify { name = chain files }"},
        {"inline:a.test=/x", "", "specify inline:{ { name"},
        {"inline:{a.test=}", "", "no chain files for a.test"},
        {"inline:{{a.test = , }}", "", "no chain files"},
        {"inline:{ { = /x } }", "", "\"\" is no host name"},
        {"inline:{{a_b.-c=/x}, d.test=/y}", "0 d.test=/y;", "is no host name"},
        {"inline:{..a=/x}", "", "is no host name"},
        {"inline:{*.a=/x}", "", "is no host name"},
        {"hash:/etc/postfix/sni", "", "gatepost reads inline:"},
        {"lmdb:/etc/postfix/sni", "", "F, line 1: tls_server_sni_maps: \"lmdb:"},
        {"/etc/postfix/sni", "", "gatepost reads inline:"},
        {"texthash:", "", "gatepost reads inline:"},
        {"texthash:/nonexistent", "", "/nonexistent"},
        {"texthash:@/bad", "0 a.test=/x;", "bad, line 3: no chain files for c.test"},
    };
    static const char map[] = "# comment\nA.test\t/x,\n  # inside\n /y\n\n.b.test /z  /w \n";
    static const char bad[] = "a.test /x\n\nc.test\n";
    (void)state;
    write_bytes("map", map, sizeof map - 1);
    write_bytes("bad", bad, sizeof bad - 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char value[256] = "", entries[1024] = "";
        struct findings findings;
        const char *at = strchr(cases[i].value, '@');
        findings_reset(&findings);
        snprintf(value, sizeof value, "%.*s%s%s",
                 (int)(at != NULL ? (size_t)(at - cases[i].value) : strlen(cases[i].value)),
                 cases[i].value, at != NULL ? directory : "", at != NULL ? at + 1 : "");
        int status = tls_sni_maps_read(value, "F, line 1", collect, entries, &findings.diag);
        /* Blanks and newlines between the files are kept; what was a comment is not. */
        for (char *p = entries; *p != '\0'; p++) {
            if (*p == '\n') {
                memmove(p, p + 1, strlen(p));
            }
        }
        bool wanted = *cases[i].said == '\0';
        if (strcmp(entries, cases[i].entries) != 0 || (status == 0) != wanted ||
            (findings.diag.errors == 0) != wanted || strstr(findings.text, cases[i].said) == NULL) {
            fail_msg("\"%s\": %s\n%s", value, entries, findings.text);
        }
    }
    /* A brace that is not closed never is a table with less in it. */
    struct findings findings;
    char entries[1024] = "";
    findings_reset(&findings);
    assert_int_equal(
        tls_sni_maps_read("inline:{ { a.test = /x }", NULL, collect, entries, &findings.diag), -1);
}

/* A list stays what it was when the file is written anew. */
static void test_list(void **state)
{
    char value[128];
    struct findings findings;
    (void)state;
    findings_reset(&findings);
    write_bytes("kept", "a.test /x\n.b.test /y\n", 21);
    snprintf(value, sizeof value, "texthash:%s/kept", directory);
    struct tls_sni_list *list = tls_sni_list_read(value, NULL, &findings.diag);
    write_bytes("kept", "c.te", 4);
    assert_non_null(list);
    assert_int_equal(list->count, 2);
    assert_string_equal(list->entries[0].name, "a.test");
    assert_string_equal(list->entries[0].files, "/x");
    assert_string_equal(list->entries[1].name, ".b.test");
    assert_non_null(strstr(list->entries[1].place, "/kept, line 2"));
    tls_sni_list_free(list);
    assert_null(tls_sni_list_read(value, NULL, &findings.diag));
    assert_non_null(strstr(findings.text, "no chain files for c.te"));
    tls_sni_list_free(NULL);
}

static void test_host_names(void **state)
{
    static const struct {
        const char *name;
        bool good;
    } cases[] = {
        {"a", true},
        {"mx.example", true},
        {"MX-1.ex_ample", true},
        {"1a.2", true},
        {"xn--mx-abc.example", true},
        {"", false},
        {".", false},
        {".a", false},
        {"a.", false},
        {"a..b", false},
        {"-a.b", false},
        {"a-.b", false},
        {"a b", false},
        {"a/b", false},
        {"192.0.2.1", false},
        {"123", false},
        {"[::1]", false},
        {"a\x80.b", false},
        {"*.b", false},
        {"a:25", false},
    };
    char name[300];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (tls_sni_is_host_name(cases[i].name) != cases[i].good) {
            fail_msg("\"%s\"", cases[i].name);
        }
    }
    memset(name, 'a', sizeof name);
    name[63] = '\0';
    assert_true(tls_sni_is_host_name(name));
    name[63] = 'a';
    name[64] = '\0';
    assert_false(tls_sni_is_host_name(name));
    for (size_t i = 63; i < sizeof name; i += 64) {
        name[i] = '.';
    }
    name[64] = 'a';
    name[255] = '\0';
    assert_true(tls_sni_is_host_name(name));
    name[255] = 'a';
    name[256] = '\0';
    assert_false(tls_sni_is_host_name(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_host_names),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
