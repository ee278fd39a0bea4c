/*
 * Choosing a backend, and what clients may be promised; the extensions that commands use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/backend.h"
#include "proxy/extensions.h"

#define COUNT 3

/* Each backend as one character: STATES "." serves, "!" fails; KNOWN "k" its capabilities, "u" that
 * it could not be reached, "-" nothing. */
struct choice {
    const char *states;
    const char *known;
    uint32_t tried;
    int chosen;   /* index; -1: none */
    int promised; /* index of the one whose capabilities are promised; -1: not known */
    bool hopeless;
};

static const struct choice choices[] = {
    {"...", "kkk", 0, 0, 0, false},  {"...", "kkk", 1, 1, 0, false},
    {"...", "kkk", 3, 2, 0, false},  {"...", "kkk", 7, -1, 0, false},
    {"!..", "kkk", 0, 1, 1, false},  {"!..", "kkk", 2, 2, 1, false},
    {"!..", "kkk", 6, 0, 1, false},  {"!!.", "kkk", 0, 2, 2, false},
    {"!!!", "kkk", 0, 0, 0, false},  {"!!!", "kkk", 1, 1, 0, false},
    {"...", "---", 0, 0, -1, false}, {"...", "-k-", 0, 0, -1, false},
    {"!..", "uk-", 0, 1, 1, false},  {"!..", "-k-", 0, 1, 1, false},
    {"!!!", "uku", 0, 0, 1, false},  {"!!!", "uuu", 0, 0, -1, true},
    {"!!!", "uu-", 0, 0, -1, false}, {".!!", "uuu", 0, 0, -1, false},
    {"!.!", "u-u", 0, 1, -1, false},
};

static void test_choice(void **state)
{
    static char name[] = "b";

    (void)state;
    for (size_t row = 0; row < sizeof(choices) / sizeof(choices[0]); row++) {
        const struct choice *choice = &choices[row];
        static struct backend backends[COUNT];
        struct backend_mark marks[COUNT] = {0};
        const struct backend_list list = {backends, COUNT};

        memset(backends, 0, sizeof(backends));
        for (int i = 0; i < COUNT; i++) {
            backends[i].name = name;
            backends[i].mark = &marks[i];
            backends[i].capabilities.known = choice->known[i] == 'k';
            backends[i].unreachable = choice->known[i] == 'u';
            if (choice->states[i] == '!')
                assert_true(backend_mark_failing(&backends[i], BACKEND_FAULT_CONNECT, 5));
        }
        const struct backend *chosen = backend_choose(&list, choice->tried);
        const struct capabilities *promised = backend_capabilities(&list);
        int index = chosen != NULL ? (int)(chosen - backends) : -1;
        int whose = -1;
        for (int i = 0; i < COUNT; i++)
            if (promised == &backends[i].capabilities)
                whose = i;
        if (index != choice->chosen || whose != choice->promised ||
            backend_is_hopeless(&list) != choice->hopeless)
            fail_msg("row %zu: chosen %d, promised %d, hopeless %d", row, index, whose,
                     backend_is_hopeless(&list));
    }
}

static void test_marks(void **state)
{
    struct backend_mark mark = {0};
    struct backend backend = {.mark = &mark};

    (void)state;
    assert_false(backend_is_failing(&backend));
    assert_false(backend_mark_serving(&backend));
    assert_true(backend_mark_failing(&backend, BACKEND_FAULT_CONNECT, 7));
    assert_false(backend_mark_failing(&backend, BACKEND_FAULT_GREETING, 9));
    assert_true(backend_is_failing(&backend));
    assert_int_equal(mark.since, 7);
    assert_string_equal(backend_fault_text(mark.fault), "does not greet");
    assert_true(backend_mark_serving(&backend));
    assert_false(backend_is_failing(&backend));
    assert_string_equal(backend_fault_text((enum backend_fault)99), "fails");
}

static void test_extensions(void **state)
{
    static const struct {
        const char *line;
        unsigned used;
    } rows[] = {
        {"MAIL FROM:<>", 0},
        {"MAIL FROM:<> SIZE=10", EXTENSION_SIZE},
        {"mail from: <a@b>  body=7BIT\tsmtputf8", EXTENSION_EIGHTBIT | EXTENSION_UTF8},
        {"MAIL FROM:<SIZE=1> RET=FULL", EXTENSION_DSN},
        {"MAIL FROM:<\"a> SIZE=3\"@b> ENVID=x", EXTENSION_DSN},
        {"MAIL FROM:a@b SIZE=3", EXTENSION_SIZE},
        {"MAIL FROM:<> SIZES=3 XSIZE=1 AUTH=<>", 0},
        {"MAIL FROM:<> SIZE", EXTENSION_SIZE},
        {"RCPT TO:<a@b> NOTIFY=NEVER", EXTENSION_DSN},
        {"RCPT TO:<a@b> ORCPT=rfc822;a+3Db", EXTENSION_DSN},
        {"RCPT TO:<NOTIFY=x@b>", 0},
        {"MAIL", 0},
        {"MAIL FROM", 0},
        {"MAIL FROM:", 0},
        {"MAIL FROM:<unclosed SIZE=1", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[100];
        struct smtp_command command;

        snprintf(line, sizeof(line), "%s", rows[i].line);
        smtp_command_parse(line, strlen(line), &command);
        if (extensions_used(&command) != rows[i].used)
            fail_msg("%s: %u", rows[i].line, extensions_used(&command));
    }
    assert_int_equal(extension_announced("chunking", 8), EXTENSION_CHUNKING);
    assert_int_equal(extension_announced("CHUNKINGX", 9), 0);
    assert_int_equal(extension_announced("DS", 2), 0);
    assert_string_equal(extension_name(EXTENSION_DSN | EXTENSION_UTF8), "DSN");
    assert_string_equal(extension_name(0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_extensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
