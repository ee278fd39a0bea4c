/*
 * top_test.c: pages of metrics, good and bad ones, and screens of every size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/top.h"
#include "proxy/top_view.h"

static const char page[] =
    "# HELP gatepost_x words with 5\n"
    "# TYPE gatepost_x counter\n"
    "gatepost_start_time_seconds 1000000000\n"
    "gatepost_last_reload_successful 1\n"
    "gatepost_handshakes_total{protocol=\"TLSv1.3\",cipher=\"A\",group=\"g\"} 5\n"
    "gatepost_handshakes_total{protocol=\"TLSv1.3\",cipher=\"B\",group=\"\"} 7\n"
    "gatepost_handshakes_total{protocol=\"TLSv1\",cipher=\"B\",group=\"g\"} 90\n"
    "gatepost_backend_up{listener=\"l,{}=\\\"x\",backend=\"a\\\\b\"} 1\n"
    "gatepost_backend_up{listener=\"m\",backend=\"a\\\\b\"} 0\n"
    "gatepost_backend_up{listener=\"m\",backend=\"\x1b[2J\"} 1\n"
    "gatepost_x_sum 0.25\n";

static struct top_view view; /* large */

static struct top_data parse(const char *text)
{
    struct top_data data;

    top_data_parse(&data, text, strlen(text));
    return data;
}

static void takes_apart(void **state)
{
    struct top_data data = parse(page);
    char value[TOP_LABEL_MAX];

    (void)state;
    assert_int_equal(data.count, 9);
    assert_true(top_data_get(&data, "gatepost_x_sum") == 0.25);
    assert_true(top_data_get(&data, "gatepost_x") == 0.);
    assert_true(top_data_sum(&data, "gatepost_handshakes_total", NULL, NULL) == 102.);
    assert_true(top_data_sum(&data, "gatepost_handshakes_total", "cipher", "B") == 97.);
    assert_true(top_data_sum(&data, "gatepost_handshakes", NULL, NULL) == 0.);
    assert_true(top_data_label(data.series[5].key, "backend", value));
    assert_string_equal(value, "a\\b");
    assert_true(top_data_label(data.series[5].key, "listener", value));
    assert_string_equal(value, "l,{}=\"x");
    assert_true(top_data_label(data.series[7].key, "backend", value));
    assert_string_equal(value, "?[2J");
    assert_false(top_data_label(data.series[7].key, "end", value));
    top_data_free(&data);
}

static void survives_what_is_no_page(void **state)
{
    static const char *const texts[] = {"",           "\n\n\n",
                                        "#",          "x",
                                        " 5",         "x y",
                                        "x 5x",       "x{a=\"",
                                        "x{a=\" 5",   "x{a=\"b 5",
                                        "x{a 5",      "x{,,,=\"\"} 5",
                                        "x{a=\"b\\",  "x{a=\"b\"c=\"d\"} 5",
                                        "x 1e999",    "x -nan",
                                        "x{=\"v\"} 1"};
    char value[TOP_LABEL_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct top_data data = parse(texts[i]);
        for (size_t j = 0; j < data.count; j++)
            (void)top_data_label(data.series[j].key, "a", value);
        (void)top_data_sum(&data, "x", "a", "b");
        top_data_free(&data);
    }
}

/* More series than there is room for, and lines that are too long. */
static void is_bounded(void **state)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    (void)state;
    assert_non_null(out);
    fprintf(out, "x{a=\"%0*d\"} 5\n", TOP_KEY_MAX, 0);
    for (int i = 0; i < 2 * TOP_SERIES_MAX; i++)
        fprintf(out, "gatepost_handshakes_total{protocol=\"%d\",cipher=\"c\",group=\"g\"} 5\n", i);
    assert_int_equal(fclose(out), 0);
    struct top_data data = parse(text);
    assert_int_equal(data.count, TOP_SERIES_MAX);
    const struct top_data none = {0};
    const struct top_picture picture = {.before = &none, .now = &data};
    top_view_draw(&view, &picture, 0, 80);
    assert_true(view.count < TOP_LINES_MAX);
    top_data_free(&data);
    free(text);
}

/* Is TEXT in the view? */
static bool shown(const char *text)
{
    for (int i = 0; i < view.count; i++)
        if (strstr(view.lines[i].text, text) != NULL)
            return true;
    return false;
}

static void fits_every_size(void **state)
{
    struct top_data data = parse(page), none = {0};
    const struct top_picture picture = {.before = &none, .now = &data};

    (void)state;
    for (int columns = 1; columns < 300; columns++)
        for (int lines = 1; lines < 40; lines += 3) {
            top_view_draw(&view, &picture, lines, columns);
            assert_true(view.count >= 1 && view.count <= lines);
            for (int i = 0; i < view.count; i++) {
                assert_true(strlen(view.lines[i].text) <= (size_t)columns);
                for (const char *p = view.lines[i].text; *p != '\0'; p++)
                    assert_true(*p >= 0x20 && *p < 0x7f);
            }
        }
    top_data_free(&data);
}

static void rates_and_order(void **state)
{
    struct top_data before = parse(page), now = parse(page);
    struct top_picture picture = {.before = &before, .now = &now};

    (void)state;
    before.when = 10.;
    now.when = 12.;
    now.series[2].value += 8; /* TLSv1.3 */
    top_view_draw(&view, &picture, 0, 40);
    assert_true(shown("TLSv1.3                      4.0      20"));
    assert_true(shown("TLSv1                          -      90"));
    assert_true(shown("a\\b                       DOES NOT SERVE") || shown("DOES NOT SERVE"));
    int first = 0;
    while (strncmp(view.lines[first].text, "PROTOCOL", 8) != 0)
        first++;
    assert_memory_equal(view.lines[first + 1].text, "TLSv1.3", 7);
    picture.by_total = true;
    top_view_draw(&view, &picture, 0, 40);
    assert_memory_equal(view.lines[first + 1].text, "TLSv1 ", 6);
    now.series[2].value = 0; /* the daemon was restarted */
    top_view_draw(&view, &picture, 0, 40);
    assert_true(shown("TLSv1.3                        -       7"));
    top_data_free(&before);
    top_data_free(&now);
}

static void options(void **state)
{
    static const struct {
        const char *words[4];
        bool good;
    } cases[] = {
        {{"top"}, true},
        {{"top", "--once"}, true},
        {{"top", "-d", "0.5"}, true},
        {{"top", "-d", "0.01"}, false},
        {{"top", "-d", "inf"}, false},
        {{"top", "-d", ""}, false},
        {{"top", "-d"}, false},
        {{"top", "x"}, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct top_options parsed;
        char *words[4];
        int count = 0;
        while (count < 4 && cases[i].words[count] != NULL) {
            words[count] = strdup(cases[i].words[count]);
            count++;
        }
        assert_int_equal(top_options_parse(&parsed, count, words) == NULL, cases[i].good);
        while (count > 0)
            free(words[--count]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_apart),     cmocka_unit_test(survives_what_is_no_page),
        cmocka_unit_test(is_bounded),      cmocka_unit_test(fits_every_size),
        cmocka_unit_test(rates_and_order), cmocka_unit_test(options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
