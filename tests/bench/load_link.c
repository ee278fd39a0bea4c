/*
 * load_link.c: see load_link.h.
 */
#include "tests/bench/load_link.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define WRITE_MAX 16384 /* a TLS record */

/* Remembers what went wrong. */
static int failed(struct link *link, const char *problem)
{
    link->problem = problem;
    return LINK_FAILED;
}

/* Binds to the client's own address, without taking one of its ports from all other servers. */
static int bind_source(int fd, uint32_t source)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + source)};
    int on = 1;

    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0)
        return -1;
    return bind(fd, (const struct sockaddr *)&address, sizeof address);
}

int link_connect(struct link *link, const struct load_plan *plan, uint32_t source)
{
    int on = 1;

    *link = (struct link){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                          .wants = EPOLLIN};
    if (link->fd < 0 || bind_source(link->fd, source % plan->sources) != 0 ||
        setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        (connect(link->fd, (const struct sockaddr *)&plan->server, sizeof plan->server) != 0 &&
         errno != EINPROGRESS)) {
        link->problem = strerror(errno);
        return -1;
    }
    return 0;
}

int link_tls(struct link *link, const struct load_plan *plan)
{
    link->ssl = SSL_new(plan->tls);
    if (link->ssl == NULL || SSL_set_fd(link->ssl, link->fd) != 1 ||
        (plan->ticket != NULL && SSL_set_session(link->ssl, plan->ticket) != 1))
        return failed(link, "OpenSSL cannot make a connection");
    SSL_set_connect_state(link->ssl);
    return 0;
}

/* What an OpenSSL call that gave RESULT means. */
static int explain(struct link *link, int result)
{
    switch (SSL_get_error(link->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        link->wants = EPOLLIN;
        return LINK_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        link->wants = EPOLLIN | EPOLLOUT;
        return LINK_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return LINK_END;
    default:
        return failed(link, "TLS failed");
    }
}

/* What a system call that failed or returned 0 means. */
static int explain_errno(struct link *link, ssize_t result, uint32_t wants)
{
    if (result == 0)
        return LINK_END;
    if (errno == EAGAIN) {
        link->wants = wants;
        return LINK_AGAIN;
    }
    return failed(link, strerror(errno));
}

int link_handshake(struct link *link)
{
    int result = SSL_do_handshake(link->ssl);

    if (result == 1)
        return 1;
    result = explain(link, result);
    return result == LINK_END ? failed(link, "the server ended the handshake") : result;
}

ssize_t link_read(struct link *link, char *buffer, size_t size)
{
    ssize_t result;

    if (link->ssl == NULL) {
        result = recv(link->fd, buffer, size, 0);
        return result > 0 ? result : explain_errno(link, result, EPOLLIN);
    }
    result = SSL_read(link->ssl, buffer, (int)size);
    return result > 0 ? result : explain(link, (int)result);
}

ssize_t link_write(struct link *link, const char *bytes, size_t length)
{
    ssize_t result;

    if (length > WRITE_MAX)
        length = WRITE_MAX;
    if (link->ssl == NULL) {
        result = send(link->fd, bytes, length, MSG_NOSIGNAL);
        return result > 0 ? result : explain_errno(link, result, EPOLLIN | EPOLLOUT);
    }
    result = SSL_write(link->ssl, bytes, (int)length);
    return result > 0 ? result : explain(link, (int)result);
}

void link_close(struct link *link)
{
    if (link->ssl != NULL) /* or OpenSSL would not resume the session any more */
        SSL_set_shutdown(link->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(link->ssl);
    if (link->fd >= 0)
        close(link->fd);
    link->ssl = NULL;
    link->fd = -1;
}

SSL_CTX *link_context(const char *version)
{
    int number = strcmp(version, "1.2") == 0   ? TLS1_2_VERSION
                 : strcmp(version, "1.3") == 0 ? TLS1_3_VERSION
                                               : 0;
    SSL_CTX *tls = number == 0 ? NULL : SSL_CTX_new(TLS_client_method());

    if (tls == NULL)
        return NULL;
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (SSL_CTX_set_min_proto_version(tls, number) != 1 ||
        SSL_CTX_set_max_proto_version(tls, number) != 1 ||
        SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set_cipher_list(tls, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") !=
            1 ||
        SSL_CTX_set1_groups_list(tls, "X25519:P-256") != 1) {
        SSL_CTX_free(tls);
        return NULL;
    }
    return tls;
}
