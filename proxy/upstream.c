#include "proxy/upstream.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

/* One more address of ENDPOINT, which is called NAME; ALONE: it has no other. */
static int upstream_add(struct upstream *upstream, const struct endpoint *endpoint,
                        const char *name, bool alone, const struct addrinfo *one, struct diag *diag)
{
    char text[NI_MAXHOST] = "";
    size_t size = strlen(name) + sizeof(text) + 4;

    if (upstream->list.count == BACKENDS_MAX) {
        diag_error(diag, "gatepost_backend = %s: more than %d addresses", upstream->name,
                   BACKENDS_MAX);
        return -1;
    }
    struct backend *backend = &upstream->list.backends[upstream->list.count];
    backend->mark = &upstream->marks[upstream->list.count++];
    backend->path = endpoint->path;
    backend->name = malloc(size);
    if (backend->name == NULL)
        abort();
    if (one != NULL) {
        memcpy(&backend->address, one->ai_addr, one->ai_addrlen);
        backend->address_length = one->ai_addrlen;
        if (!alone)
            (void)getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), NULL, 0,
                              NI_NUMERICHOST);
    }
    if (text[0] != '\0')
        snprintf(backend->name, size, "%s (%s)", name, text);
    else
        snprintf(backend->name, size, "%s", name);
    return 0;
}

/* Host and port become addresses, in the resolver's order. */
static int upstream_resolve(struct upstream *upstream, const struct endpoint *endpoint,
                            const char *name, struct diag *diag)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(endpoint->host, endpoint->port, &hints, &found);
    int result = 0;

    if (failure != 0) {
        diag_error(diag, "gatepost_backend = %s: cannot resolve: %s", name, gai_strerror(failure));
        return -1;
    }
    bool alone = found->ai_next == NULL;
    for (const struct addrinfo *one = found; one != NULL && result == 0; one = one->ai_next)
        result = upstream_add(upstream, endpoint, name, alone, one, diag);
    freeaddrinfo(found);
    return result;
}

/* One element of gatepost_backend. */
static int upstream_element(struct upstream *upstream, const char *name, struct diag *diag)
{
    struct endpoint *larger =
        realloc(upstream->endpoints, (upstream->endpoint_count + 1) * sizeof(*upstream->endpoints));

    if (larger == NULL)
        abort();
    upstream->endpoints = larger;
    struct endpoint *endpoint = &larger[upstream->endpoint_count];
    if (endpoint_parse(name, "gatepost_backend", endpoint, diag) != 0)
        return -1;
    upstream->endpoint_count++;
    if (endpoint->kind == ENDPOINT_INET)
        return upstream_resolve(upstream, endpoint, name, diag);
    return upstream_add(upstream, endpoint, name, true, NULL, diag);
}

/* All elements. */
static int upstream_elements(struct upstream *upstream, struct diag *diag)
{
    char *text = strdup(upstream->name);
    char *rest = text;
    int result = 0;

    if (text == NULL)
        abort();
    for (char *name = strtok_r(text, ", \t\r\n", &rest); name != NULL && result == 0;
         name = strtok_r(NULL, ", \t\r\n", &rest))
        result = upstream_element(upstream, name, diag);
    free(text);
    if (result == 0 && upstream->list.count == 0) {
        diag_error(diag, "gatepost_backend: no backend; specify inet:host:port or unix:/path");
        result = -1;
    }
    return result;
}

/* Without a hand-off every client is gatepost's own address to the backend. Where that address is
 * localhost, Postfix would relay for everybody: only on the operator's word. */
static int upstream_judge(const struct upstream *upstream, const struct config *config,
                          struct diag *diag)
{
    bool local = false;

    for (size_t i = 0; i < upstream->list.count; i++) {
        const struct backend *backend = &upstream->list.backends[i];
        local = local || backend->path != NULL || address_is_loopback(&backend->address);
    }
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
    upstream->list.backends = calloc(BACKENDS_MAX, sizeof(*upstream->list.backends));
    upstream->marks = mmap(NULL, BACKENDS_MAX * sizeof(*upstream->marks), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (upstream->name == NULL || upstream->list.backends == NULL || upstream->marks == MAP_FAILED)
        abort();
    upstream->connect_timeout = (double)config_time(config, PARAM_gatepost_backend_connect_timeout);
    upstream->timeout = (double)config_time(config, PARAM_gatepost_backend_timeout);
    for (size_t i = 0; i < sizeof(handoff_words) / sizeof(handoff_words[0]); i++)
        if (strcmp(protocol, handoff_words[i].word) == 0)
            upstream->handoff = handoff_words[i].handoff;
    if (upstream_elements(upstream, diag) != 0 || upstream_judge(upstream, config, diag) != 0) {
        upstream_free(upstream);
        return NULL;
    }
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream == NULL)
        return;
    for (size_t i = 0; i < upstream->list.count; i++)
        free(upstream->list.backends[i].name);
    for (size_t i = 0; i < upstream->endpoint_count; i++)
        endpoint_free(&upstream->endpoints[i]);
    munmap(upstream->marks, BACKENDS_MAX * sizeof(*upstream->marks));
    free(upstream->list.backends);
    free(upstream->endpoints);
    free(upstream->name);
    free(upstream);
}

double upstream_setup_patience(const struct upstream *upstream, const struct backend *backend,
                               uint32_t tried)
{
    bool last =
        backend_choose(&upstream->list, tried | backend_bit(&upstream->list, backend)) == NULL;

    return last || upstream->timeout < upstream->connect_timeout ? upstream->timeout
                                                                 : upstream->connect_timeout;
}

void upstream_status(const struct upstream *upstream, const char *service, uint64_t now, FILE *out)
{
    for (size_t i = 0; i < upstream->list.count; i++) {
        const struct backend *backend = &upstream->list.backends[i];
        enum backend_fault fault = atomic_load(&backend->mark->fault);
        uint64_t since = atomic_load(&backend->mark->since);
        fprintf(out, "listener %s, backend %s: %s", service, backend->name,
                backend_fault_text(fault));
        if (fault != BACKEND_FAULT_NONE)
            fprintf(out, ", for %llu seconds", (unsigned long long)(now > since ? now - since : 0));
        fputc('\n', out);
    }
}

void upstream_status_json(const struct upstream *upstream, const char *service, uint64_t now,
                          struct json *json)
{
    for (size_t i = 0; i < upstream->list.count; i++) {
        const struct backend *backend = &upstream->list.backends[i];
        enum backend_fault fault = atomic_load(&backend->mark->fault);
        uint64_t since = atomic_load(&backend->mark->since);
        json_object(json, NULL);
        json_string(json, "listener", service);
        json_string(json, "backend", backend->name);
        json_string(json, "state", backend_fault_text(fault));
        if (fault != BACKEND_FAULT_NONE)
            json_number(json, "seconds", (long long)(now > since ? now - since : 0));
        json_end_object(json);
    }
}
