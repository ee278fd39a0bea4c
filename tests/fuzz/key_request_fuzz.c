/*
 * key_request_fuzz.c: what a worker sends to the key process, and what the key process answers.
 * Input: a byte that says which key's name is put in place, then a request. Whatever comes, there
 * is a well-formed answer of the same id; a signature is made of what a TLS server signs only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "tls/credentials.h"
#include "tls/key_client.h"
#include "tls/key_name.h"
#include "tls/key_rules.h"
#include "tls/key_service.h"
#include "tls/selfsigned.h"

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

#define KEYS 3
static struct tls_key_service *service;
static uint8_t names[KEYS][TLS_KEY_NAME_SIZE];

/* One key of each kind, the same in all runs of this process. */
static void make_service(void)
{
    static const enum tls_key_kind kinds[KEYS] = {TLS_KEY_ECDSA_P256, TLS_KEY_RSA_2048,
                                                  TLS_KEY_ED25519};
    struct tls_credential made[KEYS];
    const struct tls_credentials credentials = {.items = made, .count = KEYS};
    service = tls_key_service_new();
    for (size_t i = 0; i < KEYS; i++) {
        check(tls_selfsigned_make(kinds[i], "mx.test", 1, &made[i]));
        check(tls_key_name(made[i].key, names[i]));
    }
    check(tls_key_service_add(service, &credentials, true));
    for (size_t i = 0; i < KEYS; i++) {
        tls_credential_clear(&made[i]);
    }
}

static int no_way(void *arg, const uint8_t *packet, size_t length)
{
    (void)arg;
    (void)packet;
    (void)length;
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t request[TLS_KEY_REQUEST_MAX + 1], answer[TLS_KEY_ANSWER_MAX];
    struct tls_key_request parsed;
    struct tls_key_answer told;
    enum tls_key_status status;
    if (service == NULL) {
        make_service();
    }
    if (size == 0 || size > sizeof request) {
        return 0;
    }
    uint8_t which = *data++;
    memcpy(request, data, --size);
    if (which < KEYS && size >= TLS_KEY_REQUEST_HEAD) {
        memcpy(request + TLS_KEY_REQUEST_HEAD - TLS_KEY_NAME_SIZE, names[which], TLS_KEY_NAME_SIZE);
    }
    size_t length = tls_key_service_answer(service, request, size, answer, &status);
    check(tls_key_answer_parse(answer, length, &told));
    check(told.status == status && (told.output_length > 0) == (status == TLS_KEY_DONE));
    bool good = tls_key_request_parse(request, size, &parsed);
    check(told.id == parsed.id && good == (status != TLS_KEY_MALFORMED));
    if (status == TLS_KEY_DONE && parsed.task == TLS_KEY_SIGN) {
        check(tls_signed_form(parsed.input, parsed.input_length) != TLS_SIGNED_NOTHING);
    }
    if (status == TLS_KEY_DONE && parsed.task == TLS_KEY_DECRYPT) {
        check(told.output_length == 256 && told.output[0] == 0 && told.output[1] == 2);
    }
    /* The other side, with the same bytes for an answer that nobody waits for. */
    struct tls_key_client *client = tls_key_client_new(no_way, NULL);
    tls_key_client_receive(client, request, size);
    tls_key_client_free(client);
    return 0;
}
