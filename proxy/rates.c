#include "proxy/rates.h"

#include <string.h>

#define STEP_SECONDS (RATES_SECONDS / (RATES_SAMPLES - 1))

/* The sample that was taken I samples ago; 0: the last one. */
static const struct rates_sample *sample(const struct rates *rates, unsigned i)
{
    return &rates->samples[(rates->next + 2 * RATES_SAMPLES - 1 - i) % RATES_SAMPLES];
}

void rates_note(struct rates *rates, double now, const uint64_t counters[RATES_COUNTERS])
{
    if (rates->count > 0 && now - sample(rates, 0)->when < STEP_SECONDS)
        return;
    struct rates_sample *next = &rates->samples[rates->next];
    next->when = now;
    memcpy(next->counters, counters, sizeof(next->counters));
    rates->next = (rates->next + 1) % RATES_SAMPLES;
    if (rates->count < RATES_SAMPLES)
        rates->count++;
}

double rates_get(const struct rates *rates, double now, unsigned which, uint64_t value)
{
    const struct rates_sample *oldest = NULL;

    for (unsigned i = 0; i < rates->count; i++) {
        const struct rates_sample *one = sample(rates, i);
        if (oldest != NULL && now - one->when > RATES_SECONDS)
            break;
        oldest = one;
    }
    if (oldest == NULL || now - oldest->when < 0.001 || value < oldest->counters[which])
        return 0.;
    return (double)(value - oldest->counters[which]) / (now - oldest->when);
}
