/* Observations: what goes in comes out, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/observation.h"

static const uint8_t digest[OBSERVATION_DIGEST_SIZE] = "0123456789abcde";

/* A session with something in every field: numbers 1, 2, ... of the field's size, texts of LENGTH
 * bytes. */
static struct observation full_session(char *bytes, size_t length)
{
    struct observation session = {.kind = OBSERVATION_SESSION};
    uint64_t number = 0;
    memset(bytes, 'x', length);
#define FILL_NUMBER(field, size) session.field = ++number;
    OBSERVATION_NUMBERS(FILL_NUMBER)
#undef FILL_NUMBER
#define FILL_TEXT(field, longest) session.field = (struct observation_text){bytes, length};
    OBSERVATION_TEXTS(FILL_TEXT)
#undef FILL_TEXT
    session.family = 6;
    session.tls = OBSERVATION_TLS_LAST;
    session.resumed = 1;
    session.chance = OBSERVATION_CHANCE_LAST;
    session.cleartext_messages = session.messages;
    memset(session.address, 0xfe, sizeof(session.address));
    memcpy(session.digest, digest, sizeof(digest));
    return session;
}

static void assert_same(const struct observation *read, const struct observation *written)
{
    assert_int_equal(read->kind, written->kind);
#define SAME_NUMBER(field, size) assert_int_equal(read->field, written->field);
    OBSERVATION_NUMBERS(SAME_NUMBER)
#undef SAME_NUMBER
#define SAME_TEXT(field, longest)                                                                  \
    assert_int_equal(read->field.length,                                                           \
                     written->field.length < (longest) ? written->field.length : (longest));       \
    if (read->field.length > 0)                                                                    \
        assert_memory_equal(read->field.bytes, written->field.bytes, read->field.length);
    OBSERVATION_TEXTS(SAME_TEXT)
#undef SAME_TEXT
    assert_memory_equal(read->address, written->address, 16);
    assert_memory_equal(read->digest, written->digest, OBSERVATION_DIGEST_SIZE);
    assert_int_equal(read->hello_length, written->hello_length);
    if (read->hello_length > 0)
        assert_memory_equal(read->hello, written->hello, read->hello_length);
}

/* Texts of any length, also those that are cut, and a buffer of exactly the right size. */
static void sessions_come_through(void **state)
{
    static const size_t lengths[] = {0, 1, 15, 32, 200, 255, 256, 1000};
    char text[1000];
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        const struct observation session = full_session(text, lengths[i]);
        uint8_t packet[OBSERVATION_SESSION_MAX];
        struct observation read;
        size_t written = observation_write(&session, packet, sizeof(packet));
        assert_true(written > 0);
        assert_int_equal(observation_write(&session, packet, written - 1), 0);
        assert_int_equal(observation_write(&session, packet, written), written);
        const uint8_t *at = packet;
        size_t left = written;
        assert_int_equal(observation_read(&at, &left, &read), 1);
        assert_int_equal(left, 0);
        assert_ptr_equal(at, packet + written);
        assert_same(&read, &session);
        assert_int_equal(observation_read(&at, &left, &read), 0);
    }
}

static void hellos_come_through(void **state)
{
    static const size_t lengths[] = {1, 512, OBSERVATION_HELLO_MAX};
    static uint8_t bytes[OBSERVATION_HELLO_MAX + 1];
    static uint8_t packet[OBSERVATION_MAX];
    struct observation hello = {.kind = OBSERVATION_HELLO, .time_start = 1700000000};
    struct observation read;
    (void)state;
    memcpy(hello.digest, digest, sizeof(digest));
    hello.hello = bytes;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        memset(bytes, 'a' + (int)i, sizeof(bytes));
        hello.hello_length = lengths[i];
        size_t written = observation_write(&hello, packet, sizeof(packet));
        const uint8_t *at = packet;
        assert_true(written > lengths[i]);
        assert_int_equal(observation_read(&at, &written, &read), 1);
        assert_same(&read, &hello);
    }
}

/* Several in a row, of both kinds. */
static void rows_are_read_one_by_one(void **state)
{
    static uint8_t packet[3 * OBSERVATION_SESSION_MAX];
    char text[10];
    const struct observation session = full_session(text, sizeof(text));
    struct observation hello = {
        .kind = OBSERVATION_HELLO, .hello = (const uint8_t *)"hello", .hello_length = 5};
    const struct observation *const row[] = {&session, &hello, &session};
    struct observation read;
    size_t length = 0;
    (void)state;
    memcpy(hello.digest, digest, sizeof(digest));
    for (size_t i = 0; i < 3; i++)
        length += observation_write(row[i], packet + length, sizeof(packet) - length);
    const uint8_t *at = packet;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(observation_read(&at, &length, &read), 1);
        assert_same(&read, row[i]);
    }
    assert_int_equal(observation_read(&at, &length, &read), 0);
}

/* Numbers too large for the wire become the largest. */
static void numbers_are_cut(void **state)
{
    struct observation session = {.kind = OBSERVATION_SESSION,
                                  .messages = UINT64_MAX,
                                  .bytes = UINT64_MAX,
                                  .duration_ms = (uint64_t)1 << 32,
                                  .handshake_us = UINT32_MAX};
    uint8_t packet[OBSERVATION_SESSION_MAX];
    const uint8_t *at = packet;
    struct observation read;
    size_t written = observation_write(&session, packet, sizeof(packet));
    (void)state;
    assert_int_equal(observation_read(&at, &written, &read), 1);
    assert_int_equal(read.messages, UINT32_MAX);
    assert_int_equal(read.duration_ms, UINT32_MAX);
    assert_int_equal(read.handshake_us, UINT32_MAX);
    assert_true(read.bytes == UINT64_MAX);
}

/* What cannot be is not written. */
static void nonsense_is_not_written(void **state)
{
    uint8_t packet[OBSERVATION_MAX + 1];
    struct observation hello = {.kind = OBSERVATION_HELLO, .hello = packet, .hello_length = 10};
    struct observation session = {.kind = OBSERVATION_SESSION};
    (void)state;
    assert_int_equal(observation_write(&hello, packet, sizeof(packet)), 0); /* no digest */
    memcpy(hello.digest, digest, sizeof(digest));
    hello.hello_length = 0;
    assert_int_equal(observation_write(&hello, packet, sizeof(packet)), 0);
    hello.hello_length = OBSERVATION_HELLO_MAX + 1;
    assert_int_equal(observation_write(&hello, packet, sizeof(packet)), 0);
    session.tls = OBSERVATION_TLS_LAST + 1;
    assert_int_equal(observation_write(&session, packet, sizeof(packet)), 0);
    session.tls = 0;
    session.chance = OBSERVATION_CHANCE_LAST + 1;
    assert_int_equal(observation_write(&session, packet, sizeof(packet)), 0);
    session.chance = 0;
    session.family = 5;
    assert_int_equal(observation_write(&session, packet, sizeof(packet)), 0);
    session.family = 4;
    session.cleartext_messages = 1;
    assert_int_equal(observation_write(&session, packet, sizeof(packet)), 0);
    session.messages = 1;
    assert_true(observation_write(&session, packet, sizeof(packet)) > 0);
}

/* Cut anywhere, or with any byte changed, it is refused or is another that can be. */
static void damage_is_survived(void **state)
{
    char text[20];
    const struct observation session = full_session(text, sizeof(text));
    uint8_t packet[OBSERVATION_SESSION_MAX];
    struct observation read;
    size_t written = observation_write(&session, packet, sizeof(packet));
    (void)state;
    for (size_t cut = 1; cut < written; cut++) {
        uint8_t *exact = malloc(cut); /* so that a sanitizer sees what is read behind it */
        const uint8_t *at = exact;
        size_t left = cut;
        memcpy(exact, packet, cut);
        assert_int_equal(observation_read(&at, &left, &read), -1);
        assert_ptr_equal(at, exact);
        assert_int_equal(left, cut);
        free(exact);
    }
    for (size_t i = 0; i < written; i++) {
        for (unsigned change = 1; change < 256; change <<= 1) {
            const uint8_t *at = packet;
            size_t left = written;
            packet[i] ^= (uint8_t)change;
            int got = observation_read(&at, &left, &read);
            assert_true(got == -1 || got == 1);
            if (got == 1) {
                assert_true(read.tls <= OBSERVATION_TLS_LAST && read.resumed <= 1);
                assert_true(read.family == 0 || read.family == 4 || read.family == 6);
            }
            packet[i] ^= (uint8_t)change;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_come_through),    cmocka_unit_test(hellos_come_through),
        cmocka_unit_test(rows_are_read_one_by_one), cmocka_unit_test(numbers_are_cut),
        cmocka_unit_test(nonsense_is_not_written),  cmocka_unit_test(damage_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
