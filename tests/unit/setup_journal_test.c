/* Tests of proxy/setup_journal.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/setup_journal.h"

#define HEAD "gatepost setup 1\nreload postfix reload\nstop kill 1 2\nlistener ::1 25\n"

/* Parse TEXT; the number of errors. */
static unsigned parse(const char *text, struct setup_journal *journal)
{
    struct diag diag = {0};

    int status = setup_journal_parse("journal", text, strlen(text), journal, &diag);
    assert_int_equal(status == 0, diag.errors == 0);
    return diag.errors;
}

static void test_what_is_written_is_read(void **state)
{
    static const char text[] = HEAD "kept 0640 7 8 /etc/a b/master.cf\nmade /etc/x\ncomplete\n";
    struct setup_journal journal;
    char *again = NULL;
    size_t length = 0;

    (void)state;
    assert_int_equal(parse(text, &journal), 0);
    assert_string_equal(journal.reload, "postfix reload");
    assert_string_equal(journal.stop, "kill 1 2");
    assert_string_equal(journal.host, "::1");
    assert_string_equal(journal.port, "25");
    assert_int_equal(journal.count, 2);
    assert_string_equal(journal.files[0].path, "/etc/a b/master.cf");
    assert_true(journal.files[0].existed);
    assert_int_equal(journal.files[0].mode, 0640);
    assert_int_equal(journal.files[0].uid, 7);
    assert_int_equal(journal.files[0].gid, 8);
    assert_string_equal(journal.files[1].path, "/etc/x");
    assert_false(journal.files[1].existed);
    assert_true(journal.complete);
    FILE *out = open_memstream(&again, &length);
    setup_journal_write(&journal, out);
    fclose(out);
    assert_string_equal(again, text);
    free(again);
    setup_journal_free(&journal);
}

static void test_not_complete(void **state)
{
    struct setup_journal journal;

    (void)state;
    assert_int_equal(parse(HEAD "made /etc/x\n", &journal), 0);
    assert_false(journal.complete);
    setup_journal_free(&journal);
}

static void test_what_is_no_journal(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "gatepost setup 2\n",
        "reload x\ngatepost setup 1\n",
        "gatepost setup 1\nreload x\nstop y\n",
        "gatepost setup 1\nreload x\nlistener a 1\n",
        HEAD "reload again\n",
        HEAD "listener a 1\n",
        "gatepost setup 1\nreload x\nstop y\nlistener 127.0.0.1\n",
        HEAD "made relative\n",
        HEAD "made \n",
        HEAD "kept /etc/x\n",
        HEAD "kept 0999 0 0 /etc/x\n",
        HEAD "kept 010000 0 0 /etc/x\n",
        HEAD "kept 0644 -1 0 /etc/x\n",
        HEAD "kept 0644 0 99999999999 /etc/x\n",
        HEAD "delete /etc/x\n",
        HEAD "made /etc/x",
        HEAD "made /1\nmade /2\nmade /3\nmade /4\nmade /5\nmade /6\nmade /7\nmade /8\nmade /9\n"
             "made /10\nmade /11\nmade /12\nmade /13\nmade /14\nmade /15\nmade /16\nmade /17\n",
    };
    struct setup_journal journal;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (parse(texts[i], &journal) != 1)
            fail_msg("taken: %s", texts[i]);
        assert_null(journal.reload);
        assert_int_equal(journal.count, 0);
    }
    struct diag diag = {0};
    assert_int_equal(setup_journal_parse("j", "gatepost\0", 9, &journal, &diag), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_not_complete),
        cmocka_unit_test(test_what_is_no_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
