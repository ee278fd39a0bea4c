/*
 * chain_transfer_fuzz.c: the chains that a worker reads. What is taken is complete, and written
 * again comes to the same bytes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/chain_transfer.h"
#include "tls/credentials.h"
#include "tls/sni.h"

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Every set has chains, each with a leaf whose key is known. */
static void check_set(const struct tls_credentials *set)
{
    check(set->count > 0);
    for (size_t i = 0; i < set->count; i++) {
        check(set->items[i].chain_length > 0 && set->items[i].key != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cursor = data;
    size_t left = size;
    struct tls_credentials *credentials;
    struct tls_chain_bytes again = {0};
    while (tls_chains_read(&cursor, &left, NULL, &credentials)) {
        check(cursor + left == data + size);
        if (credentials != NULL) {
            check_set(credentials);
        }
        const struct tls_sni_table *sni = credentials != NULL ? credentials->sni : NULL;
        for (size_t i = 0; sni != NULL && i < sni->name_count; i++) {
            const struct tls_credentials *found = tls_sni_find(sni, sni->names[i].name);
            if (found != NULL) { /* a name with capitals is found by nobody */
                check_set(found);
            }
        }
        check(tls_chains_write(&again, credentials));
        tls_credentials_free(credentials);
    }
    check(credentials == NULL);
    check(again.length == size - left &&
          (again.length == 0 || memcmp(again.bytes, data, again.length) == 0));
    free(again.bytes);
    return 0;
}
