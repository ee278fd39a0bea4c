/*
 * import_findings.c: what gatepost's own configuration reader says of the imported lines becomes
 * comments above them. So a reason is written once, where it is decided.
 */
#include "policy/import_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/known.h"
#include "policy/tls_policy.h"

#define TRIAL "trial"

/* A trial configuration: one setting a line. */
struct trial {
    struct import *import;
    struct import_line **lines; /* which line stands in line N + 1 */
    size_t count;
};

/* TEXT without "name = value: " or "name: " in front of it. */
static const char *strip(const struct import_line *line, const char *text)
{
    struct text prefix = {0};

    text_format(&prefix, "%s = %.100s: ", line->name, line->value);
    if (strncmp(text, prefix.data, prefix.length) != 0) {
        text_free(&prefix);
        text_format(&prefix, "%s: ", line->name);
    }
    if (strncmp(text, prefix.data, prefix.length) == 0)
        text += prefix.length;
    text_free(&prefix);
    return text;
}

/* Report a finding with the place of its line in Postfix's configuration. */
static void report(struct import *import, const struct import_line *line,
                   enum diag_severity severity, const char *text)
{
    if (line->file != NULL)
        diag_add(import->diag, severity, "%s/%s, line %u: %s = %.100s: %s", import->directory,
                 line->file, line->line, line->name, line->written, text);
    else
        diag_add(import->diag, severity, "%s = %.100s: %s", line->name, line->value, text);
}

/* One finding on one line. */
static void add_finding(struct import *import, struct import_line *line,
                        enum diag_severity severity, const char *text)
{
    if (severity == DIAG_ERROR) {
        /* It must not vanish: gatepost refuses to start until somebody has decided. */
        line->fate = IMPORT_KEEP;
        import_reason(line, "gatepost does not start with this: %s", text);
    } else {
        import_reason(line, "%s", text);
    }
    if (severity != DIAG_INFO)
        report(import, line, severity, text);
}

/* A diag's sink: find the line that a finding is about. */
static void collect(void *ctx, enum diag_severity severity, const char *text)
{
    struct trial *trial = ctx;
    static const char place[] = TRIAL ", line ";
    bool placed = strncmp(text, place, sizeof(place) - 1) == 0;
    char *end = NULL;
    unsigned long number = placed ? strtoul(text + sizeof(place) - 1, &end, 10) : 0;

    if (number == 0 || number > trial->count || strncmp(end, ": ", 2) != 0) {
        diag_add(trial->import->diag, severity, "%s", text);
        return;
    }
    struct import_line *line = trial->lines[number - 1];
    /* What there is to say on other names is said already. */
    if (line->role == SETTING_PARAM || known_note_find(line->name) != NULL)
        add_finding(trial->import, line, severity, strip(line, end + 2));
}

/* Whether gatepost has something to say on a line. */
static bool is_tried(const struct import_line *line)
{
    return line->effective && (line->fate == IMPORT_KEEP ||
                               (line->fate == IMPORT_COMMENT && line->role == SETTING_FOREIGN));
}

void import_add_findings(struct import *import)
{
    struct trial trial = {.import = import};
    struct diag diag = {.sink = collect, .ctx = &trial};
    struct text text = {0};

    trial.lines = text_alloc(import->count + 1, sizeof(struct import_line *));
    for (size_t i = 0; i < import->count; i++) {
        if (!is_tried(&import->lines[i]))
            continue;
        trial.lines[trial.count++] = &import->lines[i];
        text_format(&text, "%s = %s\n", import->lines[i].name, import->lines[i].value);
    }
    struct config *config =
        config_parse(TRIAL, text.data != NULL ? text.data : "", text.length, NULL, 0, &diag);
    if (config != NULL)
        tls_policy_free(tls_policy_from_config(config, &diag));
    config_free(config);
    text_free(&text);
    free(trial.lines);
}
