/* Fuzz target: the journal of "gatepost setup". What is taken is written as it was read. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/setup_journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* JOURNAL as text, for the caller to free. */
static char *written(const struct setup_journal *journal)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        abort();
    setup_journal_write(journal, out);
    fclose(out);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct setup_journal journal, again;
    struct diag diag = {0};
    char *input = malloc(size + 1); /* exactly as long as it is said to be */

    if (input == NULL)
        abort();
    memcpy(input, data, size);
    if (setup_journal_parse("journal", input, size, &journal, &diag) == 0) {
        char *text = written(&journal);
        if (setup_journal_parse("journal", text, strlen(text), &again, &diag) != 0)
            abort();
        char *text2 = written(&again);
        if (strcmp(text, text2) != 0)
            abort();
        free(text2);
        free(text);
        setup_journal_free(&again);
        setup_journal_free(&journal);
    }
    free(input);
    return 0;
}
