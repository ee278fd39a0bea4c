/*
 * own_networks.c: interfaces become networks.
 */
#include "policy/own_networks.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/prefix.h"
#include "policy/text.h"

/* How many bits from the first on are 1. */
static unsigned mask_length(const uint8_t *mask, unsigned bits)
{
    unsigned length = 0;

    while (length < bits && (mask[length / 8] & 0x80u >> length % 8) != 0)
        length++;
    return length;
}

/* The length of the network of an IPv4 address as it was before 1993. */
static unsigned class_length(uint8_t first)
{
    return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}

/* The bytes of an address, 4 or 16 of them. */
static const uint8_t *address_bytes(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6
               ? ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr
               : (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
}

/* The network of an interface's address. */
static struct prefix network_of(const struct ifaddrs *interface, enum own_networks_style style)
{
    bool ipv6 = interface->ifa_addr->sa_family == AF_INET6;
    unsigned bits = ipv6 ? 128 : 32;
    unsigned length = bits;
    uint8_t bytes[16] = {0};

    memcpy(bytes, address_bytes(interface->ifa_addr), bits / 8);
    if (style == OWN_NETWORKS_CLASS && !ipv6)
        length = class_length(bytes[0]);
    else if (style != OWN_NETWORKS_HOST && interface->ifa_netmask != NULL)
        length = mask_length(address_bytes(interface->ifa_netmask), bits);
    if (length == 0) /* a mask of 0 does not mean that the whole world is ours */
        length = bits;
    for (unsigned bit = length; bit < bits; bit++)
        bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    return (struct prefix){
        .address = prefix_address_read(bytes, ipv6), .ipv6 = ipv6, .length = (uint8_t)length};
}

/* Whether LIST has the element TEXT. */
static bool has_element(const struct text *list, const char *text)
{
    const char *cursor = list->data != NULL ? list->data : "";
    const char *element;
    size_t length;

    while ((element = text_next(&cursor, " ", false, &length)) != NULL)
        if (length == strlen(text) && memcmp(element, text, length) == 0)
            return true;
    return false;
}

/* A network as match lists want it: "[2001:db8::]/32". The caller frees. */
static char *format(const struct prefix *network)
{
    char plain[PREFIX_TEXT_SIZE];
    struct text text = {0};

    prefix_format(network, plain);
    int address = (int)strcspn(plain, "/");
    if (network->ipv6)
        text_format(&text, "[%.*s]%s", address, plain, plain + address);
    else
        text_add_string(&text, plain);
    return text_take(&text);
}

char *own_networks_of(const struct ifaddrs *interfaces, enum own_networks_style style)
{
    struct text list = {0};

    for (; interfaces != NULL; interfaces = interfaces->ifa_next) {
        const struct sockaddr *address = interfaces->ifa_addr;

        if (address == NULL || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
            continue;
        struct prefix network = network_of(interfaces, style);
        char *text = format(&network);
        if (!has_element(&list, text)) {
            if (list.length > 0)
                text_add_char(&list, ' ');
            text_add_string(&list, text);
        }
        free(text);
    }
    return list.length > 0 ? text_take(&list) : text_copy(OWN_NETWORKS_LOOPBACK);
}

char *own_networks(enum own_networks_style style, struct diag *diag)
{
    struct ifaddrs *interfaces;

    if (getifaddrs(&interfaces) != 0) {
        diag_warning(diag,
                     "cannot find out this host's addresses: %s: mynetworks is taken "
                     "as " OWN_NETWORKS_LOOPBACK,
                     strerror(errno));
        return text_copy(OWN_NETWORKS_LOOPBACK);
    }
    char *list = own_networks_of(interfaces, style);
    freeifaddrs(interfaces);
    return list;
}
