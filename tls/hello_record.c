/* hello_record.c: see hello_record.h. */
#include "tls/hello_record.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bytestring.h>
#include <openssl/sha.h>

#include "tls/library.h"

#define RANDOM_SIZE 32
#define GREASE 0x0a0a
/* Extensions whose numbers not every library's headers have. */
#define EXTENSION_ENCRYPTED_HELLO 0xfe0d

/* What of an extension counts. */
enum treatment {
    TREAT_WHOLE,
    TREAT_DROPPED,   /* it might as well not be there */
    TREAT_PRESENCE,  /* that it is there */
    TREAT_LIST8,     /* a list of 16-bit numbers with a length of one byte: GREASE is one */
    TREAT_LIST16,    /* the same with two */
    TREAT_KEY_SHARES /* the groups */
};

static enum treatment treatment_of(uint16_t type)
{
    switch (type) {
    case TLSEXT_TYPE_padding:
    case TLSEXT_TYPE_pre_shared_key:
    case TLSEXT_TYPE_early_data:
        return TREAT_DROPPED;
    case TLSEXT_TYPE_server_name:
    case TLSEXT_TYPE_session_ticket:
    case TLSEXT_TYPE_cookie:
    case EXTENSION_ENCRYPTED_HELLO:
        return TREAT_PRESENCE;
    case TLSEXT_TYPE_supported_versions:
        return TREAT_LIST8;
    case TLSEXT_TYPE_supported_groups:
    case TLSEXT_TYPE_signature_algorithms:
        return TREAT_LIST16;
    case TLSEXT_TYPE_key_share:
        return TREAT_KEY_SHARES;
    default:
        return TREAT_WHOLE;
    }
}

/* One value for all that are GREASE: 0x0a0a, 0x1a1a, ... 0xfafa. */
static uint16_t without_grease(uint16_t value)
{
    return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff) ? GREASE : value;
}

static void hash_number(SHA256_CTX *hash, uint16_t value)
{
    const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    SHA256_Update(hash, bytes, sizeof bytes);
}

/* A string with its length, so that no two rows of strings look alike. */
static void hash_bytes(SHA256_CTX *hash, CBS bytes)
{
    hash_number(hash, (uint16_t)CBS_len(&bytes));
    SHA256_Update(hash, CBS_data(&bytes), CBS_len(&bytes));
}

/* A list of numbers. */
static void hash_list(SHA256_CTX *hash, CBS list)
{
    uint16_t value;
    hash_number(hash, (uint16_t)CBS_len(&list));
    while (CBS_get_u16(&list, &value)) {
        hash_number(hash, without_grease(value));
    }
    SHA256_Update(hash, CBS_data(&list), CBS_len(&list));
}

/* The groups of key_share, and the lengths of their keys; false: it is malformed. */
static bool hash_key_shares(SHA256_CTX *hash, CBS body)
{
    CBS shares, key;
    uint16_t group;
    if (!CBS_get_u16_length_prefixed(&body, &shares) || CBS_len(&body) > 0) {
        return false;
    }
    while (CBS_len(&shares) > 0) {
        if (!CBS_get_u16(&shares, &group) || !CBS_get_u16_length_prefixed(&shares, &key)) {
            return false;
        }
        hash_number(hash, without_grease(group));
        hash_number(hash, (uint16_t)CBS_len(&key));
    }
    return true;
}

/* An extension. */
static void hash_extension(SHA256_CTX *hash, uint16_t type, CBS body)
{
    enum treatment treatment = treatment_of(type);
    CBS copy = body, list;
    type = without_grease(type);
    if (type == GREASE) {
        treatment = TREAT_PRESENCE;
    }
    if (treatment == TREAT_DROPPED) {
        return;
    }
    hash_number(hash, type);
    switch (treatment) {
    case TREAT_DROPPED:
    case TREAT_PRESENCE:
        return;
    case TREAT_LIST8:
        if (CBS_get_u8_length_prefixed(&copy, &list) && CBS_len(&copy) == 0) {
            hash_list(hash, list);
            return;
        }
        break;
    case TREAT_LIST16:
        if (CBS_get_u16_length_prefixed(&copy, &list) && CBS_len(&copy) == 0) {
            hash_list(hash, list);
            return;
        }
        break;
    case TREAT_KEY_SHARES:
        if (hash_key_shares(hash, body)) {
            return;
        }
        break;
    case TREAT_WHOLE:
        break;
    }
    hash_bytes(hash, body);
}

/* All of HELLO that counts, as far as it is well formed; the rest as it is. */
static void hash_hello(SHA256_CTX *hash, CBS *hello)
{
    CBS part, extensions, body;
    uint16_t number;
    if (CBS_get_u16(hello, &number)) {
        hash_number(hash, number);
    }
    if (!CBS_skip(hello, RANDOM_SIZE) || !CBS_get_u8_length_prefixed(hello, &part) ||
        !CBS_get_u16_length_prefixed(hello, &part)) {
        return;
    }
    hash_list(hash, part);
    if (!CBS_get_u8_length_prefixed(hello, &part)) {
        return;
    }
    hash_bytes(hash, part); /* compression methods */
    if (!CBS_get_u16_length_prefixed(hello, &extensions)) {
        return;
    }
    while (CBS_get_u16(&extensions, &number) && CBS_get_u16_length_prefixed(&extensions, &body)) {
        hash_extension(hash, number, body);
    }
    SHA256_Update(hash, CBS_data(&extensions), CBS_len(&extensions));
}

void tls_hello_digest(const uint8_t *bytes, size_t length, uint8_t digest[TLS_HELLO_DIGEST_SIZE])
{
    uint8_t whole[SHA256_DIGEST_LENGTH];
    SHA256_CTX hash;
    CBS hello;
    CBS_init(&hello, bytes, length);
    SHA256_Init(&hash);
    hash_hello(&hash, &hello);
    SHA256_Update(&hash, CBS_data(&hello), CBS_len(&hello));
    SHA256_Final(whole, &hash);
    memcpy(digest, whole, TLS_HELLO_DIGEST_SIZE);
}

void tls_hello_record_take(struct tls_hello_record *record, const uint8_t *bytes, size_t length)
{
    if (record->taken) {
        return;
    }
    record->taken = true;
    tls_hello_digest(bytes, length, record->digest);
    if (length > TLS_HELLO_RECORD_MAX || (record->bytes = malloc(length)) == NULL) {
        return;
    }
    memcpy(record->bytes, bytes, length);
    record->length = length;
}

void tls_hello_record_forget(struct tls_hello_record *record)
{
    free(record->bytes);
    record->bytes = NULL;
    record->length = 0;
}
