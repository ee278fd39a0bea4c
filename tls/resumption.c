/* resumption.c: see resumption.h. */
#include "tls/resumption.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/sha.h>

/* A hundred days, as in Postfix; the library has limits of its own below that. */
#define TIMEOUT_MAX 8640000

/*
 * The session id context is a digest of what the policy demands. Without it a session that was
 * negotiated under lenient rules, or without a client certificate, could be resumed where stricter
 * rules hold (RFC 5246 appendix F.1.4; the library does not check again).
 */
static bool set_session_id_context(SSL_CTX *context, const struct tls_policy *policy)
{
    char *label = NULL;
    int length =
        asprintf(&label, "gatepost server|%04x-%04x|%s|%s|%d|%d|%d", (unsigned)policy->min_version,
                 (unsigned)policy->max_version, policy->cipher_list, policy->curves,
                 policy->server_preference, policy->ask_ccert, policy->require_ccert);
    if (length < 0) {
        return false;
    }
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)label, (size_t)length, digest);
    free(label);
    return SSL_CTX_set_session_id_context(context, digest, sizeof digest) == 1;
}

bool tls_resumption_configure(SSL_CTX *context, const struct tls_policy *policy)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (policy->session_timeout <= 0) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    } else {
        uint32_t seconds =
            policy->session_timeout > TIMEOUT_MAX ? TIMEOUT_MAX : (uint32_t)policy->session_timeout;
        SSL_CTX_set_timeout(context, seconds);
        SSL_CTX_set_session_psk_dhe_timeout(context, seconds);
    }
    return SSL_CTX_set_num_tickets(context, 1) == 1 && set_session_id_context(context, policy);
}
