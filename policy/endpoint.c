/*
 * endpoint.c: one address as text becomes structure.
 */
#include "policy/endpoint.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/endpoint_inet.h"
#include "policy/text.h"

#define UNIX_PATH_MAX 107 /* sun_path of unix(7), less the NUL */
#define HOST_MAX 255
#define SERVICE_MAX 32

/* Whether the LENGTH bytes are a port number from LOWEST to 65535, or a service's name. */
static bool is_port(const char *text, size_t length, long lowest)
{
    bool digits = length > 0;
    long number = 0;

    if (length > SERVICE_MAX || *text == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!text_is_name(text[i]) && text[i] != '-')
            return false;
        digits = digits && text_is_digit(text[i]);
        if (digits && number <= 65535)
            number = number * 10 + (text[i] - '0');
    }
    return digits ? number >= lowest && number <= 65535 : length > 0;
}

/* Whether HOST is a numeric address: what may stand in brackets. A zone ("%eth0") may follow. */
static bool is_address(const char *host)
{
    unsigned char address[16];
    char *plain = text_copy_n(host, strcspn(host, "%"));
    bool zone = strchr(host, '%') != NULL;
    bool good = inet_pton(AF_INET6, plain, address) == 1 ||
                (!zone && inet_pton(AF_INET, plain, address) == 1);

    for (const char *p = host + strlen(plain); good && *p != '\0'; p++)
        good = text_is_name(*p) || strchr("%.-", *p) != NULL;
    free(plain);
    return good;
}

/* Whether HOST is a name or an IPv4 address. */
static bool is_host(const char *host)
{
    size_t length = strlen(host);

    for (size_t i = 0; i < length; i++) {
        if (!text_is_name(host[i]) && host[i] != '-' && host[i] != '.')
            return false;
    }
    return length > 0 && length <= HOST_MAX;
}

const char *endpoint_parse_inet(const char *text, bool listener, struct endpoint *endpoint)
{
    bool bracket = *text == '[';
    const char *close = bracket ? strchr(text, ']') : NULL;
    const char *colon = bracket ? (close != NULL ? close + 1 : NULL) : strrchr(text, ':');
    const char *port = colon != NULL ? colon + 1 : text;

    *endpoint = (struct endpoint){.kind = ENDPOINT_INET};
    if (bracket && (close == NULL || *colon != ':'))
        return "specify [address]:port";
    if (colon == NULL && (!listener || strchr(text, '.') != NULL))
        return "no port: specify host:port or [v6]:port";
    if (!bracket && colon != NULL && memchr(text, ':', (size_t)(colon - text)) != NULL)
        return "an IPv6 address is written in brackets: [v6]:port";
    if (!is_port(port, strlen(port), listener ? 0 : 1))
        return "bad port: specify a number from 1 to 65535 or a service name";

    if (bracket)
        endpoint->host = text_copy_n(text + 1, (size_t)(close - text - 1));
    else
        endpoint->host = text_copy_n(text, colon != NULL ? (size_t)(colon - text) : 0);
    if (listener && strcmp(endpoint->host, "*") == 0)
        endpoint->host[0] = '\0';
    bool any = listener && !bracket && endpoint->host[0] == '\0';
    if (!any && !(bracket ? is_address(endpoint->host) : is_host(endpoint->host))) {
        endpoint_free(endpoint);
        return bracket ? "no address in the brackets" : "bad host name";
    }
    endpoint->port = text_copy(port);
    return NULL;
}

int endpoint_parse(const char *text, const char *param_name, struct endpoint *endpoint,
                   struct diag *diag)
{
    const char *wrong = NULL;

    *endpoint = (struct endpoint){.kind = ENDPOINT_INET};
    if (strncasecmp(text, "unix:", 5) == 0) {
        const char *path = text + 5;

        endpoint->kind = ENDPOINT_UNIX;
        if (*path != '/')
            wrong = "a socket's path begins with /";
        else if (strlen(path) > UNIX_PATH_MAX)
            wrong = "the path of a socket has at most 107 bytes";
        else
            endpoint->path = text_copy(path);
    } else {
        wrong = endpoint_parse_inet(strncasecmp(text, "inet:", 5) == 0 ? text + 5 : text, false,
                                    endpoint);
    }
    if (wrong == NULL)
        return 0;
    diag_error(diag,
               "%s: \"%.100s\": %s; allowed are inet:host:port, inet:[v6]:port and unix:/path",
               param_name, text, wrong);
    return -1;
}

void endpoint_free(struct endpoint *endpoint)
{
    free(endpoint->host);
    free(endpoint->port);
    free(endpoint->path);
    *endpoint = (struct endpoint){.kind = endpoint->kind};
}
