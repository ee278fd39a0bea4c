#include "proxy/monotonic.h"

#include <time.h>

uint64_t monotonic_us(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t monotonic_seconds(void)
{
    return monotonic_us() / 1000000;
}

double monotonic_time(void)
{
    return (double)monotonic_us() / 1e6;
}
