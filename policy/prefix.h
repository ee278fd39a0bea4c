/*
 * prefix.h: address prefixes as in cidr_table(5): "192.0.2.0/24", "2001:db8::1", "[::1]".
 *
 * Pure: no resolver, no allocation.
 */
#ifndef GATEPOST_POLICY_PREFIX_H
#define GATEPOST_POLICY_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREFIX_TEXT_SIZE 64 /* more than any prefix as text, with the NUL */

/* An address in the order of its bits, so that numbers compare as addresses do: the 32 bits of an
 * IPv4 address are the upper half of HIGH, and the rest is 0. */
struct prefix_address {
    uint64_t high;
    uint64_t low;
};

/* Bits behind the length are 0. */
struct prefix {
    struct prefix_address address;
    bool ipv6;
    uint8_t length; /* 0 to 32, with IPV6 0 to 128 */
};

/*
 * Parse a pattern of cidr_table(5): ADDRESS, ADDRESS/LENGTH, [ADDRESS], [ADDRESS]/LENGTH or
 * [ADDRESS/LENGTH]. A bare address is /32 or /128. IPv4-mapped IPv6 prefixes become IPv4 ones.
 * Returns 0, or -1 with what is wrong in ERROR, with the pattern quoted.
 */
int prefix_parse(const char *text, size_t length, struct prefix *prefix, char *error,
                 size_t error_size);

/* The bytes of an address in network order: 16 with IPV6, else 4. */
struct prefix_address prefix_address_read(const uint8_t *bytes, bool ipv6);

/* Whether the address is one of ::ffff:0:0/96, and then the IPv4 address in *MAPPED. */
bool prefix_address_mapped(struct prefix_address address, struct prefix_address *mapped);

/* How many bits from the first on are the same in both, 0 to 128. */
unsigned prefix_common(struct prefix_address left, struct prefix_address right);

/* The first LENGTH (0 to 128) bits of an address, the others 0. */
struct prefix_address prefix_address_cut(struct prefix_address address, unsigned length);

/* "198.51.100.0/24", "2001:db8::/32": the length always, IPv6 as in RFC 5952 section 4. */
void prefix_format(const struct prefix *prefix, char text[static PREFIX_TEXT_SIZE]);

#endif
