/* The digest of a ClientHello: what changes from one connection to the next does not count,
 * everything else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tls/hello_record.h"

/* A hello as it grows. */
struct hello {
    uint8_t bytes[512];
    size_t length;
};

static void put(struct hello *hello, const char *bytes, size_t length)
{
    memcpy(hello->bytes + hello->length, bytes, length);
    hello->length += length;
}
#define PUT(hello, text) put(hello, text, sizeof(text) - 1)

/* What is in front of the extensions. */
#define RANDOM "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"
#define HEAD "\3\3" RANDOM "\4SESS"
#define SUITES "\0\6\x13\1\x13\2\xc0\x2b"
#define NULL_COMPRESSION "\1\0"

/* Extensions. */
#define NAMES "\0\0\0\7\0\5\0\0\2ab"
#define GROUPS "\0\12\0\6\0\4\0\x1d\0\x17"
#define SHARES "\0\x33\0\x0a\0\x08\0\x1d\0\4KEY1"
#define VERSIONS "\0\x2b\0\5\4\3\4\3\3"
#define TICKET "\0\x23\0\6TICKET"
#define COOKIE "\0\x2c\0\4\0\2CO"
#define PADDING "\0\x15\0\5\0\0\0\0\0"
#define EARLY "\0\x2a\0\0"
#define BINDERS "\0\x29\0\5WHICH"
#define GREASED "\x1a\x1a\0\1\0"
#define ALPN "\0\x10\0\6\0\4\3smt"

/* The digest of a hello with HEAD_BYTES (to the compression methods) and EXTENSIONS. */
static void digest_of(uint8_t digest[TLS_HELLO_DIGEST_SIZE], const char *head, size_t head_length,
                      const char *extensions, size_t length)
{
    struct hello hello = {.length = 0};
    const char size[2] = {(char)(length >> 8), (char)length};
    put(&hello, head, head_length);
    put(&hello, size, 2);
    put(&hello, extensions, length);
    uint8_t *exact = malloc(hello.length); /* so that a sanitizer sees what is read behind it */
    memcpy(exact, hello.bytes, hello.length);
    tls_hello_digest(exact, hello.length, digest);
    free(exact);
}

#define USUAL HEAD SUITES NULL_COMPRESSION
#define ALL NAMES GROUPS SHARES VERSIONS TICKET COOKIE PADDING ALPN

struct variant {
    const char *what;
    const char *head;
    size_t head_length;
    const char *extensions;
    size_t length;
};
#define VARIANT(what, head, extensions)                                                            \
    {                                                                                              \
        what, head, sizeof(head) - 1, extensions, sizeof(extensions) - 1                           \
    }

static const struct variant same[] = {
    VARIANT("another random", "\3\3rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\4SESS" SUITES NULL_COMPRESSION,
            ALL),
    VARIANT("another session id", "\3\3" RANDOM "\0" SUITES NULL_COMPRESSION, ALL),
    VARIANT("another name", USUAL,
            "\0\0\0\x08\0\6\0\0\3xyz" GROUPS SHARES VERSIONS TICKET COOKIE PADDING ALPN),
    VARIANT("another key", USUAL,
            NAMES GROUPS "\0\x33\0\x0a\0\x08\0\x1d\0\4KEY2" VERSIONS TICKET COOKIE PADDING ALPN),
    VARIANT("no ticket yet", USUAL, NAMES GROUPS SHARES VERSIONS "\0\x23\0\0" COOKIE PADDING ALPN),
    VARIANT("another cookie", USUAL,
            NAMES GROUPS SHARES VERSIONS TICKET "\0\x2c\0\3\0\1X" PADDING ALPN),
    VARIANT("no padding", USUAL, NAMES GROUPS SHARES VERSIONS TICKET COOKIE ALPN),
    VARIANT("resumes", USUAL, ALL EARLY BINDERS),
};

static const struct variant different[] = {
    VARIANT("a suite less", HEAD "\0\4\x13\1\x13\2" NULL_COMPRESSION, ALL),
    VARIANT("suites in another order", HEAD "\0\6\x13\2\x13\1\xc0\x2b" NULL_COMPRESSION, ALL),
    VARIANT("another version", "\3\1" RANDOM "\4SESS" SUITES NULL_COMPRESSION, ALL),
    VARIANT("another compression", HEAD SUITES "\2\1\0", ALL),
    VARIANT("no name", USUAL, GROUPS SHARES VERSIONS TICKET COOKIE PADDING ALPN),
    VARIANT("another order", USUAL, GROUPS NAMES SHARES VERSIONS TICKET COOKIE PADDING ALPN),
    VARIANT("other groups", USUAL,
            NAMES "\0\12\0\6\0\4\0\x1d\0\x18" SHARES VERSIONS TICKET COOKIE PADDING ALPN),
    VARIANT("a share of another group", USUAL,
            NAMES GROUPS "\0\x33\0\x0a\0\x08\0\x17\0\4KEY1" VERSIONS TICKET COOKIE PADDING ALPN),
    VARIANT("another ALPN", USUAL,
            NAMES GROUPS SHARES VERSIONS TICKET COOKIE PADDING "\0\x10\0\6\0\4\3xyz"),
    VARIANT("no extensions", USUAL, ""),
    VARIANT("an extension more", USUAL, ALL GREASED),
};

/* A hello with GREASE everywhere, by its VALUE. */
#define WITH_GREASE(value)                                                                         \
    VARIANT("GREASE " value, HEAD "\0\4" value "\x13\1" NULL_COMPRESSION,                          \
            value "\0\0\0\12\0\6\0\4" value "\0\x1d\0\x33\0\x0d\0\x0b" value                       \
                  "\0\1G\0\x1d\0\2K1\0\x2b\0\5\4" value "\3\4" value "\0\1\0")

static const struct variant greased[] = {WITH_GREASE("\x0a\x0a"), WITH_GREASE("\xba\xba"),
                                         WITH_GREASE("\xfa\xfa")};

static void digest_variant(uint8_t digest[TLS_HELLO_DIGEST_SIZE], const struct variant *variant)
{
    digest_of(digest, variant->head, variant->head_length, variant->extensions, variant->length);
}

static void what_changes_does_not_count(void **state)
{
    static const struct variant usual = VARIANT("usual", USUAL, ALL);
    uint8_t first[TLS_HELLO_DIGEST_SIZE];
    uint8_t other[TLS_HELLO_DIGEST_SIZE];
    (void)state;
    digest_variant(first, &usual);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        digest_variant(other, &same[i]);
        if (memcmp(first, other, sizeof(first)) != 0)
            fail_msg("%s: another digest", same[i].what);
    }
}

static void what_is_offered_counts(void **state)
{
    static const struct variant usual = VARIANT("usual", USUAL, ALL);
    enum { COUNT = sizeof(different) / sizeof(different[0]) };
    uint8_t digests[COUNT + 1][TLS_HELLO_DIGEST_SIZE];
    (void)state;
    digest_variant(digests[COUNT], &usual);
    for (size_t i = 0; i < COUNT; i++)
        digest_variant(digests[i], &different[i]);
    for (size_t i = 0; i <= COUNT; i++)
        for (size_t j = 0; j < i; j++)
            if (memcmp(digests[i], digests[j], TLS_HELLO_DIGEST_SIZE) == 0)
                fail_msg("%s: the same digest as of %s",
                         i == COUNT ? usual.what : different[i].what, different[j].what);
}

static void grease_is_one_value(void **state)
{
    uint8_t first[TLS_HELLO_DIGEST_SIZE];
    uint8_t other[TLS_HELLO_DIGEST_SIZE];
    (void)state;
    digest_variant(first, &greased[0]);
    for (size_t i = 1; i < sizeof(greased) / sizeof(greased[0]); i++) {
        digest_variant(other, &greased[i]);
        assert_memory_equal(first, other, sizeof(first));
    }
}

/* Whatever the bytes are, there is a digest, and what was cut has another than the whole. */
static void malformed_hellos(void **state)
{
    struct hello hello = {.length = 0};
    uint8_t whole[TLS_HELLO_DIGEST_SIZE];
    uint8_t digest[TLS_HELLO_DIGEST_SIZE];
    const size_t length = sizeof(ALL) - 1;
    const char size[2] = {(char)(length >> 8), (char)length};
    (void)state;
    PUT(&hello, USUAL);
    put(&hello, size, 2);
    PUT(&hello, ALL);
    tls_hello_digest(hello.bytes, hello.length, whole);
    for (size_t cut = 0; cut < hello.length; cut++) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, hello.bytes, cut);
        tls_hello_digest(exact, cut, digest);
        assert_memory_not_equal(digest, whole, sizeof(digest));
        free(exact);
    }
}

static void records(void **state)
{
    static uint8_t large[TLS_HELLO_RECORD_MAX + 1];
    struct tls_hello_record record = {.taken = false};
    struct tls_hello_record too_large = {.taken = false};
    uint8_t digest[TLS_HELLO_DIGEST_SIZE];
    (void)state;
    tls_hello_record_take(&record, (const uint8_t *)USUAL, sizeof(USUAL) - 1);
    tls_hello_record_take(&record, large, 10); /* the first one counts */
    tls_hello_digest((const uint8_t *)USUAL, sizeof(USUAL) - 1, digest);
    assert_true(record.taken);
    assert_memory_equal(record.digest, digest, sizeof(digest));
    assert_int_equal(record.length, sizeof(USUAL) - 1);
    assert_memory_equal(record.bytes, USUAL, sizeof(USUAL) - 1);
    tls_hello_record_forget(&record);
    assert_null(record.bytes);
    assert_memory_equal(record.digest, digest, sizeof(digest));
    tls_hello_record_take(&too_large, large, sizeof(large));
    assert_true(too_large.taken && too_large.bytes == NULL && too_large.length == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_does_not_count),
        cmocka_unit_test(what_is_offered_counts),
        cmocka_unit_test(grease_is_one_value),
        cmocka_unit_test(malformed_hellos),
        cmocka_unit_test(records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
