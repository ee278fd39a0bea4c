#include "tls/name_match.h"

#include <string.h>
#include <strings.h>

/* Whether LENGTH bytes at SUFFIX have at least two labels. */
static bool has_two_labels(const char *suffix, size_t length)
{
    const char *dot = memchr(suffix, '.', length);
    return dot != NULL && dot > suffix && dot + 1 < suffix + length;
}

bool tls_name_match(const char *pattern, size_t length, const char *host)
{
    size_t host_length = strlen(host);
    if (host_length > 0 && host[host_length - 1] == '.') {
        host_length--;
    }
    if (length > 2 && pattern[0] == '*' && pattern[1] == '.') {
        const char *dot = memchr(host, '.', host_length);
        if (dot == NULL || dot == host || !has_two_labels(pattern + 2, length - 2)) {
            return false;
        }
        /* From here on, what comes after the first label is compared. */
        host_length -= (size_t)(dot - host);
        host = dot;
        pattern++;
        length--;
    }
    return length > 0 && length == host_length && memchr(pattern, '*', length) == NULL &&
           strncasecmp(pattern, host, length) == 0;
}
