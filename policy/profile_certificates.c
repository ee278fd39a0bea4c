/*
 * profile_certificates.c: the checks of profile_checks.h that look at certificates.
 */
#include "policy/profile_checks.h"

#include <string.h>
#include <strings.h>

#define SECONDS_PER_DAY 86400

/* Whether NAME is one of the blank-separated words of LIST; case does not matter. */
static bool list_has(const char *list, const char *name)
{
    size_t length;

    for (const char *word; (word = text_next(&list, " ", false, &length)) != NULL;)
        if (length == strlen(name) && strncasecmp(word, name, length) == 0)
            return true;
    return false;
}
