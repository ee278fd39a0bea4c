/*
 * client.h: the client's end of a TLS connection, for gatepost's trial of itself ("gatepost
 * setup"). It waits: the descriptor blocks, and its SO_RCVTIMEO and SO_SNDTIMEO (socket(7)) bound
 * each wait. Like any sending mail server it takes whatever certificate is shown (RFC 7435).
 */
#ifndef GATEPOST_TLS_CLIENT_H
#define GATEPOST_TLS_CLIENT_H

#include <stddef.h>
#include <sys/types.h>

struct tls_client;

/* Do a handshake over FD, which stays the caller's, asking for NAME (server_name, RFC 6066) unless
 * it is NULL. Returns NULL with the reason in WHY (SIZE bytes). */
struct tls_client *tls_client_connect(int fd, const char *name, char *why, size_t size);

/* What was negotiated, as in the log: "TLSv1.3 with cipher TLS_AES_128_GCM_SHA256". Owned by
 * CLIENT. */
const char *tls_client_protection(const struct tls_client *client);

/* As read(2), and all of BYTES or -1. What went wrong is not told apart. */
ssize_t tls_client_read(struct tls_client *client, char *bytes, size_t size);
ssize_t tls_client_write(struct tls_client *client, const char *bytes, size_t length);

/* Say close_notify, if there is still somebody, and free. NULL is allowed. */
void tls_client_free(struct tls_client *client);

#endif
