/*
 * cipher_words.h: the words of OpenSSL's cipher strings (ciphers(1)) that BoringSSL does not have,
 * or has with another meaning.
 */
#ifndef GATEPOST_TLS_CIPHER_WORDS_H
#define GATEPOST_TLS_CIPHER_WORDS_H

#include <stdbool.h>
#include <stddef.h>

enum cipher_word_kind {
    CIPHER_WORD_EMPTY,   /* a keyword that selects nothing in today's OpenSSL either */
    CIPHER_WORD_LACKING, /* OpenSSL has such suites, BoringSSL does not */
    CIPHER_WORD_UNKNOWN, /* means nothing to either */
};

/* What an expression ("CAMELLIA", "kDHE+AES256") is, given that BoringSSL refuses it. */
enum cipher_word_kind tls_cipher_word_kind(const char *expression);

/* EXPRESSION with the words that BoringSSL reads otherwise replaced, into OUT. False: too long. */
bool tls_cipher_words_translate(const char *expression, char *out, size_t size);

/* Does EXPRESSION name triple DES? */
bool tls_cipher_words_name_3des(const char *expression);

#endif
