/*
 * key_service.h: private keys, and answers to those who need them: bytes in, bytes out. Belongs to
 * the process that alone holds keys; whoever asks is not trusted with anything but what comes out.
 */
#ifndef GATEPOST_TLS_KEY_SERVICE_H
#define GATEPOST_TLS_KEY_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/context.h"
#include "tls/key_message.h"

struct tls_key_service;

/* Without a key. NULL only if memory is out. Freeing wipes the keys that nobody else refers to. */
struct tls_key_service *tls_key_service_new(void);
void tls_key_service_free(struct tls_key_service *service);

/*
 * Add the keys of CREDENTIALS, those for other names too, by reference. MAY_DECRYPT: some policy
 * that they serve has suites with RSA key exchange. False only if memory is out.
 */
bool tls_key_service_add(struct tls_key_service *service, const struct tls_credentials *credentials,
                         bool may_decrypt);

/*
 * Answer a request. Always writes an answer; returns its length. *STATUS (may be NULL) is what the
 * answer says. What is in ANSWER may be secret: wipe it when it is sent.
 */
size_t tls_key_service_answer(const struct tls_key_service *service, const uint8_t *request,
                              size_t length, uint8_t answer[TLS_KEY_ANSWER_MAX],
                              enum tls_key_status *status);

/*
 * How often one worker may ask, so that who has taken over a worker cannot have keys used at will:
 * a bucket that is refilled with time. Far above what one worker can need. Begin with {0}.
 */
#define TLS_KEY_RATE 10000. /* requests a second, and at once */
struct tls_key_rate {
    double spent;
    double since;
};

/* May a request be answered at NOW (seconds, never going back)? True: it has been counted. */
bool tls_key_rate_take(struct tls_key_rate *rate, double now);

#endif
