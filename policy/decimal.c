/* decimal.c: see decimal.h. */
#include "policy/decimal.h"

#include <string.h>

char *decimal_put(char *out, uint64_t value)
{
    char digits[DECIMAL_MAX];
    char *at = digits + sizeof digits;

    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    const size_t length = (size_t)(digits + sizeof digits - at);
    memcpy(out, at, length);
    return out + length;
}
