/* resumption.c: see resumption.h. */
#include "tls/resumption.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pool.h>

#include "tls/tickets.h"

/* A hundred days, as in Postfix; the library has limits of its own below that. */
#define TIMEOUT_MAX 8640000

/*
 * The session id context is a digest of what the policy demands. Without it a session that was
 * negotiated under lenient rules, or without a client certificate, or with one that is no longer
 * trusted, could be resumed where stricter rules hold (RFC 5246 appendix F.1.4; the library does
 * not check again).
 */
static bool set_session_id_context(struct tls_context *context, const struct tls_policy *policy)
{
    const struct tls_demands *demands = &context->demands;
    char *label = NULL;
    int length = asprintf(&label, "gatepost server|%d|%04x-%04x|%s|%s|%d|%d|%d|%d|%d|%s|%s|",
                          (int)policy->level, policy->min_version, policy->max_version,
                          policy->cipher_list, policy->curves, policy->server_preference,
                          demands->ask, demands->require, demands->verify_depth,
                          demands->trust_server_ccerts, demands->digest, demands->match);
    if (length < 0) {
        return false;
    }
    SHA256_CTX hash;
    SHA256_Init(&hash);
    SHA256_Update(&hash, label, (size_t)length);
    SHA256_Update(&hash, demands->anchors, sizeof demands->anchors);
    SHA256_Final(context->session_id, &hash);
    free(label);
    return SSL_CTX_set_session_id_context(context->ssl, context->session_id,
                                          sizeof context->session_id) == 1;
}

bool tls_resumption_separate(const struct tls_context *context, SSL *ssl,
                             const struct tls_credentials *credentials)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX hash;
    SHA256_Init(&hash);
    SHA256_Update(&hash, context->session_id, sizeof context->session_id);
    for (size_t i = 0; i < credentials->count; i++) {
        const CRYPTO_BUFFER *leaf = credentials->items[i].chain[0];
        SHA256_Update(&hash, CRYPTO_BUFFER_data(leaf), CRYPTO_BUFFER_len(leaf));
    }
    SHA256_Final(digest, &hash);
    return SSL_set_session_id_context(ssl, digest, sizeof digest) == 1;
}

/* The library's callback: the context's keys. */
static int on_ticket(SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *mac,
                     int encrypt)
{
    const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    return tls_tickets_callback(context->tickets, name, iv, cipher, mac, encrypt);
}

/* Tickets that are good for SECONDS. */
static bool enable_tickets(struct tls_context *context, const char *cipher, uint32_t seconds)
{
    context->tickets = tls_tickets_new(cipher != NULL ? cipher : "aes-256-cbc", (long)seconds);
    context->session_timeout = (long)seconds;
    SSL_CTX_set_timeout(context->ssl, seconds);
    SSL_CTX_set_session_psk_dhe_timeout(context->ssl, seconds);
    return context->tickets != NULL &&
           SSL_CTX_set_tlsext_ticket_key_cb(context->ssl, on_ticket) == 1 &&
           SSL_CTX_set_num_tickets(context->ssl, 1) == 1;
}

bool tls_resumption_configure(struct tls_context *context, const struct tls_policy *policy)
{
    /* NO_INTERNAL: sessions get ids, but nothing is kept under them. */
    SSL_CTX_set_session_cache_mode(
        context->ssl, policy->session_ids ? SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL
                                          : SSL_SESS_CACHE_OFF);
    bool good = true;
    if (!policy->tickets || policy->session_timeout <= 0) {
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
    } else {
        uint32_t seconds =
            policy->session_timeout > TIMEOUT_MAX ? TIMEOUT_MAX : (uint32_t)policy->session_timeout;
        good = enable_tickets(context, policy->ticket_cipher, seconds);
    }
    return set_session_id_context(context, policy) && good;
}
