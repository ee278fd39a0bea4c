/*
 * handoff.c: PROXY headers and the XCLIENT command.
 */
#include "proxy/handoff.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PROXY2_LOCAL 0x20
#define PROXY2_PROXY 0x21
#define PROXY2_TCP4 0x11
#define PROXY2_TCP6 0x21

/* Postfix refuses longer attribute values. */
#define XCLIENT_VALUE_MAX 255

static const unsigned char proxy2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* Bytes of an address of FAMILY; 0 if it is neither IPv4 nor IPv6. */
static size_t address_size(unsigned family)
{
    return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

/* Append a 16 bit number in network byte order. */
static unsigned char *put_number(unsigned char *at, unsigned number)
{
    *at++ = (unsigned char)(number >> 8);
    *at++ = (unsigned char)(number & 0xff);
    return at;
}

size_t handoff_proxy2(const struct client_address *client, const struct client_address *server,
                      unsigned char out[HANDOFF_HEADER_MAX])
{
    size_t size = client != NULL ? address_size(client->family) : 0;
    if (client != NULL && (size == 0 || server == NULL || client->family != server->family)) {
        return 0;
    }
    memcpy(out, proxy2_signature, sizeof proxy2_signature);
    unsigned char *at = out + sizeof proxy2_signature;
    if (client == NULL) {
        *at++ = PROXY2_LOCAL;
        *at++ = 0;
        return (size_t)(put_number(at, 0) - out);
    }
    *at++ = PROXY2_PROXY;
    *at++ = client->family == AF_INET ? PROXY2_TCP4 : PROXY2_TCP6;
    at = put_number(at, (unsigned)(2 * size + 4));
    memcpy(at, client->bytes, size);
    memcpy(at + size, server->bytes, size);
    at = put_number(at + 2 * size, client->port);
    return (size_t)(put_number(at, server->port) - out);
}

size_t handoff_proxy1(const struct client_address *client, const struct client_address *server,
                      char out[HANDOFF_HEADER_MAX])
{
    /* Exim takes 0 for a port that is not a number. */
    static const struct client_address loopback = {
        .family = AF_INET, .bytes = {127, 0, 0, 1}, .port = 1};
    if (client == NULL) {
        client = server = &loopback;
    }
    if (address_size(client->family) == 0 || server == NULL || client->family != server->family) {
        return 0;
    }
    char from[CLIENT_ADDRESS_TEXT_MAX];
    char to[CLIENT_ADDRESS_TEXT_MAX];
    int length = snprintf(out, HANDOFF_HEADER_MAX, "PROXY TCP%c %s %s %u %u\r\n",
                          client->family == AF_INET ? '4' : '6', client_address_text(client, from),
                          client_address_text(server, to), client->port, server->port);
    return length > 0 && length < HANDOFF_HEADER_MAX ? (size_t)length : 0;
}

/* Whether the blank-separated list ATTRIBUTES has NAME. */
static bool announced(const char *attributes, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = attributes; *at != '\0';) {
        at += strspn(at, " ");
        size_t word = strcspn(at, " ");
        if (word == length && strncasecmp(at, name, length) == 0) {
            return true;
        }
        at += word;
    }
    return false;
}

/* VALUE as xtext (RFC 3461 section 4), cut where it would become too long for Postfix. */
static void xtext(const char *value, char out[XCLIENT_VALUE_MAX + 1])
{
    size_t length = 0;
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;
        bool plain = c > ' ' && c < 127 && c != '+' && c != '=';
        if (length + (plain ? 1 : 3) > XCLIENT_VALUE_MAX) {
            break;
        }
        if (plain) {
            out[length++] = (char)c;
        } else {
            static const char hex[] = "0123456789ABCDEF";
            out[length++] = '+';
            out[length++] = hex[c >> 4];
            out[length++] = hex[c & 15];
        }
    }
    out[length] = '\0';
}

/* The command as it grows. */
struct xclient {
    const char *attributes;
    char *out;
    size_t length;
};

/* Append " NAME=VALUE" if NAME is announced. All values together are far below the limit. */
static void put_attribute(struct xclient *xclient, const char *name, const char *prefix,
                          const char *value)
{
    if (!announced(xclient->attributes, name)) {
        return;
    }
    char text[XCLIENT_VALUE_MAX + 1];
    xtext(value, text);
    xclient->length +=
        (size_t)snprintf(xclient->out + xclient->length, HANDOFF_XCLIENT_MAX - xclient->length,
                         " %s=%s%s", name, prefix, text);
}

size_t handoff_xclient(const struct client_address *client, const char *helo, int esmtp,
                       const char *attributes, char out[HANDOFF_XCLIENT_MAX])
{
    if (!announced(attributes, "ADDR") || !announced(attributes, "NAME") ||
        address_size(client->family) == 0) {
        return 0;
    }
    struct xclient xclient = {.attributes = attributes, .out = out};
    xclient.length = (size_t)snprintf(out, HANDOFF_XCLIENT_MAX, "XCLIENT");
    char address[CLIENT_ADDRESS_TEXT_MAX];
    char port[8];
    snprintf(port, sizeof port, "%u", client->port);
    put_attribute(&xclient, "NAME", "", "[UNAVAILABLE]");
    put_attribute(&xclient, "REVERSE_NAME", "", "[UNAVAILABLE]");
    put_attribute(&xclient, "ADDR", client->family == AF_INET6 ? "IPV6:" : "",
                  client_address_text(client, address));
    put_attribute(&xclient, "PORT", "", port);
    put_attribute(&xclient, "PROTO", "", esmtp ? "ESMTP" : "SMTP");
    if (helo != NULL && *helo != '\0') {
        put_attribute(&xclient, "HELO", "", helo);
    }
    xclient.length +=
        (size_t)snprintf(out + xclient.length, HANDOFF_XCLIENT_MAX - xclient.length, "\r\n");
    return xclient.length;
}
