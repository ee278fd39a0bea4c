/*
 * ticket_keys_fuzz.c: any bytes as gatepost_ticket_key_file, and a day at any pace: 32 bytes at
 * least are a secret; who has the same file has the same keys; of each moment the present key and
 * its neighbours are found, and no others.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tls/ticket_keys.h"

#define PACES 8

static void check(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "ticket_keys: %s\n", what);
        abort();
    }
}

/* The bytes as a file, read. */
static struct tls_ticket_keys *read_keys(const uint8_t *data, size_t size, long step)
{
    struct diag diag = {0};
    char path[64];
    int fd = memfd_create("keys", MFD_CLOEXEC);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size, "memfd");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct tls_ticket_keys *keys = tls_ticket_keys_read(path, step, &diag);
    close(fd);
    check((keys == NULL) == (diag.errors > 0), "an error without a message, or the reverse");
    check((keys != NULL) == (size >= 32 && size <= 4096), "length");
    return keys;
}

/* Walk through time; NEIGHBOUR: its clock is up to one step behind. */
static void walk(struct tls_ticket_keys *keys, struct tls_ticket_keys *neighbour, long step,
                 const uint8_t paces[PACES])
{
    time_t now = 1900000000;
    for (int i = 0; i < PACES; i++) {
        now += (time_t)paces[i] * step / 16;
        struct tls_ticket_key present = *tls_ticket_keys_current(keys, now);
        const struct tls_ticket_key *found =
            tls_ticket_keys_find(neighbour, present.name, now - step);
        check(found != NULL && memcmp(found, &present, sizeof present) == 0, "the neighbour");
        found = tls_ticket_keys_find(keys, present.name, now + step);
        check(found != NULL && memcmp(found, &present, sizeof present) == 0, "the next step");
        check(tls_ticket_keys_find(keys, present.name, now + 2 * step + 1) == NULL, "too old");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < PACES + 2 || size > 5000) {
        return 0;
    }
    long step = 1 + data[0] + 256L * data[1];
    const uint8_t *paces = data + 2;
    data += PACES + 2;
    size -= PACES + 2;
    struct tls_ticket_keys *keys = read_keys(data, size, step);
    struct tls_ticket_keys *neighbour = read_keys(data, size, step);
    if (keys != NULL) {
        walk(keys, neighbour, step, paces);
    }
    tls_ticket_keys_unref(keys);
    tls_ticket_keys_unref(neighbour);
    return 0;
}
