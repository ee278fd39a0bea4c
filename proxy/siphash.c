/*
 * siphash.c: SipHash-2-4.
 */
#include "proxy/siphash.h"

#include <endian.h>
#include <string.h>

/* The state, v0 to v3 in the paper. */
struct state {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
};

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/* SipRound, COUNT times. */
static inline void mix(struct state *s, int count)
{
    for (int i = 0; i < count; i++) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

/* Take in a word of the message. */
static inline void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s, 2);
    s->v0 ^= word;
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t length)
{
    struct state s = {
        .v0 = key->low ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->high ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->low ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->high ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *at = data;
    uint64_t last = 0;
    uint64_t word;

    for (size_t left = length; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        absorb(&s, le64toh(word));
    }
    memcpy(&last, at, length % 8);
    absorb(&s, le64toh(last) | (uint64_t)length << 56);
    s.v2 ^= 0xff;
    mix(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
