/*
 * rates.h: how fast counters have been growing of late: for a short list of them, a few samples of
 * the last minute. Pure: the caller has the clock.
 */
#ifndef GATEPOST_PROXY_RATES_H
#define GATEPOST_PROXY_RATES_H

#include <stdint.h>

#define RATES_COUNTERS 4
#define RATES_SAMPLES 16
#define RATES_SECONDS 60. /* that a rate is for */

struct rates_sample {
    double when; /* seconds, of a clock that does not jump */
    uint64_t counters[RATES_COUNTERS];
};

/* Zeroed: nothing is known. */
struct rates {
    struct rates_sample samples[RATES_SAMPLES];
    unsigned count;
    unsigned next;
};

/* How the counters are at NOW; samples that come too soon after one another are left out, so it may
 * be called as often as one likes. */
void rates_note(struct rates *rates, double now, const uint64_t counters[RATES_COUNTERS]);

/* By how much counter WHICH, which is VALUE at NOW, has grown in a second, over the last minute or
 * as long as is known. */
double rates_get(const struct rates *rates, double now, unsigned which, uint64_t value);

#endif
