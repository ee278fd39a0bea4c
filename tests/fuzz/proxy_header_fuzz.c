/*
 * proxy_header_fuzz.c: any bytes through the parser of PROXY headers. A header must be understood
 * the same however it is cut into pieces, what was understood must survive being written by the
 * encoder, and any addresses that the encoder writes must be read back.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/handoff.h"
#include "proxy/proxy_header.h"

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "proxy_header: %s\n", what);
        abort();
    }
}

/* Parse a copy that ends where the data end. */
static enum proxy_header_result parse(const uint8_t *data, size_t size, struct proxy_header *header)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    check(copy != NULL, "out of memory");
    memcpy(copy, data, size);
    memset(header, 0xa5, sizeof *header);
    enum proxy_header_result result = proxy_header_parse(copy, size, header);
    free(copy);
    check((result == PROXY_HEADER_BAD) == (header->error != NULL), "error text");
    return result;
}

static int same_address(const struct client_address *one, const struct client_address *other)
{
    return one->family == other->family && one->port == other->port &&
           memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

static int same_header(const struct proxy_header *one, const struct proxy_header *other)
{
    return one->kind == other->kind && one->length == other->length && one->error == other->error &&
           same_address(&one->client, &other->client) && same_address(&one->server, &other->server);
}

/* The verdict comes once, at one length, and does not change with more bytes. */
static void check_pieces(const uint8_t *data, size_t size, enum proxy_header_result result,
                         const struct proxy_header *header)
{
    struct proxy_header part;
    size_t length = 0;

    while (parse(data, length, &part) == PROXY_HEADER_MORE && length < size)
        length++;
    check(length <= PROXY_HEADER_MAX, "waits for too much");
    if (result == PROXY_HEADER_DONE)
        check(length == header->length && length >= 15, "length");
    check(parse(data, length, &part) == result, "the verdict changed");
    check(same_header(&part, header), "the content changed");
}

static void check_round_trip(const struct client_address *client,
                             const struct client_address *server)
{
    uint8_t out[HANDOFF_HEADER_MAX];
    struct proxy_header header;

    for (int version = 1; version <= 2; version++) {
        size_t length = version == 1 ? handoff_proxy1(client, server, (char *)out)
                                     : handoff_proxy2(client, server, out);
        check(length != 0, "not encoded");
        check(parse(out, length, &header) == PROXY_HEADER_DONE && header.length == length,
              "own header refused");
        check(header.kind == PROXY_HEADER_PROXIED, "own header's kind");
        check(same_address(&header.client, client), "client");
        check(same_address(&header.server, server), "server");
    }
}

static int is_mapped(const uint8_t *bytes)
{
    return memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

/* The same bytes as addresses. */
static void check_encoder(const uint8_t *data, size_t size)
{
    if (size < 37 || is_mapped(data + 5) || is_mapped(data + 21))
        return;
    struct client_address client = {.family = data[0] & 1 ? AF_INET : AF_INET6};
    struct client_address server = {.family = client.family};
    size_t bytes = data[0] & 1 ? 4 : 16;
    client.port = (uint16_t)(data[1] << 8 | data[2]);
    server.port = (uint16_t)(data[3] << 8 | data[4]);
    memcpy(client.bytes, data + 5, bytes);
    memcpy(server.bytes, data + 21, bytes);
    check_round_trip(&client, &server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header;
    enum proxy_header_result result = parse(data, size, &header);

    check(result != PROXY_HEADER_MORE || size < PROXY_HEADER_MAX, "waits for ever");
    check_pieces(data, size, result, &header);
    if (result == PROXY_HEADER_DONE && header.kind == PROXY_HEADER_PROXIED &&
        header.client.family == header.server.family)
        check_round_trip(&header.client, &header.server);
    check(result != PROXY_HEADER_DONE || header.kind == PROXY_HEADER_PROXIED ||
              (header.client.family == 0 && header.server.family == 0),
          "addresses of nobody");
    check_encoder(data, size);
    return 0;
}
