/* key_service.c: see key_service.h. */
#include "tls/key_service.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>

#include "tls/credentials.h"
#include "tls/key_decrypt.h"
#include "tls/key_name.h"
#include "tls/key_rules.h"
#include "tls/sni.h"

struct held_key {
    uint8_t name[TLS_KEY_NAME_SIZE];
    EVP_PKEY *key; /* a reference */
    bool may_decrypt;
    uint8_t secret[TLS_KEY_SECRET_SIZE]; /* of tls/key_decrypt.h; RSA only */
};

/* Sorted by name. */
struct tls_key_service {
    struct held_key *keys;
    size_t count;
};

struct tls_key_service *tls_key_service_new(void)
{
    return calloc(1, sizeof(struct tls_key_service));
}

void tls_key_service_free(struct tls_key_service *service)
{
    if (service == NULL) {
        return;
    }
    for (size_t i = 0; i < service->count; i++) {
        EVP_PKEY_free(service->keys[i].key);
    }
    OPENSSL_free(service->keys); /* wipes */
    free(service);
}

static int compare_name(const void *name, const void *held)
{
    return memcmp(name, ((const struct held_key *)held)->name, TLS_KEY_NAME_SIZE);
}

/* The key of that NAME, or NULL. */
static struct held_key *find(const struct tls_key_service *service, const uint8_t *name)
{
    if (service->count == 0) {
        return NULL;
    }
    return bsearch(name, service->keys, service->count, sizeof *service->keys, compare_name);
}

/* Put KEY, which is new, in its place. */
static bool insert(struct tls_key_service *service, const struct held_key *key)
{
    struct held_key *keys =
        OPENSSL_realloc(service->keys, (service->count + 1) * sizeof *service->keys);
    if (keys == NULL) {
        return false;
    }
    service->keys = keys;
    size_t place = service->count++;
    for (; place > 0 && compare_name(key->name, &keys[place - 1]) < 0; place--) {
        keys[place] = keys[place - 1];
    }
    keys[place] = *key;
    return true;
}

/* Add one key, or allow more to one that is there. */
static bool add_key(struct tls_key_service *service, EVP_PKEY *key, bool may_decrypt)
{
    struct held_key new = {.key = key};
    bool rsa = EVP_PKEY_id(key) == EVP_PKEY_RSA;
    if (!tls_key_name(key, new.name)) {
        return false;
    }
    struct held_key *known = find(service, new.name);
    if (known != NULL) {
        known->may_decrypt = known->may_decrypt || (may_decrypt && rsa);
        return true;
    }
    new.may_decrypt = may_decrypt &&rsa;
    bool good = (!rsa || tls_key_decrypt_secret(key, new.secret)) && insert(service, &new);
    if (good) {
        EVP_PKEY_up_ref(key);
    }
    OPENSSL_cleanse(&new, sizeof new);
    return good;
}

bool tls_key_service_add(struct tls_key_service *service, const struct tls_credentials *credentials,
                         bool may_decrypt)
{
    bool good = true;
    for (size_t i = 0; good && i < credentials->count; i++) {
        good = add_key(service, credentials->items[i].key, may_decrypt);
    }
    const struct tls_sni_table *sni = credentials->sni;
    for (size_t i = 0; good && sni != NULL && i < sni->set_count; i++) {
        good = tls_key_service_add(service, sni->sets[i].credentials, may_decrypt);
    }
    return good;
}

/* Make the signature. */
static bool make_signature(EVP_PKEY *key, const struct tls_signature_rule *rule,
                           const struct tls_key_request *request, uint8_t *out, size_t *length)
{
    EVP_MD_CTX context;
    EVP_PKEY_CTX *key_context = NULL; /* belongs to CONTEXT */
    EVP_MD_CTX_init(&context);
    bool good =
        EVP_DigestSignInit(&context, &key_context, rule->md != NULL ? rule->md() : NULL, NULL,
                           key) == 1 &&
        (!rule->pss || (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1 &&
                        EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, -1) == 1)) &&
        EVP_DigestSign(&context, out, length, request->input, request->input_length) == 1;
    EVP_MD_CTX_cleanup(&context);
    ERR_clear_error();
    return good;
}

static enum tls_key_status sign(const struct held_key *held, const struct tls_key_request *request,
                                uint8_t *out, size_t *length)
{
    enum tls_signed_form form = tls_signed_form(request->input, request->input_length);
    if (form == TLS_SIGNED_NOTHING) {
        return TLS_KEY_BAD_INPUT;
    }
    const struct tls_signature_rule *rule = tls_signature_rule(held->key, request->scheme, form);
    if (rule == NULL) {
        return TLS_KEY_BAD_SCHEME;
    }
    return make_signature(held->key, rule, request, out, length) ? TLS_KEY_DONE : TLS_KEY_FAILED;
}

static enum tls_key_status decrypt(const struct held_key *held,
                                   const struct tls_key_request *request, uint8_t *out,
                                   size_t *length)
{
    if (!held->may_decrypt) {
        return TLS_KEY_NOT_ALLOWED;
    }
    size_t size = (size_t)EVP_PKEY_size(held->key);
    if (size > *length ||
        !tls_key_decrypt(held->key, held->secret, request->input, request->input_length, out)) {
        return TLS_KEY_FAILED;
    }
    *length = size;
    return TLS_KEY_DONE;
}

size_t tls_key_service_answer(const struct tls_key_service *service, const uint8_t *request,
                              size_t length, uint8_t answer[TLS_KEY_ANSWER_MAX],
                              enum tls_key_status *status)
{
    struct tls_key_request parsed;
    uint8_t *out = answer + TLS_KEY_ANSWER_HEAD;
    struct tls_key_answer result = {.status = TLS_KEY_MALFORMED, .output = out};
    size_t made = TLS_KEY_OUTPUT_MAX;
    if (tls_key_request_parse(request, length, &parsed)) {
        const struct held_key *held = find(service, parsed.key);
        result.status = held == NULL                  ? TLS_KEY_UNKNOWN_KEY
                        : parsed.task == TLS_KEY_SIGN ? sign(held, &parsed, out, &made)
                                                      : decrypt(held, &parsed, out, &made);
    }
    result.id = parsed.id;
    result.output_length = result.status == TLS_KEY_DONE ? made : 0;
    if (status != NULL) {
        *status = result.status;
    }
    return tls_key_answer_write(&result, answer);
}

bool tls_key_rate_take(struct tls_key_rate *rate, double now)
{
    double refilled = (now - rate->since) * TLS_KEY_RATE;
    rate->spent = rate->spent > refilled ? rate->spent - refilled : 0.;
    rate->since = now;
    if (rate->spent + 1. > TLS_KEY_RATE) {
        return false;
    }
    rate->spent += 1.;
    return true;
}
