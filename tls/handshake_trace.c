/* handshake_trace.c: see handshake_trace.h. */
#include "tls/handshake_trace.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bytestring.h>

#include "tls/library.h"

#define HEADER 4 /* of a handshake message: type and length */
#define RANDOM_SIZE 32

struct tls_handshake_trace *tls_trace_new(void)
{
    struct tls_handshake_trace *trace = calloc(1, sizeof *trace);
    if (trace != NULL) {
        trace->alert = TLS_NO_ALERT;
    }
    return trace;
}

void tls_trace_free(struct tls_handshake_trace *trace)
{
    if (trace != NULL) {
        free(trace->hello);
    }
    free(trace);
}

/* The end of what came. */
static void keep_last(struct tls_handshake_trace *trace, const uint8_t *bytes, size_t length)
{
    size_t fresh = length < TLS_TRACE_LAST ? length : TLS_TRACE_LAST;
    memmove(trace->last, trace->last + fresh, TLS_TRACE_LAST - fresh);
    memcpy(trace->last + TLS_TRACE_LAST - fresh, bytes + length - fresh, fresh);
}

void tls_trace_bytes(struct tls_handshake_trace *trace, const void *bytes, size_t length)
{
    if (trace == NULL) {
        return;
    }
    keep_last(trace, bytes, length);
    size_t room = sizeof trace->first - trace->first_length;
    length = length > room ? room : length;
    memcpy(trace->first + trace->first_length, bytes, length);
    trace->first_length += length;
}

/* Keep a ClientHello's body, unless there is one. */
static void keep_hello(struct tls_handshake_trace *trace, const uint8_t *body, size_t length)
{
    trace->stage = trace->stage < TLS_STAGE_HELLO ? TLS_STAGE_HELLO : trace->stage;
    if (trace->hello != NULL || length > TLS_TRACE_HELLO_MAX) {
        return;
    }
    trace->hello = malloc(length + 1); /* never of no size */
    if (trace->hello != NULL) {
        memcpy(trace->hello, body, length);
        trace->hello_length = length;
    }
}

/* A CLIENT-HELLO in the form of SSL 2.0 (RFC 5246 appendix E.2) becomes what it means. */
static void keep_ssl2_hello(struct tls_handshake_trace *trace, const uint8_t *bytes, size_t length)
{
    CBS message, specs, spec;
    uint8_t type, *out = NULL;
    uint16_t version, specs_length, session_id_length, challenge_length;
    size_t out_length = 0;
    CBB hello, suites;
    static const uint8_t zeroes[RANDOM_SIZE];
    CBS_init(&message, bytes, length);
    if (!CBS_get_u8(&message, &type) || !CBS_get_u16(&message, &version) ||
        !CBS_get_u16(&message, &specs_length) || !CBS_get_u16(&message, &session_id_length) ||
        !CBS_get_u16(&message, &challenge_length) ||
        !CBS_get_bytes(&message, &specs, specs_length)) {
        return;
    }
    bool good = CBB_init(&hello, length + RANDOM_SIZE) && CBB_add_u16(&hello, version) &&
                CBB_add_bytes(&hello, zeroes, sizeof zeroes) && CBB_add_u8(&hello, 0) &&
                CBB_add_u16_length_prefixed(&hello, &suites);
    while (good && CBS_get_bytes(&specs, &spec, 3)) {
        const uint8_t *number = CBS_data(&spec);
        good = number[0] != 0 || CBB_add_bytes(&suites, number + 1, 2);
    }
    if (good && CBB_add_u8(&hello, 1) && CBB_add_u8(&hello, 0) &&
        CBB_finish(&hello, &out, &out_length)) {
        keep_hello(trace, out, out_length);
        OPENSSL_free(out);
    } else {
        CBB_cleanup(&hello);
    }
}

/* HelloRetryRequest is a ServerHello with a certain random (RFC 8446 section 4.1.3). */
static bool is_retry(const uint8_t *bytes, size_t length)
{
    static const uint8_t begin[] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11};
    const size_t at = HEADER + 2;
    return length >= at + sizeof begin && memcmp(bytes + at, begin, sizeof begin) == 0;
}

/* A handshake message; BYTES has its header too. */
static void note_handshake(struct tls_handshake_trace *trace, bool is_write, const uint8_t *bytes,
                           size_t length)
{
    if (length < HEADER) {
        return;
    }
    if (!is_write && bytes[0] == SSL3_MT_CLIENT_HELLO) {
        keep_hello(trace, bytes + HEADER, length - HEADER);
    } else if (!is_write) {
        trace->stage = TLS_STAGE_CLIENT_REPLY;
    } else if (bytes[0] == SSL3_MT_SERVER_HELLO) {
        trace->stage = is_retry(bytes, length) ? TLS_STAGE_RETRY : TLS_STAGE_SERVER_HELLO;
    }
}

void tls_trace_message(struct tls_handshake_trace *trace, int is_write, int content_type,
                       const uint8_t *bytes, size_t length)
{
    if (trace == NULL) {
        return;
    }
    if (content_type == SSL3_RT_HANDSHAKE) {
        note_handshake(trace, is_write != 0, bytes, length);
    } else if (content_type == SSL3_RT_ALERT && is_write == 0 && length == 2) {
        trace->alert = bytes[1];
    } else if (content_type == 0 && is_write == 0) {
        keep_ssl2_hello(trace, bytes, length);
    }
}

int tls_trace_alert(const struct tls_handshake_trace *trace)
{
    const uint8_t *last = trace->last;
    if (trace->alert == TLS_NO_ALERT && trace->stage > TLS_STAGE_BEGIN &&
        last[0] == SSL3_RT_ALERT && last[1] == SSL3_VERSION_MAJOR && last[3] == 0 && last[4] == 2 &&
        (last[5] == SSL3_AL_WARNING || last[5] == SSL3_AL_FATAL)) {
        return last[6];
    }
    return trace->alert;
}
