/*
 * client_address.c: socket addresses to addresses of the Internet.
 */
#include "proxy/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "policy/decimal.h"

/* IPv6, or the IPv4 address that is mapped into it. */
static void set_in6(struct client_address *address, const struct sockaddr_in6 *in6)
{
    const uint8_t *bytes = in6->sin6_addr.s6_addr;
    address->port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        address->family = AF_INET;
        memcpy(address->bytes, bytes + 12, 4);
    } else {
        address->family = AF_INET6;
        memcpy(address->bytes, bytes, 16);
    }
}

void client_address_set(struct client_address *address, const struct sockaddr *sockaddr)
{
    memset(address, 0, sizeof *address);
    if (sockaddr->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sockaddr, sizeof in);
        address->family = AF_INET;
        address->port = ntohs(in.sin_port);
        memcpy(address->bytes, &in.sin_addr, 4);
    } else if (sockaddr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sockaddr, sizeof in6);
        set_in6(address, &in6);
    }
}

bool client_address_parse(struct client_address *address, const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        client_address_set(address, (const struct sockaddr *)&in);
    } else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        client_address_set(address, (const struct sockaddr *)&in6);
    }
    return address->family != 0;
}

void client_address_mask(uint8_t bytes[16], unsigned length)
{
    if (length >= 128)
        return;
    bytes[length / 8] &= (uint8_t)(0xff00u >> length % 8);
    memset(bytes + length / 8 + 1, 0, 15 - length / 8);
}

/* inet_ntop(3) for IPv4; that of the C library uses printf(3). */
static void text_of_ipv4(const uint8_t bytes[4], char *out)
{
    for (int i = 0; i < 4; i++) {
        out = decimal_put(out, bytes[i]);
        *out++ = i < 3 ? '.' : '\0';
    }
}

const char *client_address_text(const struct client_address *address,
                                char out[CLIENT_ADDRESS_TEXT_MAX])
{
    if (address->family == AF_INET) {
        text_of_ipv4(address->bytes, out);
    } else if (address->family == 0 ||
               inet_ntop(address->family, address->bytes, out, CLIENT_ADDRESS_TEXT_MAX) == NULL) {
        memcpy(out, "unknown", sizeof "unknown");
    }
    return out;
}
