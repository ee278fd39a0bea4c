/*
 * key_message.h: what a worker and the key process say to each other, one message a packet: "sign
 * this", "decrypt this", and the answer. Pure: bytes in, fields out.
 *
 *   request: id (4 bytes), task (1), signature scheme (2; 0 to decrypt), key (32), input
 *   answer:  id (4), status (1), output (empty unless the status is TLS_KEY_DONE)
 *
 * Numbers are big endian. A key is named by the SHA-256 of its SubjectPublicKeyInfo.
 */
#ifndef GATEPOST_TLS_KEY_MESSAGE_H
#define GATEPOST_TLS_KEY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_KEY_NAME_SIZE 32
#define TLS_KEY_INPUT_MAX 2048  /* a block of RSA-16384 */
#define TLS_KEY_OUTPUT_MAX 5120 /* a signature of ML-DSA-87 */
#define TLS_KEY_REQUEST_HEAD (4 + 1 + 2 + TLS_KEY_NAME_SIZE)
#define TLS_KEY_REQUEST_MAX (TLS_KEY_REQUEST_HEAD + TLS_KEY_INPUT_MAX)
#define TLS_KEY_ANSWER_HEAD (4 + 1)
#define TLS_KEY_ANSWER_MAX (TLS_KEY_ANSWER_HEAD + TLS_KEY_OUTPUT_MAX)

enum tls_key_task { TLS_KEY_SIGN = 1, TLS_KEY_DECRYPT = 2 };

/* X(suffix, for people) */
#define TLS_KEY_STATUS_TABLE(X)                                                                    \
    X(DONE, "done")                                                                                \
    X(MALFORMED, "malformed request")                                                              \
    X(UNKNOWN_KEY, "no such key")                                                                  \
    X(BAD_SCHEME, "the signature scheme does not fit the key")                                     \
    X(BAD_INPUT, "not what a TLS server signs")                                                    \
    X(NOT_ALLOWED, "no policy allows to decrypt with this key")                                    \
    X(FAILED, "the library failed")

enum tls_key_status {
#define TLS_KEY_STATUS_MEMBER(suffix, text) TLS_KEY_##suffix,
    TLS_KEY_STATUS_TABLE(TLS_KEY_STATUS_MEMBER)
#undef TLS_KEY_STATUS_MEMBER
        TLS_KEY_STATUS_COUNT
};
const char *tls_key_status_text(enum tls_key_status status);

struct tls_key_request {
    uint32_t id; /* the worker's */
    enum tls_key_task task;
    uint16_t scheme;
    const uint8_t *key;   /* TLS_KEY_NAME_SIZE bytes */
    const uint8_t *input; /* both borrowed from the bytes */
    size_t input_length;  /* 1 to TLS_KEY_INPUT_MAX */
};

struct tls_key_answer {
    uint32_t id;
    enum tls_key_status status;
    const uint8_t *output; /* borrowed */
    size_t output_length;
};

/* False: not such a message. A request's id is set whenever the bytes reach that far, else 0. */
bool tls_key_request_parse(const uint8_t *bytes, size_t length, struct tls_key_request *request);
bool tls_key_answer_parse(const uint8_t *bytes, size_t length, struct tls_key_answer *answer);

/* Write a message; returns its length. OUT has room for the largest one. */
size_t tls_key_request_write(const struct tls_key_request *request,
                             uint8_t out[TLS_KEY_REQUEST_MAX]);
size_t tls_key_answer_write(const struct tls_key_answer *answer, uint8_t out[TLS_KEY_ANSWER_MAX]);

#endif
