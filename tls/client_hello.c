/* client_hello.c: see client_hello.h. */
#include "tls/client_hello.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/bytestring.h>
#include <openssl/nid.h>

#include "tls/credential_choice.h"
#include "tls/resumption.h"
#include "tls/sni.h"

static bool is_chacha(const SSL_CIPHER *cipher)
{
    return SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305;
}

/* Write the suites of CONTEXT that are (CHACHA) or are not ChaCha20's by name, groups of equal
 * preference in brackets. */
static void write_suites(const SSL_CTX *context, bool chacha, FILE *out)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context);
    bool in_group = false, open = false;
    for (size_t i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        bool linked = SSL_CTX_cipher_in_group(context, i) != 0;
        if (is_chacha(cipher) == chacha) {
            bool opens = (linked || in_group) && !open;
            fprintf(out, "%s%s", open ? "|" : opens ? ":[" : ":", SSL_CIPHER_get_name(cipher));
            open = open || opens;
        }
        if (open && !linked) {
            fputc(']', out);
            open = false;
        }
        in_group = linked;
    }
}

/* The suites of CONTEXT with ChaCha20's before all others, a ':' before each, or NULL: out of
 * memory.
 */
static char *list_chacha_first(const SSL_CTX *context)
{
    char *list = NULL;
    size_t length;
    FILE *out = open_memstream(&list, &length);
    if (out == NULL) {
        return NULL;
    }
    write_suites(context, true, out);
    write_suites(context, false, out);
    if (fclose(out) != 0) {
        free(list);
        return NULL;
    }
    return list;
}

/* Is ChaCha20 what this client wants most? As OpenSSL sees it: the first of the suites that mean
 * anything. */
static bool wants_chacha(const SSL_CLIENT_HELLO *hello)
{
    CBS suites;
    uint16_t value;
    CBS_init(&suites, hello->cipher_suites, hello->cipher_suites_len);
    while (CBS_get_u16(&suites, &value)) {
        const SSL_CIPHER *cipher = SSL_get_cipher_by_value(value);
        if (cipher != NULL) {
            return is_chacha(cipher);
        }
    }
    return false;
}

/* The library's callback. */
static enum ssl_select_cert_result_t on_client_hello(const SSL_CLIENT_HELLO *hello)
{
    const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(hello->ssl));
    const struct tls_credentials *credentials = tls_sni_choose(context->credentials, hello->ssl);
    bool good = credentials == context->credentials ||
                tls_resumption_separate(context, hello->ssl, credentials);
    if (good && context->chacha_first != NULL && wants_chacha(hello)) {
        good = SSL_set_cipher_list(hello->ssl, context->chacha_first + 1) == 1;
    }
    good = good && tls_credentials_present(context, credentials, hello);
    return good ? ssl_select_cert_success : ssl_select_cert_error;
}

bool tls_client_hello_configure(struct tls_context *context, const struct tls_policy *policy)
{
    bool good = true;
    if (policy->prioritize_chacha && policy->server_preference) {
        context->chacha_first = list_chacha_first(context->ssl);
        good = context->chacha_first != NULL;
    }
    if (context->chacha_first != NULL || context->credentials->sni != NULL ||
        tls_credentials_need_hello(context)) {
        SSL_CTX_set_select_certificate_cb(context->ssl, on_client_hello);
    }
    return good;
}
