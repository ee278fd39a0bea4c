/*
 * monotonic.h: a clock that does not jump, the same in all processes: CLOCK_MONOTONIC
 * (clock_gettime(2)).
 */
#ifndef GATEPOST_PROXY_MONOTONIC_H
#define GATEPOST_PROXY_MONOTONIC_H

#include <stdint.h>

/* Its time in microseconds, in whole seconds (which limits.h counts in), and in seconds with their
 * fraction. */
uint64_t monotonic_us(void);
uint64_t monotonic_seconds(void);
double monotonic_time(void);

#endif
