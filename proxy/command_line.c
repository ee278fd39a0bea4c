#include "proxy/command_line.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

void command_line_finding(void *ctx, enum diag_severity severity, const char *text)
{
    static const char *const prefixes[] = {
        [DIAG_INFO] = "info: ", [DIAG_WARNING] = "warning: ", [DIAG_ERROR] = "error: "};

    (void)ctx;
    fprintf(stderr, "gatepost: %s%s\n", prefixes[severity], text);
}

int command_line_wrong(const struct command_line *line, const char *what)
{
    fprintf(stderr, "gatepost: %s\n%s", what, line->usage);
    return EX_USAGE;
}

bool command_line_override(struct command_line *line, char *text)
{
    char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || line->override_count == COMMAND_LINE_OVERRIDES_MAX)
        return false;
    char *end = equals;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    const char *value = equals + 1 + strspn(equals + 1, " \t");
    line->overrides[line->override_count++] =
        (struct config_override){.name = text, .value = value};
    return *text != '\0';
}

struct config *command_line_load(struct command_line *line)
{
    return config_load(line->directory, line->overrides, line->override_count, &line->diag);
}
