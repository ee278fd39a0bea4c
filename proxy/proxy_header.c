/*
 * proxy_header.c: PROXY headers are taken apart.
 */
#include "proxy/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#define V2_FIXED 16 /* bytes before the addresses */
#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2_SIGNATURE_LENGTH (sizeof(V2_SIGNATURE) - 1)
#define V1_SIGNATURE "PROXY "
#define V1_SIGNATURE_LENGTH (sizeof(V1_SIGNATURE) - 1)

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21 };

/* The rest of a version 1 line. */
struct words {
    const char *at;
    const char *end;
};

/* It is no header. */
static enum proxy_header_result refuse(struct proxy_header *header, const char *error)
{
    *header = (struct proxy_header){.error = error};
    return PROXY_HEADER_BAD;
}

/* Whether the first bytes of DATA, as many as there are, are those of SIGNATURE. */
static bool begins_with(const void *data, size_t length, const char *signature, size_t size)
{
    return memcmp(data, signature, length < size ? length : size) == 0;
}

/* An address in network byte order, IPv4-mapped ones as IPv4. */
static void set_address(struct client_address *address, int family, const void *bytes,
                        unsigned port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in = {.sin_family = AF_INET};

    if (family == AF_INET6) {
        memcpy(&in6.sin6_addr, bytes, sizeof(in6.sin6_addr));
        client_address_set(address, (const struct sockaddr *)&in6);
    } else {
        memcpy(&in.sin_addr, bytes, sizeof(in.sin_addr));
        client_address_set(address, (const struct sockaddr *)&in);
    }
    address->port = (uint16_t)port;
}

/* --- version 1 ------------------------------------------------------------------------------- */

/* The next word, behind exactly one blank unless it is the first. Empty if there is none. */
static struct words next_word(struct words *line)
{
    struct words word = {.at = line->at};
    const char *blank = memchr(line->at, ' ', (size_t)(line->end - line->at));

    word.end = blank != NULL ? blank : line->end;
    line->at = blank != NULL ? blank + 1 : line->end;
    return word;
}

static bool word_is(struct words word, const char *text)
{
    size_t length = (size_t)(word.end - word.at);

    return length == strlen(text) && memcmp(word.at, text, length) == 0;
}

/* A numeric address as BYTES in network order. */
static bool read_address(struct words word, int family, uint8_t bytes[16])
{
    char text[INET6_ADDRSTRLEN];
    size_t length = (size_t)(word.end - word.at);

    if (length >= sizeof(text) || memchr(word.at, '\0', length) != NULL)
        return false;
    memcpy(text, word.at, length);
    text[length] = '\0';
    return inet_pton(family, text, bytes) == 1;
}

/* A decimal number up to 65535, without leading zeros. */
static bool read_port(struct words word, unsigned *port)
{
    size_t length = (size_t)(word.end - word.at);

    if (length == 0 || length > 5 || (*word.at == '0' && length > 1))
        return false;
    *port = 0;
    for (; word.at < word.end; word.at++) {
        if (*word.at < '0' || *word.at > '9')
            return false;
        *port = *port * 10 + (unsigned)(*word.at - '0');
    }
    return *port <= 65535;
}

/* The words behind TCP4 or TCP6. */
static enum proxy_header_result parse_tcp(struct words line, int family,
                                          struct proxy_header *header)
{
    uint8_t client[16];
    uint8_t server[16];
    unsigned client_port;
    unsigned server_port;

    if (!read_address(next_word(&line), family, client))
        return refuse(header, "bad or missing client address");
    if (!read_address(next_word(&line), family, server))
        return refuse(header, "bad or missing server address");
    if (!read_port(next_word(&line), &client_port))
        return refuse(header, "bad or missing client port");
    struct words last = line;
    next_word(&line);
    if (line.at != line.end || !read_port(last, &server_port))
        return refuse(header, "bad or missing server port");
    header->kind = PROXY_HEADER_PROXIED;
    set_address(&header->client, family, client, client_port);
    set_address(&header->server, family, server, server_port);
    return PROXY_HEADER_DONE;
}

/* A complete line, without its end. */
static enum proxy_header_result parse_line(struct words line, struct proxy_header *header)
{
    struct words protocol = next_word(&line);

    if (word_is(protocol, "TCP4"))
        return parse_tcp(line, AF_INET, header);
    if (word_is(protocol, "TCP6"))
        return parse_tcp(line, AF_INET6, header);
    if (!word_is(protocol, "UNKNOWN"))
        return refuse(header, "bad or missing protocol type");
    header->kind = PROXY_HEADER_UNKNOWN; /* whatever follows is to be ignored */
    return PROXY_HEADER_DONE;
}

/* Version 1: DATA begins like its signature. */
static enum proxy_header_result parse_v1(const char *data, size_t length,
                                         struct proxy_header *header)
{
    size_t visible = length < PROXY_HEADER_V1_MAX ? length : PROXY_HEADER_V1_MAX;
    const char *cr = memchr(data, '\r', visible);
    const char *lf = memchr(data, '\n', visible);

    if (lf != NULL && (cr == NULL || lf < cr))
        return refuse(header, "the line does not end in CRLF");
    if (cr != NULL && cr + 1 < data + visible && cr[1] != '\n')
        return refuse(header, "a CR within the line");
    if (lf == NULL && length >= PROXY_HEADER_V1_MAX)
        return refuse(header, "missing protocol header terminator");
    if (lf == NULL)
        return PROXY_HEADER_MORE;
    header->length = (size_t)(lf + 1 - data);
    return parse_line((struct words){data + V1_SIGNATURE_LENGTH, cr}, header);
}

/* --- version 2 ------------------------------------------------------------------------------- */

static unsigned read_number(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* What is wrong with the fixed part, or NULL. What a proxied connection's addresses take goes to
 * *SIZE: 0 if there are none. */
static const char *check_fixed(const uint8_t *data, size_t *size)
{
    unsigned length = read_number(data + 14);

    *size = 0;
    if (data[12] >> 4 != 2)
        return "unrecognized protocol version";
    if (data[12] != V2_LOCAL && data[12] != V2_PROXY)
        return "bad command in proxy header";
    if (length > PROXY_HEADER_MAX - V2_FIXED)
        return "protocol header too long";
    if (data[12] == V2_LOCAL)
        return NULL; /* whatever follows is to be ignored */
    if (data[13] == V2_TCP4)
        *size = 4;
    else if (data[13] == V2_TCP6)
        *size = 16;
    else if (data[13] != V2_UNSPEC)
        return "unsupported network protocol";
    return *size != 0 && length < 2 * *size + 4 ? "short address field" : NULL;
}

/* Version 2: DATA begins like its signature. */
static enum proxy_header_result parse_v2(const uint8_t *data, size_t length,
                                         struct proxy_header *header)
{
    const uint8_t *addresses = data + V2_FIXED;
    size_t size;

    if (length < V2_FIXED)
        return PROXY_HEADER_MORE;
    const char *error = check_fixed(data, &size);
    if (error != NULL)
        return refuse(header, error);
    if (length < V2_FIXED + read_number(data + 14))
        return PROXY_HEADER_MORE;
    header->length = V2_FIXED + read_number(data + 14);
    header->kind = data[12] == V2_LOCAL ? PROXY_HEADER_LOCAL
                   : size == 0          ? PROXY_HEADER_UNKNOWN
                                        : PROXY_HEADER_PROXIED;
    if (size != 0) {
        int family = size == 4 ? AF_INET : AF_INET6;
        const uint8_t *ports = addresses + 2 * size;

        set_address(&header->client, family, addresses, read_number(ports));
        set_address(&header->server, family, addresses + size, read_number(ports + 2));
    }
    return PROXY_HEADER_DONE;
}

enum proxy_header_result proxy_header_parse(const void *data, size_t length,
                                            struct proxy_header *header)
{
    *header = (struct proxy_header){0};
    if (length == 0)
        return PROXY_HEADER_MORE;
    if (begins_with(data, length, V1_SIGNATURE, V1_SIGNATURE_LENGTH))
        return length < V1_SIGNATURE_LENGTH ? PROXY_HEADER_MORE : parse_v1(data, length, header);
    if (begins_with(data, length, V2_SIGNATURE, V2_SIGNATURE_LENGTH))
        return parse_v2(data, length, header);
    return refuse(header, "unrecognized protocol header");
}
