/*
 * escape.c: see escape.h.
 */
#include "proxy/escape.h"

#include <stdio.h>
#include <string.h>

const char *escape_text(const char *data, size_t length, char out[ESCAPE_TEXT_MAX])
{
    static const char controls[] = "\a\b\f\n\r\t\v";
    static const char letters[] = "abfnrtv";
    char *end = out;

    for (size_t i = 0; i < length && i < ESCAPE_MAX; i++) {
        char c = data[i];
        const char *control = c != '\0' ? strchr(controls, c) : NULL;

        if (c >= ' ' && c <= '~') {
            if (c == '\\')
                *end++ = c;
            *end++ = c;
        } else if (control != NULL) {
            *end++ = '\\';
            *end++ = letters[control - controls];
        } else {
            end += snprintf(end, 5, "\\%03o", (unsigned)(unsigned char)c);
        }
    }
    *end = '\0';
    return out;
}
