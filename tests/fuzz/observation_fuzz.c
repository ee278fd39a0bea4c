/*
 * observation_fuzz.c: a datagram of a worker's to the ledger, as the ledger reads it: each
 * observation that is read is one that can be written, comes out of that the same, and is counted
 * without harm.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/ledger_batch.h"
#include "proxy/observation.h"

#define NOW INT64_C(1800000000)

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Written again, it is the bytes that it was read from. */
static void check_written(const struct observation *observation, const uint8_t *from, size_t size)
{
    static uint8_t written[OBSERVATION_MAX];

    check(observation_write(observation, written, sizeof(written)) == size);
    check(memcmp(written, from, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct siphash_key key = {1, 2};
    static struct ledger_batch *batch;
    struct observation observation;
    const uint8_t *at = data;

    if (batch == NULL)
        batch = ledger_batch_new(&key);
    check(batch != NULL);
    for (;;) {
        const uint8_t *before = at;
        int got = observation_read(&at, &size, &observation);
        if (got <= 0) {
            check(at == before && (got < 0) == (size > 0));
            break;
        }
        check(observation.kind == OBSERVATION_SESSION || observation.hello_length > 0);
        check_written(&observation, before, (size_t)(at - before));
        if (!ledger_batch_has_room(batch))
            ledger_batch_clear(batch);
        ledger_batch_add(batch, &observation, NOW);
        check(batch->row_count <= LEDGER_BATCH_ROWS && batch->detail_count <= LEDGER_BATCH_PEERS);
    }
    ledger_batch_clear(batch);
    return 0;
}
