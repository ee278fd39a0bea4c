#include "proxy/observation.h"

#include <string.h>

#define HEAD 3 /* kind and length */

/* Terms of sums. NOLINTBEGIN(bugprone-macro-parentheses) */
#define ADD_SIZE(field, size) +(size)
#define ADD_ONE(field, longest) +1
#define ADD_LONGEST(field, longest) +1 + (longest)
/* NOLINTEND(bugprone-macro-parentheses) */
#define FIXED_SIZE (0 OBSERVATION_NUMBERS(ADD_SIZE) + 16 + OBSERVATION_DIGEST_SIZE)

_Static_assert(HEAD + FIXED_SIZE OBSERVATION_TEXTS(ADD_LONGEST) <= OBSERVATION_SESSION_MAX,
               "a session fits");
_Static_assert(HEAD + FIXED_SIZE OBSERVATION_TEXTS(ADD_ONE) + OBSERVATION_HELLO_MAX <=
                   OBSERVATION_MAX,
               "a hello fits");
_Static_assert(OBSERVATION_MAX <= 65535, "its length fits into its field");

/* Where a field is, and what it may be. */
struct number_field {
    size_t offset;
    size_t size;
};
struct text_field {
    size_t offset;
    size_t longest;
};

static const struct number_field number_fields[] = {
#define NUMBER_FIELD(field, size) {offsetof(struct observation, field), size},
    OBSERVATION_NUMBERS(NUMBER_FIELD)
#undef NUMBER_FIELD
};

static const struct text_field text_fields[] = {
#define TEXT_FIELD(field, longest) {offsetof(struct observation, field), longest},
    OBSERVATION_TEXTS(TEXT_FIELD)
#undef TEXT_FIELD
};

#define NUMBER_COUNT (sizeof(number_fields) / sizeof(number_fields[0]))
#define TEXT_COUNT (sizeof(text_fields) / sizeof(text_fields[0]))

struct observation_text observation_text(const char *text)
{
    return (struct observation_text){.bytes = text, .length = text != NULL ? strlen(text) : 0};
}

struct observation_text observation_end(const char *file)
{
    size_t length = strlen(file);
    size_t most = length < OBSERVATION_FILE_MAX ? length : OBSERVATION_FILE_MAX;

    return (struct observation_text){.bytes = file + length - most, .length = most};
}

bool observation_has_digest(const struct observation *observation)
{
    static const uint8_t none[OBSERVATION_DIGEST_SIZE];

    return memcmp(observation->digest, none, sizeof(none)) != 0;
}

/* VALUE in SIZE bytes, or the largest that fits there. */
static uint8_t *put_number(uint8_t *out, uint64_t value, size_t size)
{
    if (size < 8 && value >> (8 * size) != 0)
        value = ((uint64_t)1 << (8 * size)) - 1;
    for (size_t i = size; i > 0; i--)
        *out++ = (uint8_t)(value >> (8 * (i - 1)));
    return out;
}

static uint64_t take_number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* Field number I of OBSERVATION's texts, as it will be written. */
static struct observation_text written_text(const struct observation *observation, size_t i)
{
    struct observation_text text;

    memcpy(&text, (const char *)observation + text_fields[i].offset, sizeof(text));
    if (text.length > text_fields[i].longest)
        text.length = text_fields[i].longest;
    return text;
}

/* What OBSERVATION will take, without its head. */
static size_t written_size(const struct observation *observation)
{
    size_t size = FIXED_SIZE + observation->hello_length;

    for (size_t i = 0; i < TEXT_COUNT; i++)
        size += 1 + written_text(observation, i).length;
    return size;
}

/* Can this be? Of what is written as of what is read. */
static bool sensible(const struct observation *observation)
{
    if (observation->kind == OBSERVATION_HELLO)
        return observation->hello_length > 0 &&
               observation->hello_length <= OBSERVATION_HELLO_MAX && observation->family == 0 &&
               observation_has_digest(observation);
    return observation->kind == OBSERVATION_SESSION && observation->hello_length == 0 &&
           (observation->family == 0 || observation->family == 4 || observation->family == 6) &&
           observation->tls <= OBSERVATION_TLS_LAST && observation->resumed <= 1 &&
           observation->chance <= OBSERVATION_CHANCE_LAST &&
           observation->cleartext_messages <= observation->messages;
}

size_t observation_write(const struct observation *observation, uint8_t *out, size_t room)
{
    size_t size = written_size(observation);

    if (!sensible(observation) || room < HEAD + size)
        return 0;
    out = put_number(out, (uint64_t)observation->kind, 1);
    out = put_number(out, size, 2);
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        uint64_t value;
        memcpy(&value, (const char *)observation + number_fields[i].offset, sizeof(value));
        out = put_number(out, value, number_fields[i].size);
    }
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        struct observation_text text = written_text(observation, i);
        *out++ = (uint8_t)text.length;
        if (text.length > 0)
            memcpy(out, text.bytes, text.length);
        out += text.length;
    }
    memcpy(out, observation->address, sizeof(observation->address));
    out += sizeof(observation->address);
    memcpy(out, observation->digest, sizeof(observation->digest));
    out += sizeof(observation->digest);
    if (observation->hello_length > 0)
        memcpy(out, observation->hello, observation->hello_length);
    return HEAD + size;
}

/* All texts, from *AT to END. False: they do not fit. */
static bool read_texts(const uint8_t **at, const uint8_t *end, struct observation *observation)
{
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (*at == end)
            return false;
        struct observation_text text = {.length = *(*at)++};
        if (text.length > text_fields[i].longest || text.length > (size_t)(end - *at))
            return false;
        text.bytes = text.length > 0 ? (const char *)*at : NULL;
        memcpy((char *)observation + text_fields[i].offset, &text, sizeof(text));
        *at += text.length;
    }
    return true;
}

/* What is between AT and END, of an observation whose kind is set. */
static bool read_body(const uint8_t *at, const uint8_t *end, struct observation *observation)
{
    if ((size_t)(end - at) < FIXED_SIZE)
        return false;
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        uint64_t value = take_number(at, number_fields[i].size);
        memcpy((char *)observation + number_fields[i].offset, &value, sizeof(value));
        at += number_fields[i].size;
    }
    if (!read_texts(&at, end, observation) ||
        (size_t)(end - at) < sizeof(observation->address) + sizeof(observation->digest))
        return false;
    memcpy(observation->address, at, sizeof(observation->address));
    at += sizeof(observation->address);
    memcpy(observation->digest, at, sizeof(observation->digest));
    at += sizeof(observation->digest);
    observation->hello = at < end ? at : NULL;
    observation->hello_length = (size_t)(end - at);
    return sensible(observation);
}

int observation_read(const uint8_t **bytes, size_t *length, struct observation *observation)
{
    const uint8_t *at = *bytes;

    *observation = (struct observation){0};
    if (*length == 0)
        return 0;
    if (*length < HEAD)
        return -1;
    size_t size = (size_t)take_number(at + 1, 2);
    if (size > *length - HEAD)
        return -1;
    observation->kind = at[0];
    if (!read_body(at + HEAD, at + HEAD + size, observation))
        return -1;
    *bytes += HEAD + size;
    *length -= HEAD + size;
    return 1;
}
