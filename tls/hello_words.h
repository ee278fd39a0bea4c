/* hello_words.h: numbers of a ClientHello as words, and sentences made of them within a bound. */
#ifndef GATEPOST_TLS_HELLO_WORDS_H
#define GATEPOST_TLS_HELLO_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/bytestring.h>

#include "tls/handshake_reason.h"

/* "TLS 1.2"; static text. */
const char *hello_version_words(uint16_t version);

/* A sentence that grows; what does not fit is cut, and the cut is shown by "...". */
struct words {
    char *out;
    size_t size;
    size_t used;
};

/* Begin REASON's text, and set its kind. */
struct words words_begin(struct tls_failure_reason *reason, enum tls_failure kind);

void words_add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "this peer's policy (PLACE)"; of a long place only the end is told. */
void words_add_policy(struct words *words, const struct tls_offer *offer);

/* "A", "A and B", "A, B and C", with JOINT ("and", "or") before the last. Of more than MOST, the
 * first ones and how many are left out. */
void words_add_list(struct words *words, const char *const *items, size_t count, const char *joint,
                    size_t most);

/* What a client sent: bytes that do not print become '?'. */
void words_add_bytes(struct words *words, const uint8_t *bytes, size_t length);

/* The groups of LIST, joined in the same way, without GREASE. */
void words_add_groups(struct words *words, CBS list, const char *joint);

#endif
