#include "proxy/policy_text.h"

#include <string.h>

const char *policy_date_text(time_t when, char out[POLICY_DATE_MAX])
{
    struct tm local;

    if (localtime_r(&when, &local) == NULL ||
        strftime(out, POLICY_DATE_MAX, "%Y-%m-%d", &local) == 0)
        memcpy(out, "unknown", sizeof("unknown"));
    return out;
}

const char *policy_until_text(const struct policy_match *match, char out[POLICY_DATE_MAX])
{
    return policy_date_text(match->until - 1, out);
}
