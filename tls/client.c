#include "tls/client.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "tls/errors.h"
#include "tls/library.h"

struct tls_client {
    SSL_CTX *context;
    SSL *ssl;
    char protection[128];
};

/* Why the handshake failed: the library's word, or else the system's. */
static void explain(char *why, size_t size, int error)
{
    if (ERR_peek_error() != 0) {
        struct tls_error reason;
        tls_error_take(&reason);
        snprintf(why, size, "%s", reason.reason);
    } else if (error == EAGAIN || error == EWOULDBLOCK) {
        snprintf(why, size, "timeout");
    } else {
        snprintf(why, size, "%s", error != 0 ? strerror(error) : "connection closed");
    }
}

/* The handshake. */
static bool shake_hands(struct tls_client *client, int fd, const char *name)
{
    client->context = SSL_CTX_new(TLS_client_method());
    client->ssl = client->context != NULL ? SSL_new(client->context) : NULL;
    return client->ssl != NULL && SSL_set_fd(client->ssl, fd) == 1 &&
           (name == NULL || SSL_set_tlsext_host_name(client->ssl, name) == 1) &&
           SSL_connect(client->ssl) == 1;
}

struct tls_client *tls_client_connect(int fd, const char *name, char *why, size_t size)
{
    struct tls_client *client = calloc(1, sizeof(*client));

    ERR_clear_error();
    errno = 0;
    if (client == NULL || !shake_hands(client, fd, name)) {
        explain(why, size, errno);
        tls_client_free(client);
        return NULL;
    }
    snprintf(client->protection, sizeof(client->protection), "%s with cipher %s",
             SSL_get_version(client->ssl), SSL_get_cipher_name(client->ssl));
    return client;
}

const char *tls_client_protection(const struct tls_client *client)
{
    return client->protection;
}

ssize_t tls_client_read(struct tls_client *client, char *bytes, size_t size)
{
    return SSL_read(client->ssl, bytes, size < INT_MAX ? (int)size : INT_MAX);
}

ssize_t tls_client_write(struct tls_client *client, const char *bytes, size_t length)
{
    if (length == 0)
        return 0;
    return length <= INT_MAX && SSL_write(client->ssl, bytes, (int)length) == (int)length
               ? (ssize_t)length
               : -1;
}

void tls_client_free(struct tls_client *client)
{
    if (client == NULL)
        return;
    if (client->ssl != NULL && SSL_in_init(client->ssl) == 0)
        SSL_shutdown(client->ssl);
    ERR_clear_error();
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    free(client);
}
