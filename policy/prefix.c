/*
 * prefix.c: prefixes from and to text.
 */
#include "policy/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PATTERN_MAX 60 /* longer ones are cut in messages, and are no addresses */
#define GROUPS 8       /* of 16 bits in an IPv6 address */

/* A pattern taken apart. */
struct pattern {
    char address[PREFIX_TEXT_SIZE];
    const char *mask; /* digits behind the '/', or NULL */
    size_t mask_length;
};

/* What is wrong with the brackets or the '/' of a pattern, or NULL. */
static const char *split_pattern(const char *text, size_t length, struct pattern *pattern)
{
    const char *end = text + length;
    const char *slash;

    if (length > PATTERN_MAX || memchr(text, '\0', length) != NULL)
        return "bad address";
    if (length > 0 && *text == '[') {
        const char *bracket = memchr(text, ']', length);

        if (bracket == NULL)
            return "missing ']'";
        text++;
        slash = bracket + 1 < end ? bracket + 1 : memchr(text, '/', (size_t)(bracket - text));
        if (slash != NULL && *slash != '/')
            return "only /LENGTH may follow ']'";
        end = slash > bracket ? end : bracket;
        length = (size_t)((slash != NULL && slash < bracket ? slash : bracket) - text);
    } else {
        slash = memchr(text, '/', length);
        length = slash != NULL ? (size_t)(slash - text) : length;
    }
    memcpy(pattern->address, text, length);
    pattern->address[length] = '\0';
    pattern->mask = slash != NULL ? slash + 1 : NULL;
    pattern->mask_length = slash != NULL ? (size_t)(end - pattern->mask) : 0;
    return NULL;
}

/* Read the length behind the '/'. False if it is not a number from 0 to BITS. */
static bool read_mask(const struct pattern *pattern, unsigned bits, uint8_t *length)
{
    unsigned number = 0;

    if (pattern->mask_length == 0 || pattern->mask_length > 3)
        return false;
    for (size_t i = 0; i < pattern->mask_length; i++) {
        if (pattern->mask[i] < '0' || pattern->mask[i] > '9')
            return false;
        number = number * 10 + (unsigned)(pattern->mask[i] - '0');
    }
    *length = (uint8_t)number;
    return number <= bits;
}

/* Make an IPv4 prefix of an IPv4-mapped one. */
static void unmap(struct prefix *prefix)
{
    struct prefix_address mapped;

    if (prefix->ipv6 && prefix->length >= 96 && prefix_address_mapped(prefix->address, &mapped)) {
        prefix->address = mapped;
        prefix->ipv6 = false;
        prefix->length = (uint8_t)(prefix->length - 96);
    }
}

/* Report bits behind the prefix, with both readings of what was meant. */
static int refuse_host_bits(const struct prefix *written, struct prefix_address network, int length,
                            const char *text, char *error, size_t error_size)
{
    struct prefix prefix = *written;
    char shorter[PREFIX_TEXT_SIZE];
    char host[PREFIX_TEXT_SIZE];

    prefix.length = prefix.ipv6 ? 128 : 32;
    prefix_format(&prefix, host);
    prefix.length = written->length;
    prefix.address = network;
    prefix_format(&prefix, shorter);
    snprintf(error, error_size,
             "\"%.*s\" has host bits that are not 0: perhaps \"%s\" (the network) or \"%s\" (the "
             "host) is meant",
             length, text, shorter, host);
    return -1;
}

/* Report a pattern that is no prefix. Always -1. */
static int refuse(const char *what, const char *text, size_t length, char *error, size_t error_size)
{
    snprintf(error, error_size,
             "%s in \"%.*s%s\": specify an IPv4 or IPv6 address, or address/length", what,
             length > PATTERN_MAX ? PATTERN_MAX : (int)length, text,
             length > PATTERN_MAX ? "..." : "");
    return -1;
}

int prefix_parse(const char *text, size_t length, struct prefix *prefix, char *error,
                 size_t error_size)
{
    struct pattern pattern;
    uint8_t bytes[16];
    const char *wrong = split_pattern(text, length, &pattern);

    if (wrong != NULL)
        return refuse(wrong, text, length, error, error_size);
    prefix->ipv6 = strchr(pattern.address, ':') != NULL;
    unsigned bits = prefix->ipv6 ? 128 : 32;
    if (inet_pton(prefix->ipv6 ? AF_INET6 : AF_INET, pattern.address, bytes) != 1)
        return refuse("bad address", text, length, error, error_size);
    prefix->length = (uint8_t)bits;
    if (pattern.mask != NULL && !read_mask(&pattern, bits, &prefix->length))
        return refuse(prefix->ipv6 ? "bad length (0 to 128)" : "bad length (0 to 32)", text, length,
                      error, error_size);
    prefix->address = prefix_address_read(bytes, prefix->ipv6);
    struct prefix_address network = prefix_address_cut(prefix->address, prefix->length);
    if (network.high != prefix->address.high || network.low != prefix->address.low)
        return refuse_host_bits(prefix, network, (int)length, text, error, error_size);
    unmap(prefix);
    return 0;
}

/* Eight bytes in network order. */
static uint64_t read_half(const uint8_t *bytes)
{
    uint64_t half;

    memcpy(&half, bytes, sizeof(half));
    return __builtin_bswap64(half);
}

struct prefix_address prefix_address_read(const uint8_t *bytes, bool ipv6)
{
    uint32_t quad;

    if (ipv6)
        return (struct prefix_address){read_half(bytes), read_half(bytes + 8)};
    memcpy(&quad, bytes, sizeof(quad));
    return (struct prefix_address){(uint64_t)ntohl(quad) << 32, 0};
}

bool prefix_address_mapped(struct prefix_address address, struct prefix_address *mapped)
{
    if (address.high != 0 || address.low >> 32 != 0xffff)
        return false;
    *mapped = (struct prefix_address){address.low << 32, 0};
    return true;
}

struct prefix_address prefix_address_cut(struct prefix_address address, unsigned length)
{
    /* A shift by all 64 bits is not defined. */
    uint64_t high = length < 64 ? ~(UINT64_MAX >> (length & 63)) : UINT64_MAX;
    uint64_t low = length < 128 ? ~(UINT64_MAX >> (length & 63)) : UINT64_MAX;

    return (struct prefix_address){address.high & high, length > 64 ? address.low & low : 0};
}

unsigned prefix_common(struct prefix_address left, struct prefix_address right)
{
    if (left.high != right.high)
        return (unsigned)__builtin_clzll(left.high ^ right.high);
    if (left.low != right.low)
        return 64 + (unsigned)__builtin_clzll(left.low ^ right.low);
    return 128;
}

/* Append the last COUNT of the 4 bytes that TEXT has in its order from the lowest on. Formatting is
 * part of each lookup, and branches that depend on the digits would take longer than finding the
 * prefix: so 4 bytes are always written, of which those behind the last one do not count. */
static char *put_last(char *out, uint32_t text, unsigned count)
{
    text >>= 8 * (4 - count);
    for (unsigned i = 0; i < 4; i++)
        out[i] = (char)(text >> (8 * i) & 0xff);
    return out + count;
}

/* Append a number below 1000. */
static char *put_decimal(char *out, unsigned number)
{
    uint32_t text = ((number / 100) << 8 | (number / 10 % 10) << 16 | (number % 10) << 24) +
                    ((uint32_t)'0' << 8 | (uint32_t)'0' << 16 | (uint32_t)'0' << 24);

    return put_last(out, text, 1u + (number >= 10) + (number >= 100));
}

/* Append a group of an IPv6 address. */
static char *put_hex(char *out, unsigned group)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t text = (uint32_t)digits[group >> 12] | (uint32_t)digits[group >> 8 & 15] << 8 |
                    (uint32_t)digits[group >> 4 & 15] << 16 | (uint32_t)digits[group & 15] << 24;

    return put_last(out, text, 1u + (group >= 0x10) + (group >= 0x100) + (group >= 0x1000));
}

/* Append an IPv4 address. */
static char *put_ipv4(char *out, uint64_t high)
{
    for (int shift = 56; shift > 32; shift -= 8) {
        out = put_decimal(out, (unsigned)(high >> shift) & 255);
        *out++ = '.';
    }
    return put_decimal(out, (unsigned)(high >> 32) & 255);
}

/* Find the longest run of groups that are 0, the first of several; ZEROS has a bit for each group
 * that is. A single one is no run: then *COUNT is 0, as without any. */
static void find_zeros(unsigned zeros, unsigned *start, unsigned *count)
{
    unsigned last = 1u << GROUPS;
    unsigned found = 0;

    for (unsigned i = 0; i < GROUPS; i++) { /* ZEROS: where runs longer than FOUND begin */
        last = zeros != 0 ? zeros : last;
        found += zeros != 0;
        zeros &= zeros >> 1;
    }
    *start = found > 1 ? (unsigned)__builtin_ctz(last) : GROUPS;
    *count = found > 1 ? found : 0;
}

/* Append an IPv6 address. Groups of the run are written like all others, and then over. */
static char *put_ipv6(char *out, struct prefix_address address)
{
    unsigned zeros = 0;
    unsigned start;
    unsigned count;

    for (unsigned i = 0; i < GROUPS; i++) {
        uint64_t half = i < GROUPS / 2 ? address.high : address.low;

        zeros |= (unsigned)((half >> (48 - i % 4 * 16) & 0xffff) == 0) << i;
    }
    find_zeros(zeros, &start, &count);
    *out = ':';
    out += start == 0;
    for (unsigned i = 0; i < GROUPS; i++) {
        uint64_t half = i < GROUPS / 2 ? address.high : address.low;
        char *next = put_hex(out, (unsigned)(half >> (48 - i % 4 * 16)) & 0xffff);

        *next++ = ':';
        *out = i == start ? ':' : *out;
        next = i - start < count ? out + (i == start) : next;
        out = next;
    }
    return out - (start + count != GROUPS || count == 0); /* without the colon behind a group */
}

void prefix_format(const struct prefix *prefix, char text[static PREFIX_TEXT_SIZE])
{
    char *out =
        prefix->ipv6 ? put_ipv6(text, prefix->address) : put_ipv4(text, prefix->address.high);

    *out++ = '/';
    out = put_decimal(out, prefix->length);
    *out = '\0';
}
