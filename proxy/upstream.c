#include "proxy/upstream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    enum handoff handoff;
} handoff_words[] = {
    {"proxy2", HANDOFF_PROXY2},
    {"proxy1", HANDOFF_PROXY1},
    {"xclient", HANDOFF_XCLIENT},
    {"none", HANDOFF_NONE},
};

const char *upstream_handoff_hint(enum handoff handoff)
{
    switch (handoff) {
    case HANDOFF_PROXY2:
    case HANDOFF_PROXY1:
        return "the Postfix service needs \"-o smtpd_upstream_proxy_protocol=haproxy\" in "
               "master.cf";
    case HANDOFF_XCLIENT:
        return "the Postfix service needs \"-o smtpd_authorized_xclient_hosts=127.0.0.1,[::1]\" "
               "(the "
               "address gatepost connects from) in master.cf";
    case HANDOFF_NONE:
        break;
    }
    return "gatepost_backend_protocol = none tells it nothing";
}

/* An address that Postfix's default mynetworks trusts, or one of this host's own. */
static bool address_is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127 || in->sin_addr.s_addr == 0;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
}

/* Host and port become addresses, in the resolver's order. */
static int upstream_resolve(struct upstream *upstream, struct diag *diag)
{
    const struct endpoint *endpoint = &upstream->endpoint;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(endpoint->host, endpoint->port, &hints, &found);

    if (failure != 0) {
        diag_error(diag, "gatepost_backend = %s: cannot resolve: %s", upstream->name,
                   gai_strerror(failure));
        return -1;
    }
    size_t count = 0;
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next)
        count++;
    if (count == 0)
        abort(); /* getaddrinfo(3) gives one at least */
    upstream->addresses = calloc(count, sizeof(*upstream->addresses));
    upstream->address_lengths = calloc(count, sizeof(*upstream->address_lengths));
    if (upstream->addresses == NULL || upstream->address_lengths == NULL)
        abort();
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        memcpy(&upstream->addresses[upstream->address_count], one->ai_addr, one->ai_addrlen);
        upstream->address_lengths[upstream->address_count++] = one->ai_addrlen;
    }
    freeaddrinfo(found);
    return 0;
}

/* Without a hand-off every client is gatepost's own address to the backend. Where that address is
 * localhost, Postfix would relay for everybody: only on the operator's word. */
static int upstream_judge(const struct upstream *upstream, const struct config *config,
                          struct diag *diag)
{
    bool local = upstream->endpoint.kind == ENDPOINT_UNIX;

    for (size_t i = 0; i < upstream->address_count; i++)
        local = local || address_is_loopback(&upstream->addresses[i]);
    if (upstream->handoff != HANDOFF_NONE || !local ||
        !config_bool(config, PARAM_gatepost_backend_trusts_localhost))
        return 0;
    diag_error(
        diag,
        "gatepost_backend_protocol = none with gatepost_backend = %s on this host: every "
        "client would count as localhost there, and a Postfix that trusts localhost would be "
        "an open relay; use proxy2, proxy1 or xclient, or say "
        "gatepost_backend_trusts_localhost = no if the backend gives localhost no rights",
        upstream->name);
    return -1;
}

struct upstream *upstream_new(const struct config *config, struct diag *diag)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    if (upstream == NULL)
        abort();
    const char *protocol = config_str(config, PARAM_gatepost_backend_protocol);

    upstream->name = strdup(config_str(config, PARAM_gatepost_backend));
    if (upstream->name == NULL)
        abort();
    upstream->connect_timeout = (double)config_time(config, PARAM_gatepost_backend_connect_timeout);
    upstream->timeout = (double)config_time(config, PARAM_gatepost_backend_timeout);
    for (size_t i = 0; i < sizeof(handoff_words) / sizeof(handoff_words[0]); i++)
        if (strcmp(protocol, handoff_words[i].word) == 0)
            upstream->handoff = handoff_words[i].handoff;
    if (endpoint_parse(upstream->name, "gatepost_backend", &upstream->endpoint, diag) != 0 ||
        (upstream->endpoint.kind == ENDPOINT_INET && upstream_resolve(upstream, diag) != 0) ||
        upstream_judge(upstream, config, diag) != 0) {
        upstream_free(upstream);
        return NULL;
    }
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream == NULL)
        return;
    endpoint_free(&upstream->endpoint);
    free(upstream->addresses);
    free(upstream->address_lengths);
    free(upstream->name);
    free(upstream);
}
