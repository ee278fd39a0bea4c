/* summary.c: the text of a summary; how one is made from a connection is in describe.c. */
#include "tls/summary.h"

#include <stdarg.h>
#include <stdio.h>

/* Append to OUT (TLS_SUMMARY_TEXT_MAX bytes, USED taken), cutting what does not fit. Returns the
 * new length. */
static __attribute__((format(printf, 3, 4))) size_t append(char *out, size_t used,
                                                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(out + used, TLS_SUMMARY_TEXT_MAX - used, format, args);
    va_end(args);
    if (length < 0) {
        return used;
    }
    size_t end = used + (size_t)length;
    return end < TLS_SUMMARY_TEXT_MAX ? end : TLS_SUMMARY_TEXT_MAX - 1;
}

/* Append " WHO-signature NAME WHO-digest DIGEST" as far as there is something to say. */
static size_t append_signature(char *out, size_t used, const char *who, const char *signature,
                               const char *digest)
{
    if (*signature == '\0') {
        return used;
    }
    used = append(out, used, " %s-signature %s", who, signature);
    return *digest == '\0' ? used : append(out, used, " %s-digest %s", who, digest);
}

const char *tls_summary_text(const struct tls_summary *summary, char out[TLS_SUMMARY_TEXT_MAX])
{
    size_t used = append(out, 0, "%s with cipher %s (%d/%d bits)", summary->protocol,
                         summary->cipher, summary->cipher_bits, summary->cipher_algorithm_bits);
    if (*summary->key_exchange != '\0') {
        used = append(out, used, " key-exchange %s", summary->key_exchange);
    }
    used = append_signature(out, used, "server", summary->server_signature, summary->server_digest);
    append_signature(out, used, "client", summary->client_signature, summary->client_digest);
    return out;
}

const char *tls_peer_status_text(enum tls_peer_status status)
{
    switch (status) {
    case TLS_PEER_ANONYMOUS:
        return "Anonymous";
    case TLS_PEER_UNTRUSTED:
        return "Untrusted";
    case TLS_PEER_TRUSTED:
        return "Trusted";
    }
    return "Unknown";
}
