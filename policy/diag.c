/*
 * diag.c: format a finding, make it fit to be shown, count it, hand it to its owner.
 */
#include "policy/diag.h"

#include <stdio.h>
#include <string.h>

#define DIAG_TEXT_SIZE 4096

/* Replace what does not print by '?'. UTF-8 is not interpreted: a log is read as ASCII. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~')
            *text = '?';
    }
}

void diag_add(struct diag *diag, enum diag_severity severity, const char *format, ...)
{
    char text[DIAG_TEXT_SIZE];
    va_list ap;

    if (severity == DIAG_WARNING)
        diag->warnings++;
    else if (severity == DIAG_ERROR)
        diag->errors++;
    if (diag->sink == NULL)
        return;

    va_start(ap, format);
    int length = vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (length < 0)
        snprintf(text, sizeof(text), "(a finding that could not be formatted)");
    else if ((size_t)length >= sizeof(text))
        memcpy(text + sizeof(text) - sizeof("..."), "...", sizeof("..."));
    make_printable(text);
    diag->sink(diag->ctx, severity, text);
}
