/* key_message.c: see key_message.h. */
#include "tls/key_message.h"

#include <string.h>

#include <openssl/bytestring.h>

const char *tls_key_status_text(enum tls_key_status status)
{
    static const char *const texts[] = {
#define TLS_KEY_STATUS_TEXT(suffix, text) [TLS_KEY_##suffix] = (text),
        TLS_KEY_STATUS_TABLE(TLS_KEY_STATUS_TEXT)
#undef TLS_KEY_STATUS_TEXT
    };
    return status < TLS_KEY_STATUS_COUNT ? texts[status] : "unknown";
}

bool tls_key_request_parse(const uint8_t *bytes, size_t length, struct tls_key_request *request)
{
    CBS all, key;
    uint8_t task;
    *request = (struct tls_key_request){0};
    CBS_init(&all, bytes, length);
    if (!CBS_get_u32(&all, &request->id) || !CBS_get_u8(&all, &task) ||
        !CBS_get_u16(&all, &request->scheme) || !CBS_get_bytes(&all, &key, TLS_KEY_NAME_SIZE)) {
        return false;
    }
    request->task = task;
    request->key = CBS_data(&key);
    request->input = CBS_data(&all);
    request->input_length = CBS_len(&all);
    bool known = task == TLS_KEY_SIGN || task == TLS_KEY_DECRYPT;
    return known && (task == TLS_KEY_SIGN) == (request->scheme != 0) && request->input_length > 0 &&
           request->input_length <= TLS_KEY_INPUT_MAX;
}

bool tls_key_answer_parse(const uint8_t *bytes, size_t length, struct tls_key_answer *answer)
{
    CBS all;
    uint8_t status;
    *answer = (struct tls_key_answer){0};
    CBS_init(&all, bytes, length);
    if (!CBS_get_u32(&all, &answer->id) || !CBS_get_u8(&all, &status)) {
        return false;
    }
    answer->status = status;
    answer->output = CBS_data(&all);
    answer->output_length = CBS_len(&all);
    return status < TLS_KEY_STATUS_COUNT && (status == TLS_KEY_DONE) == (CBS_len(&all) > 0) &&
           CBS_len(&all) <= TLS_KEY_OUTPUT_MAX;
}

static uint8_t *put_u32(uint8_t *out, uint32_t value)
{
    for (unsigned shift = 32; shift > 0; shift -= 8) {
        *out++ = (uint8_t)(value >> (shift - 8));
    }
    return out;
}

size_t tls_key_request_write(const struct tls_key_request *request,
                             uint8_t out[TLS_KEY_REQUEST_MAX])
{
    uint8_t *end = put_u32(out, request->id);
    *end++ = (uint8_t)request->task;
    *end++ = (uint8_t)(request->scheme >> 8);
    *end++ = (uint8_t)request->scheme;
    memcpy(end, request->key, TLS_KEY_NAME_SIZE);
    memcpy(end + TLS_KEY_NAME_SIZE, request->input, request->input_length);
    return TLS_KEY_REQUEST_HEAD + request->input_length;
}

size_t tls_key_answer_write(const struct tls_key_answer *answer, uint8_t out[TLS_KEY_ANSWER_MAX])
{
    uint8_t *end = put_u32(out, answer->id);
    *end++ = (uint8_t)answer->status;
    if (answer->output_length > 0) {
        memmove(end, answer->output, answer->output_length); /* it may have been made there */
    }
    return TLS_KEY_ANSWER_HEAD + answer->output_length;
}
