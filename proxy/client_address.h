/*
 * client_address.h: a peer's address in the forms that logs, headers and Postfix want.
 */
#ifndef GATEPOST_PROXY_CLIENT_ADDRESS_H
#define GATEPOST_PROXY_CLIENT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address and port. IPv4-mapped IPv6 is stored as IPv4. 20 bytes. */
struct client_address {
    uint16_t family; /* AF_INET or AF_INET6; 0: unknown */
    uint16_t port;   /* host byte order */
    uint8_t bytes[16];
};

#define CLIENT_ADDRESS_TEXT_MAX 64

/* From a socket address; family 0 if it is neither IPv4 nor IPv6. */
void client_address_set(struct client_address *address, const struct sockaddr *sockaddr);

/* From a numeric address, with port 0. False, and family 0: it is none. */
bool client_address_parse(struct client_address *address, const char *text);

/* Clear all bits of an address behind the first LENGTH. */
void client_address_mask(uint8_t bytes[16], unsigned length);

/* "192.0.2.1", "2001:db8::1"; "unknown" for family 0. Returns OUT. */
const char *client_address_text(const struct client_address *address,
                                char out[CLIENT_ADDRESS_TEXT_MAX]);

#endif
