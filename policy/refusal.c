#include "policy/refusal.h"

#include <stdarg.h>
#include <stdio.h>

int refuse(const struct refusal *refusal, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(refusal->text, refusal->size, format, ap);
    va_end(ap);
    return -1;
}
