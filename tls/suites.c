/* suites.c: see suites.h. The rows are in suites.def. */
#include "tls/suites.h"

#include <stdlib.h>

#define SUITE(number, exchange, certificate, encryption, name)                                     \
    {number, SUITE_EXCHANGE_##exchange, SUITE_CERTIFICATE_##certificate,                           \
     SUITE_ENCRYPTION_##encryption, name},
static const struct suite suites[] = {
#include "tls/suites.def"
};
#undef SUITE

static int compare(const void *key, const void *item)
{
    return *(const uint16_t *)key - ((const struct suite *)item)->number;
}

const struct suite *suite_find(uint16_t number)
{
    return bsearch(&number, suites, sizeof suites / sizeof suites[0], sizeof suites[0], compare);
}
