/*
 * handoff_fuzz.c: addresses through the PROXY and XCLIENT encoders, and back through decoders that
 * share no code with them.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/handoff.h"

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "handoff: %s\n", what);
        abort();
    }
}

static unsigned number(const unsigned char *at)
{
    return at[0] * 256u + at[1];
}

static void check_proxy2(const struct client_address *client, const struct client_address *server)
{
    unsigned char out[HANDOFF_HEADER_MAX];
    size_t length = handoff_proxy2(client, server, out);
    size_t size = client->family == AF_INET ? 4 : 16;
    check(length == 16 + 2 * size + 4, "v2 length");
    check(memcmp(out, "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21", 13) == 0, "v2 head");
    check(out[13] == (size == 4 ? 0x11 : 0x21) && number(out + 14) == length - 16, "v2 family");
    check(memcmp(out + 16, client->bytes, size) == 0, "v2 client");
    check(memcmp(out + 16 + size, server->bytes, size) == 0, "v2 server");
    check(number(out + 16 + 2 * size) == client->port, "v2 client port");
    check(number(out + 18 + 2 * size) == server->port, "v2 server port");
}

static void check_proxy1(const struct client_address *client, const struct client_address *server)
{
    char out[HANDOFF_HEADER_MAX];
    size_t length = handoff_proxy1(client, server, out);
    check(length > 8 && length <= 107 && memcmp(out + length - 2, "\r\n", 2) == 0, "v1 length");
    out[length - 2] = '\0';
    char family[8];
    char from[64];
    char to[64];
    unsigned from_port = 0;
    unsigned to_port = 0;
    int end = 0;
    check(sscanf(out, "PROXY %7s %63s %63s %u %u%n", family, from, to, &from_port, &to_port,
                 &end) == 5 &&
              (size_t)end == length - 2,
          "v1 form");
    check(strcmp(family, client->family == AF_INET ? "TCP4" : "TCP6") == 0, "v1 family");
    check(from_port == client->port && to_port == server->port, "v1 ports");
    unsigned char bytes[16] = {0};
    check(inet_pton(client->family, from, bytes) == 1 && memcmp(bytes, client->bytes, 16) == 0,
          "v1 client");
    check(inet_pton(client->family, to, bytes) == 1 && memcmp(bytes, server->bytes, 16) == 0,
          "v1 server");
}

/* Undo xtext in place. */
static void decode_xtext(char *text)
{
    char *out = text;
    for (; *text != '\0'; text++) {
        unsigned code = 0;
        if (*text == '+') {
            check(sscanf(text + 1, "%2X", &code) == 1, "xtext");
            *out++ = (char)code;
            text += 2;
        } else {
            check(*text > ' ' && *text <= '~' && *text != '=', "not xtext");
            *out++ = *text;
        }
    }
    *out = '\0';
}

static void check_xclient(const struct client_address *client, const char *helo, int esmtp)
{
    char out[HANDOFF_XCLIENT_MAX];
    size_t length =
        handoff_xclient(client, helo, esmtp, " NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN", out);
    check(length > 0 && length < sizeof out && memcmp(out + length - 2, "\r\n", 2) == 0,
          "XCLIENT length");
    out[length - 2] = '\0';
    check(strpbrk(out, "\r\n") == NULL && strlen(out) == length - 2, "XCLIENT line");
    check(strstr(out, " NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE] ADDR=") != NULL, "names");
    char *value = strstr(out, " HELO=");
    check((value != NULL) == (*helo != '\0'), "HELO is there");
    if (value != NULL) {
        value += 6;
        check(strlen(value) <= 255, "HELO too long");
        decode_xtext(value);
        check(strncmp(value, helo, strlen(value)) == 0, "HELO");
        check(strlen(value) == strlen(helo) || strlen(helo) >= 84, "HELO was cut");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 37) {
        return 0;
    }
    struct client_address client = {.family = data[0] & 1 ? AF_INET : AF_INET6};
    struct client_address server = {.family = client.family};
    size_t bytes = data[0] & 1 ? 4 : 16;
    client.port = (uint16_t)number(data + 1);
    server.port = (uint16_t)number(data + 3);
    memcpy(client.bytes, data + 5, bytes);
    memcpy(server.bytes, data + 21, bytes);
    check_proxy2(&client, &server);
    check_proxy1(&client, &server);
    char *helo = strndup((const char *)data + 37, size - 37);
    check(helo != NULL, "out of memory");
    check_xclient(&client, helo, data[0] & 2);
    free(helo);
    return 0;
}
