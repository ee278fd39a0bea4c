#include "proxy/connection_proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/log.h"
#include "proxy/proxy_header.h"

/* The part of a header that has come so far. */
struct connection_proxy {
    size_t length;
    char bytes[PROXY_HEADER_MAX];
};

/* From now on the client is nobody. */
static enum connection_proxied proxy_fail(struct connection *connection)
{
    connection->session.client = (struct client_address){0};
    free(connection->proxy);
    connection->proxy = NULL;
    return CONNECTION_PROXY_FAILED;
}

enum connection_proxied connection_proxy_begin(struct connection *connection)
{
    const struct service *service = connection->listener->service;
    const struct client_address *peer = &connection->session.client;
    char address[CLIENT_ADDRESS_TEXT_MAX];

    if (!address_list_match(service->proxies, peer->family, peer->bytes)) {
        log_warning("haproxy read: %s is not in gatepost_upstream_proxy_networks",
                    client_address_text(peer, address));
        return proxy_fail(connection);
    }
    connection->proxy = calloc(1, sizeof(*connection->proxy));
    if (connection->proxy == NULL)
        log_fatal("out of memory for a PROXY header");
    return CONNECTION_PROXY_WAITS;
}

/* Take bytes that were looked at out of the socket. */
static void proxy_consume(const struct connection *connection, size_t length)
{
    char scratch[PROXY_HEADER_MAX];

    if (length > 0)
        (void)!recv(connection->client_fd, scratch, length, MSG_DONTWAIT);
}

/* The header is whole. */
static enum connection_proxied proxy_accept(struct connection *connection,
                                            const struct proxy_header *header)
{
    struct session *session = &connection->session;

    if (header->kind == PROXY_HEADER_UNKNOWN) {
        log_warning("haproxy read: the client is unknown: %.*s", (int)header->length,
                    connection->proxy->bytes);
        return proxy_fail(connection);
    }
    if (header->kind == PROXY_HEADER_PROXIED) {
        session->client = header->client;
        session->server = header->server;
        /* Backends are told two addresses of one family. Which one gatepost's is does not matter
         * there. */
        if (session->server.family != session->client.family)
            session->server = (struct client_address){.family = session->client.family,
                                                      .port = header->server.port};
    }
    free(connection->proxy);
    connection->proxy = NULL;
    return CONNECTION_PROXY_DONE;
}

/* What was read is no header. */
static enum connection_proxied proxy_refuse(struct connection *connection, const char *why,
                                            size_t length)
{
    log_warning("haproxy read: %s: %.*s", why, (int)length, connection->proxy->bytes);
    return proxy_fail(connection);
}

enum connection_proxied connection_proxy_read(struct connection *connection)
{
    struct connection_proxy *proxy = connection->proxy;
    struct proxy_header header;
    ssize_t got = recv(connection->client_fd, proxy->bytes + proxy->length,
                       sizeof(proxy->bytes) - proxy->length, MSG_PEEK | MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        connection->client_readable = false;
        return CONNECTION_PROXY_WAITS;
    }
    if (got <= 0) {
        log_warning("haproxy read: %s", got == 0 ? "EOF" : strerror(errno));
        return proxy_fail(connection);
    }
    size_t length = proxy->length + (size_t)got;
    switch (proxy_header_parse(proxy->bytes, length, &header)) {
    case PROXY_HEADER_MORE:
        proxy_consume(connection, (size_t)got);
        proxy->length = length;
        return CONNECTION_PROXY_WAITS;
    case PROXY_HEADER_DONE:
        proxy_consume(connection, header.length - proxy->length);
        return proxy_accept(connection, &header);
    case PROXY_HEADER_BAD:
        break;
    }
    return proxy_refuse(connection, header.error, length);
}

void connection_proxy_timeout(struct connection *connection)
{
    log_warning("haproxy read: timeout error");
    (void)proxy_fail(connection);
}
