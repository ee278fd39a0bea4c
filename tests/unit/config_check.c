#include "tests/unit/config_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void config_check_collect(void *ctx, enum diag_severity severity, const char *text)
{
    text_format(ctx, "%c %s|", "IWE"[severity], text);
}

struct config *config_check_parse(const char *text, struct text *findings)
{
    struct diag diag = {config_check_collect, findings, 0, 0};
    struct config *config = config_parse("F", text, strlen(text), NULL, 0, &diag);

    text_add(findings, "", 0);
    assert_int_equal(config == NULL, diag.errors > 0);
    return config;
}
