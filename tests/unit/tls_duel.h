/*
 * tls_duel.h: whole handshakes in memory, for tests. The client is BoringSSL's own, on memory BIOs
 * that the server's transport reads and writes.
 */
#ifndef GATEPOST_TESTS_UNIT_TLS_DUEL_H
#define GATEPOST_TESTS_UNIT_TLS_DUEL_H

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/conn.h"
#include "tls/context_private.h"
#include "tls/selfsigned.h"

#define ALL_CIPHERS "HIGH:DES-CBC3-SHA"

/* Made by duel_make_keys: "mx.test" but for ecdsa384, which is "client.test". */
extern struct tls_credential ecdsa, ecdsa384, rsa, ed25519;
int duel_make_keys(void **state);
int duel_free_keys(void **state);

struct client_spec {
    uint16_t min, max;
    const char *ciphers; /* "" for the library's */
    const char *curves;
    const uint16_t *schemes; /* what signatures it verifies; ends in 0; NULL for the library's */
    const char *alpn;        /* as on the wire */
    const struct tls_credential *credential;
    const char *server_name;
    bool ocsp; /* asks for a response */
};

/* One connection, and how its transport misbehaves. */
struct duel {
    struct tls_conn *conn;
    SSL *client;
    BIO *to_server, *to_client; /* owned by the client */
    size_t step;                /* bytes moved by one call at most; 0: any number */
    size_t receive_limit;       /* after so many bytes comes the end */
    int end_errno;              /* 0: end of file */
    size_t send_limit;          /* after so many bytes the transport takes no more for now... */
    int send_errno;             /* ...or fails with this */
    bool interrupted;           /* EINTR before each success */
    bool interrupt_next;
    size_t received, sent;
};

/* A server with the credentials of WHICH (E ecdsa, 3 ecdsa384, D ed25519, R rsa) and defaults for
 * what BASE does not say: all versions and ciphers, tickets (a session_timeout of -1: none). */
struct tls_context *server_context(const struct tls_policy *base, const char *which);

/* The same with any credentials. */
struct tls_context *server_context_of(const struct tls_policy *base,
                                      const struct tls_credentials *credentials);

/* BASE with those defaults; the texts are static. */
struct tls_policy complete_policy(const struct tls_policy *base);

SSL_CTX *client_context(const struct client_spec *spec);

/* Both ends, before the first byte. */
void duel_begin(struct duel *duel, struct tls_context *context, SSL_CTX *ctx);
void duel_end(struct duel *duel);

/* Let both ends work until the server has a result that waiting will not change. */
enum tls_result duel_handshake(struct duel *duel);

/* The server, or the client, sends TEXT; the other must read just that. */
void server_says(struct duel *duel, const char *text);
void client_says(struct duel *duel, const char *text);

/* The client's last session, kept by a client_context that keep_sessions was called for. */
extern SSL_SESSION *saved_session;
extern unsigned sessions_seen;
void keep_sessions(SSL_CTX *ctx);
void forget_session(void);

/* Everything that was reported, a line each: "E text", "W text", "I text". */
struct findings {
    struct diag diag;
    char text[8192];
};
void findings_reset(struct findings *findings);

#endif
