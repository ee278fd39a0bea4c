/*
 * context.c: see context.h. Each configure_ function gives the SSL_CTX one thing of the policy and
 * reports what it cannot; all of them run, so that one check shows every mistake.
 */
#include "tls/context.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "tls/ciphers.h"
#include "tls/client_hello.h"
#include "tls/context_private.h"
#include "tls/credential_choice.h"
#include "tls/errors.h"
#include "tls/resumption.h"
#include "tls/trust.h"

#define STRINGIFY_VALUE(value) #value
#define STRINGIFY(macro) STRINGIFY_VALUE(macro)

/* Both bounds are always set: what "unset" means differs between versions of the library. */
static bool configure_protocols(SSL_CTX *ssl, const struct tls_policy *policy, struct diag *diag)
{
    if (policy->min_version < TLS_VERSION_1_0 || policy->max_version > TLS_VERSION_1_3 ||
        policy->min_version > policy->max_version ||
        SSL_CTX_set_min_proto_version(ssl, policy->min_version) != 1 ||
        SSL_CTX_set_max_proto_version(ssl, policy->max_version) != 1) {
        ERR_clear_error();
        diag_error(diag, "BoringSSL cannot do the protocol versions %04x to %04x",
                   (unsigned)policy->min_version, (unsigned)policy->max_version);
        return false;
    }
    return true;
}

/* Certificates and keys; TLS is impossible without any. */
static bool configure_credentials(struct tls_context *context,
                                  const struct tls_credentials *credentials, struct diag *diag)
{
    if (credentials == NULL) {
        diag_error(diag, "TLS needs a certificate: set smtpd_tls_chain_files");
        return false;
    }
    context->credentials = tls_credentials_copy(credentials);
    if (context->credentials == NULL || !tls_credentials_install(context)) {
        struct tls_error error;
        tls_error_take(&error);
        diag_error(diag, "cannot use the certificates: %s", error.reason);
        return false;
    }
    return true;
}

/* RFC 7301: a client that names its protocols and does not name ours speaks something else, perhaps
 * on behalf of an attacker who redirected it (ALPACA). */
static int select_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_length, const uint8_t *in,
                       unsigned in_length, void *arg)
{
    static const char smtp[] = "smtp";
    (void)ssl;
    (void)arg;
    for (unsigned at = 0; at < in_length; at += 1U + in[at]) {
        unsigned length = in[at];
        if (length == sizeof smtp - 1 && length < in_length - at &&
            memcmp(in + at + 1, smtp, length) == 0) {
            *out = in + at + 1;
            *out_length = (uint8_t)length;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* What holds for every policy. */
static void configure_constants(SSL_CTX *ssl, const struct tls_policy *policy)
{
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_early_data_enabled(ssl, 0);
    SSL_CTX_set_alpn_select_cb(ssl, select_alpn, NULL);
    if (policy->server_preference) {
        SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    } else {
        SSL_CTX_clear_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    }
}

/* Run every configuration step on CONTEXT. */
static bool configure(struct tls_context *context, const struct tls_policy *policy,
                      const struct tls_credentials *credentials, struct diag *diag)
{
    configure_constants(context->ssl, policy);
    SSL_CTX_set_app_data(context->ssl, (char *)context);
    bool good = configure_protocols(context->ssl, policy, diag);
    good = tls_ciphers_apply(context->ssl, policy->cipher_list, diag) && good;
    good = tls_groups_apply(context->ssl, policy->curves, &context->groups, diag) && good;
    good = configure_credentials(context, credentials, diag) && good;
    good = tls_trust_configure(context, policy, diag) && good;
    if (!tls_resumption_configure(context, policy) ||
        (good && !tls_client_hello_configure(context, policy))) {
        diag_error(diag, "cannot set up TLS: out of memory");
        good = false;
    }
    return good;
}

struct tls_context *tls_context_new(const struct tls_policy *policy,
                                    const struct tls_credentials *credentials, struct diag *diag)
{
    ERR_clear_error();
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL || (context->ssl = SSL_CTX_new(TLS_server_method())) == NULL) {
        diag_error(diag, "cannot set up TLS: out of memory");
        free(context);
        return NULL;
    }
    context->references = 1;
    if (!configure(context, policy, credentials, diag)) {
        tls_context_unref(context);
        context = NULL;
    }
    ERR_clear_error();
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    context->references++;
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context == NULL || --context->references > 0) {
        return;
    }
    SSL_CTX_free(context->ssl);
    tls_credentials_free(context->credentials);
    tls_tickets_free(context->tickets);
    tls_trust_clear(context);
    free(context->chacha_first);
    free(context);
}

void tls_context_share_tickets(struct tls_context *context, struct tls_ticket_keys *keys)
{
    if (context->tickets != NULL) {
        tls_tickets_set_keys(context->tickets, keys);
    }
}

bool tls_policy_static_rsa(const struct tls_policy *policy)
{
    struct diag quiet = {0};
    SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
    bool found = policy->level != TLS_LEVEL_NONE && policy->min_version < TLS_VERSION_1_3 &&
                 scratch != NULL && tls_ciphers_apply(scratch, policy->cipher_list, &quiet) &&
                 tls_ciphers_static_rsa(scratch);
    SSL_CTX_free(scratch);
    ERR_clear_error();
    return found;
}

const char *tls_library_version(void)
{
    return "BoringSSL (API " STRINGIFY(BORINGSSL_API_VERSION) ")";
}
