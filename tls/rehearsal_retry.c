/*
 * rehearsal_retry.c: see rehearsal_retry.h. A share that a server accepts is got from the library's
 * own client, so that no group needs to be known here.
 */
#include "tls/rehearsal_retry.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/mem.h>

#include "tls/groups.h"
#include "tls/library.h"

#define RANDOM_SIZE 32
#define RECORD_HEAD 5
#define MESSAGE_HEAD 4

static const uint8_t retry_random[RANDOM_SIZE] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

bool rehearsal_retry_asks(CBS body, uint16_t *group)
{
    CBS random, session, extensions, data;
    uint16_t type, asked = 0;
    if (!CBS_skip(&body, 2) || !CBS_get_bytes(&body, &random, RANDOM_SIZE) ||
        !CBS_mem_equal(&random, retry_random, RANDOM_SIZE) ||
        !CBS_get_u8_length_prefixed(&body, &session) || !CBS_skip(&body, 3) ||
        !CBS_get_u16_length_prefixed(&body, &extensions)) {
        return false;
    }
    while (CBS_get_u16(&extensions, &type) && CBS_get_u16_length_prefixed(&extensions, &data)) {
        if (type == TLSEXT_TYPE_key_share && !CBS_get_u16(&data, &asked)) {
            return false;
        }
    }
    *group = asked;
    return asked != 0;
}

/* Split a hello into what stands before its extensions, and them. */
static bool split(CBS hello, CBS *before, CBS *extensions)
{
    CBS part, rest = hello;
    if (!CBS_skip(&rest, 2 + RANDOM_SIZE) || !CBS_get_u8_length_prefixed(&rest, &part) ||
        !CBS_get_u16_length_prefixed(&rest, &part) || !CBS_get_u8_length_prefixed(&rest, &part)) {
        return false;
    }
    CBS_init(before, CBS_data(&hello), CBS_len(&hello) - CBS_len(&rest));
    return CBS_get_u16_length_prefixed(&rest, extensions) && CBS_len(&rest) == 0;
}

/* The body of the key_share extension of a hello by the library's client, written to OUT. */
static bool find_share(CBS hello, CBB *out)
{
    CBS before, extensions, data;
    uint16_t type;
    if (!split(hello, &before, &extensions)) {
        return false;
    }
    while (CBS_get_u16(&extensions, &type) && CBS_get_u16_length_prefixed(&extensions, &data)) {
        if (type == TLSEXT_TYPE_key_share) {
            return CBB_add_bytes(out, CBS_data(&data), CBS_len(&data)) == 1;
        }
    }
    return false;
}

/* Have the library's client make the body of a key_share extension with one share, of GROUP. */
static bool make_share(uint16_t group, CBB *out)
{
    const uint8_t *bytes;
    size_t length;
    CBS hello;
    const char *name = SSL_get_curve_name(group);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    BIO *in = BIO_new(BIO_s_mem()), *wire = BIO_new(BIO_s_mem());
    SSL *client = context != NULL ? SSL_new(context) : NULL;
    bool good = name != NULL && in != NULL && wire != NULL && client != NULL &&
                SSL_set_min_proto_version(client, TLS1_3_VERSION) == 1 &&
                SSL_set1_curves_list(client, name) == 1;
    if (good) {
        BIO_up_ref(in);
        BIO_up_ref(wire);
        SSL_set_bio(client, in, wire);
        SSL_connect(client);
        good = BIO_mem_contents(wire, &bytes, &length) == 1 && length > RECORD_HEAD + MESSAGE_HEAD;
    }
    if (good) {
        CBS_init(&hello, bytes + RECORD_HEAD + MESSAGE_HEAD, length - RECORD_HEAD - MESSAGE_HEAD);
        good = find_share(hello, out);
    }
    SSL_free(client);
    SSL_CTX_free(context);
    BIO_free(in);
    BIO_free(wire);
    return good;
}

/* Write the body of a key_share extension with one share, of GROUP, to OUT. Nothing is protected by
 * it, so one for each group will do. */
static bool add_share(uint16_t group, CBB *out)
{
    static struct {
        uint16_t group;
        uint8_t *bytes;
        size_t length;
    } made[TLS_GROUPS_MAX];
    size_t place = 0;
    while (place < TLS_GROUPS_MAX && made[place].group != group && made[place].group != 0) {
        place++;
    }
    if (place == TLS_GROUPS_MAX) {
        return make_share(group, out);
    }
    if (made[place].group == 0) {
        CBB share;
        if (!CBB_init(&share, 256) || !make_share(group, &share) ||
            !CBB_finish(&share, &made[place].bytes, &made[place].length)) {
            CBB_cleanup(&share);
            return false;
        }
        made[place].group = group;
    }
    return CBB_add_bytes(out, made[place].bytes, made[place].length) == 1;
}

/* Copy EXTENSIONS to OUT with another key_share. */
static bool copy_extensions(CBS extensions, uint16_t group, CBB *out)
{
    CBS data;
    CBB body;
    uint16_t type;
    while (CBS_len(&extensions) > 0) {
        if (!CBS_get_u16(&extensions, &type) || !CBS_get_u16_length_prefixed(&extensions, &data)) {
            return false;
        }
        if (type == TLSEXT_TYPE_early_data) {
            continue;
        }
        if (!CBB_add_u16(out, type) || !CBB_add_u16_length_prefixed(out, &body) ||
            !(type == TLSEXT_TYPE_key_share
                  ? add_share(group, &body)
                  : CBB_add_bytes(&body, CBS_data(&data), CBS_len(&data)) == 1) ||
            !CBB_flush(out)) {
            return false;
        }
    }
    return true;
}

bool rehearsal_retry_hello(const uint8_t *bytes, size_t length, uint16_t group, uint8_t **out,
                           size_t *out_length)
{
    CBS hello, before, extensions;
    CBB cbb, list;
    CBS_init(&hello, bytes, length);
    if (!split(hello, &before, &extensions) || !CBB_init(&cbb, length + 256)) {
        return false;
    }
    bool good = CBB_add_bytes(&cbb, CBS_data(&before), CBS_len(&before)) &&
                CBB_add_u16_length_prefixed(&cbb, &list) &&
                copy_extensions(extensions, group, &list) && CBB_finish(&cbb, out, out_length);
    CBB_cleanup(&cbb);
    return good;
}
