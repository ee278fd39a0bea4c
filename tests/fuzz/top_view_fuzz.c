/*
 * top_view_fuzz.c: what a daemon may answer to "gatepost top", as it is taken apart and drawn: on a
 * screen of any size nothing is longer or wider than that, and nothing but printing ASCII is shown.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/top_view.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct top_view view;
    struct top_data before, now;
    char label[TOP_LABEL_MAX];

    if (size < 2)
        return 0;
    int lines = data[0] % 64, columns = data[1] + 1;
    const char *text = (const char *)data + 2;
    size_t length = size - 2;
    top_data_parse(&before, text, length / 2);
    top_data_parse(&now, text, length);
    before.when = 1.;
    now.when = 2.;
    check(now.count <= TOP_SERIES_MAX);
    for (size_t i = 0; i < now.count; i++) {
        check(strlen(now.series[i].key) < TOP_KEY_MAX);
        if (top_data_label(now.series[i].key, "backend", label))
            check(memchr(label, '\0', sizeof(label)) != NULL);
    }
    const struct top_picture picture = {
        .before = &before, .now = &now, .paused = length % 2 != 0, .by_total = length % 3 != 0};
    top_view_draw(&view, &picture, lines, columns);
    check(view.count >= 1 && view.count <= (lines > 0 ? lines : TOP_LINES_MAX));
    for (int i = 0; i < view.count; i++) {
        check(strlen(view.lines[i].text) <= (size_t)columns);
        for (const char *p = view.lines[i].text; *p != '\0'; p++)
            check(*p >= 0x20 && *p < 0x7f);
    }
    top_data_free(&before);
    top_data_free(&now);
    return 0;
}
