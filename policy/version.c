/*
 * version.c: "3.6" < "3.11".
 */
#include "policy/version.h"

#include "policy/text.h"

/* Values of each part: 0 to 1023. */
#define PART_LIMIT 1024

int version_parse(const char *text, long *level)
{
    long result = 0;
    bool more = true;

    for (int part = 0; part < 3; part++) {
        long number = 0;

        if (more && !text_is_digit(*text))
            return -1;
        for (; more && text_is_digit(*text); text++) {
            number = number * 10 + (*text - '0');
            if (number >= PART_LIMIT)
                return -1;
        }
        more = more && *text == '.';
        if (more)
            text++;
        result = result * PART_LIMIT + number;
    }
    if (more || *text != '\0')
        return -1;
    *level = result;
    return 0;
}
