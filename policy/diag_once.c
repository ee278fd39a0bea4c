#include "policy/diag_once.h"

#include <stdlib.h>
#include <string.h>

static void once_sink(void *ctx, enum diag_severity severity, const char *text)
{
    struct diag_once *once = ctx;

    for (size_t i = 0; i < once->seen_count; i++)
        if (strcmp(once->seen[i], text) == 0)
            return;
    if (once->seen_count < DIAG_ONCE_MAX) {
        char *copy = strdup(text);
        if (copy == NULL)
            abort();
        once->seen[once->seen_count++] = copy;
    }
    if (once->place != NULL)
        diag_add(once->target, severity, "%s: %s", once->place, text);
    else
        diag_add(once->target, severity, "%s", text);
}

void diag_once_begin(struct diag_once *once, struct diag *target)
{
    *once = (struct diag_once){.target = target};
    once->diag = (struct diag){.sink = once_sink, .ctx = once};
}

void diag_once_end(struct diag_once *once)
{
    for (size_t i = 0; i < once->seen_count; i++)
        free(once->seen[i]);
    once->seen_count = 0;
}
