/*
 * hello_certificate.c: hello_certificate_explain of hello_suites.h: signature_algorithms and suites
 * against the keys that the server has.
 */
#include "tls/hello_offer.h"
#include "tls/hello_suites.h"
#include "tls/hello_words.h"

/* By type: what the client can verify, and what the server could sign with. */
struct kinds {
    bool rsa;
    bool ecdsa;
    bool ed25519;
};

static const uint16_t pkcs1_schemes[] = {SSL_SIGN_RSA_PKCS1_SHA1, SSL_SIGN_RSA_PKCS1_SHA256,
                                         SSL_SIGN_RSA_PKCS1_SHA384, SSL_SIGN_RSA_PKCS1_SHA512, 0};
static const uint16_t pss_schemes[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384,
                                       SSL_SIGN_RSA_PSS_RSAE_SHA512, 0};
static const uint16_t ecdsa_schemes[] = {SSL_SIGN_ECDSA_SHA1, SSL_SIGN_ECDSA_SECP256R1_SHA256,
                                         SSL_SIGN_ECDSA_SECP384R1_SHA384,
                                         SSL_SIGN_ECDSA_SECP521R1_SHA512, 0};

/* TLS 1.3 ties the curve to the scheme. */
static bool verifies_curve(const struct hello_view *view, unsigned keys)
{
    return ((keys & TLS_KEYS_P256) != 0 &&
            hello_list_has(view->schemes, SSL_SIGN_ECDSA_SECP256R1_SHA256)) ||
           ((keys & TLS_KEYS_P384) != 0 &&
            hello_list_has(view->schemes, SSL_SIGN_ECDSA_SECP384R1_SHA384)) ||
           ((keys & TLS_KEYS_P521) != 0 &&
            hello_list_has(view->schemes, SSL_SIGN_ECDSA_SECP521R1_SHA512));
}

/* RFC 8422 section 5.1.1: up to TLS 1.2 the certificate's curve must be one of the client's groups,
 * if it names any. The KEYS for which that holds. */
static unsigned keys_on_curves(const struct hello_view *view, uint16_t version, unsigned keys)
{
    static const struct {
        unsigned key;
        uint16_t group;
    } rows[] = {{TLS_KEYS_P256, SSL_CURVE_SECP256R1},
                {TLS_KEYS_P384, SSL_CURVE_SECP384R1},
                {TLS_KEYS_P521, SSL_CURVE_SECP521R1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (version < TLS1_3_VERSION && view->has_groups &&
            !hello_list_has(view->groups, rows[i].group)) {
            keys &= ~rows[i].key;
        }
    }
    return keys;
}

/* With which of the server's keys can it sign what the client verifies? */
static struct kinds usable(const struct hello_view *view, uint16_t version, unsigned keys)
{
    bool modern = version >= TLS1_3_VERSION;
    if (version < TLS1_2_VERSION || !view->has_schemes) {
        return (struct kinds){.rsa = (keys & TLS_KEYS_RSA) != 0,
                              .ecdsa = (keys & TLS_KEYS_ECDSA) != 0};
    }
    bool rsa = hello_list_has_any(view->schemes, pss_schemes) ||
               (!modern && hello_list_has_any(view->schemes, pkcs1_schemes));
    bool ecdsa =
        modern ? verifies_curve(view, keys)
               : (keys & TLS_KEYS_ECDSA) != 0 && hello_list_has_any(view->schemes, ecdsa_schemes);
    return (struct kinds){.rsa = (keys & TLS_KEYS_RSA) != 0 && rsa,
                          .ecdsa = ecdsa,
                          .ed25519 = (keys & TLS_KEYS_ED25519) != 0 &&
                                     hello_list_has(view->schemes, SSL_SIGN_ED25519)};
}

/* What the client says that it verifies, whatever the server has. */
static struct kinds verified(const struct hello_view *view, uint16_t version,
                             const struct hello_shared *shared)
{
    bool all = version < TLS1_2_VERSION || !view->has_schemes;
    bool rsa = hello_list_has_any(view->schemes, pss_schemes) ||
               hello_list_has_any(view->schemes, pkcs1_schemes);
    return (struct kinds){
        .rsa = shared->without_ecdhe || (shared->ecdhe_rsa && (all || rsa)),
        .ecdsa = shared->ecdhe_ecdsa && (all || hello_list_has_any(view->schemes, ecdsa_schemes)),
        .ed25519 = !all && shared->ecdhe_ecdsa && hello_list_has(view->schemes, SSL_SIGN_ED25519)};
}

/* Names of the kinds in KINDS. */
static size_t names(const struct kinds *kinds, const char *out[3])
{
    size_t count = 0;
    if (kinds->ecdsa) {
        out[count++] = "ECDSA";
    }
    if (kinds->ed25519) {
        out[count++] = "Ed25519";
    }
    if (kinds->rsa) {
        out[count++] = "RSA";
    }
    return count;
}

/* The names of the server's keys, with their curves. */
static size_t key_names(unsigned keys, const char *out[5])
{
    static const struct {
        unsigned key;
        const char *words;
    } rows[] = {{TLS_KEYS_P256, "ECDSA (P-256)"},
                {TLS_KEYS_P384, "ECDSA (P-384)"},
                {TLS_KEYS_P521, "ECDSA (P-521)"},
                {TLS_KEYS_ED25519, "Ed25519"},
                {TLS_KEYS_RSA, "RSA"}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((keys & rows[i].key) != 0) {
            out[count++] = rows[i].words;
        }
    }
    return count;
}

/* Say what the client cannot verify, and what it could. */
static void explain(const struct hello_view *view, uint16_t version, const struct tls_offer *offer,
                    const struct hello_shared *shared, struct tls_failure_reason *reason)
{
    struct kinds can = verified(view, version, shared);
    struct kinds has = {.rsa = (offer->keys & TLS_KEYS_RSA) != 0,
                        .ecdsa = (offer->keys & TLS_KEYS_ECDSA) != 0,
                        .ed25519 = (offer->keys & TLS_KEYS_ED25519) != 0};
    struct words words = words_begin(reason, TLS_FAILURE_NO_CERTIFICATE_TYPE);
    const char *items[5];
    bool overlap = (can.rsa && has.rsa) || (can.ecdsa && has.ecdsa) || (can.ed25519 && has.ed25519);
    words_add(&words, "cannot verify ");
    if (overlap) {
        words_add_list(&words, items, key_names(offer->keys, items), "or", 5);
        words_add(&words, " in %s, by its signature_algorithms and supported_groups",
                  hello_version_words(version));
        return;
    }
    words_add_list(&words, items, names(&has, items), "or", 3);
    size_t count = names(&can, items);
    if (count > 0) {
        words_add(&words, " and no ");
        words_add_list(&words, items, count, "or", 3);
        words_add(&words, " certificate is configured");
    } else {
        words_add(&words, ", nor any other certificate that could be configured");
    }
}

bool hello_certificate_explain(const struct hello_view *view, uint16_t version,
                               const struct tls_offer *offer, const struct hello_shared *shared,
                               struct tls_failure_reason *reason)
{
    struct kinds kinds = usable(view, version, keys_on_curves(view, version, offer->keys));
    bool static_rsa = shared->without_ecdhe && (offer->keys & TLS_KEYS_RSA) != 0;
    if (static_rsa || (shared->ecdhe_rsa && kinds.rsa) ||
        (shared->ecdhe_ecdsa && (kinds.ecdsa || kinds.ed25519))) {
        return false;
    }
    explain(view, version, offer, shared, reason);
    return true;
}
