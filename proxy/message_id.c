#include "proxy/message_id.h"

#define TIME_DIGITS 11   /* 55 bits: until the year 3111 */
#define PROCESS_DIGITS 5 /* 25 bits; Linux has at most 22 */

/* COUNT digits of VALUE, the last ones. */
static char *put_digits(char *out, uint64_t value, unsigned count)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    for (unsigned i = count; i > 0; i--, value /= 32)
        out[i - 1] = digits[value % 32];
    return out + count;
}

const char *message_id_next(uint64_t *last, uint64_t now, uint32_t process,
                            char out[MESSAGE_ID_MAX])
{
    *last = now > *last ? now : *last + 1;
    *put_digits(put_digits(out, *last, TIME_DIGITS), process, PROCESS_DIGITS) = '\0';
    return out;
}
