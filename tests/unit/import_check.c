#include "tests/unit/import_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/endpoint.h"
#include "policy/text.h"

void import_check_collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s\n", "IWE"[severity], text);
}

struct config *import_check_take(const char *name, const char *output)
{
    struct text findings = {0};
    struct diag diag = {.sink = import_check_collect, .ctx = &findings};
    struct config *config = config_parse("gatepost.cf", output, strlen(output), NULL, 0, &diag);
    struct listen_list list;

    text_add(&findings, "", 0);
    if (config == NULL || listen_list_parse(config, &list, &diag) != 0)
        fail_msg("%s: %s in:\n%s", name, findings.data, output);
    listen_list_free(&list);
    text_free(&findings);
    return config;
}

/* TEXT with its wrapped comments as one line each; for the caller to free. */
static char *unwrap(const char *text)
{
    struct text out = {0};

    while (*text != '\0') {
        size_t skip = strncmp(text, "\n#   ", 5) == 0 ? 5 : strncmp(text, "\n# ", 3) == 0 ? 3 : 0;

        text_add_char(&out, skip > 0 ? ' ' : *text);
        text += skip > 0 ? skip : 1;
    }
    return text_take(&out);
}

void import_check_compare(const char *name, const char *text,
                          const char *const has[IMPORT_CHECK_MOST],
                          const char *const lacks[IMPORT_CHECK_MOST])
{
    char *unwrapped = unwrap(text);

    for (size_t i = 0; i < IMPORT_CHECK_MOST; i++) {
        if (has[i] != NULL && strstr(text, has[i]) == NULL && strstr(unwrapped, has[i]) == NULL)
            fail_msg("%s: no \"%s\" in:\n%s", name, has[i], text);
        if (lacks[i] != NULL && (strstr(text, lacks[i]) || strstr(unwrapped, lacks[i])))
            fail_msg("%s: \"%s\" in:\n%s", name, lacks[i], text);
    }
    free(unwrapped);
}
