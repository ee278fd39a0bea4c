/*
 * siphash.h: SipHash-2-4 (Aumasson and Bernstein, 2012): a hash whose collisions cannot be found
 * by those who do not know the key.
 */
#ifndef GATEPOST_PROXY_SIPHASH_H
#define GATEPOST_PROXY_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* The key, as two little-endian numbers of 8 bytes each. */
struct siphash_key {
    uint64_t low;
    uint64_t high;
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t length);

#endif
