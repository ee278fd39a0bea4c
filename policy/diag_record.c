#include "policy/diag_record.h"

#include <stdlib.h>
#include <string.h>

static void record_sink(void *ctx, enum diag_severity severity, const char *text)
{
    struct diag_record *record = ctx;
    struct diag_finding *larger = realloc(record->findings, (record->count + 1) * sizeof(*larger));
    char *copy = strdup(text);

    if (larger == NULL || copy == NULL)
        abort();
    record->findings = larger;
    record->findings[record->count++] = (struct diag_finding){.severity = severity, .text = copy};
}

void diag_record_begin(struct diag_record *record)
{
    *record = (struct diag_record){0};
    record->diag = (struct diag){.sink = record_sink, .ctx = record};
}

/* Forget everything. */
static void diag_record_end(struct diag_record *record)
{
    for (size_t i = 0; i < record->count; i++)
        free(record->findings[i].text);
    free(record->findings);
    record->findings = NULL;
    record->count = 0;
}

void diag_record_replay(struct diag_record *record,
                        void (*sink)(void *ctx, enum diag_severity severity, const char *text),
                        void *ctx)
{
    for (size_t i = 0; i < record->count; i++)
        sink(ctx, record->findings[i].severity, record->findings[i].text);
    diag_record_end(record);
}
