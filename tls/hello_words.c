/* hello_words.c: see hello_words.h. */
#include "tls/hello_words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tls/hello_view.h"

#define PLACE_MAX 72 /* of a policy, as it is shown */
#define GROUPS_MOST 6
#define GROUPS_SHOWN_MAX 32

const char *hello_version_words(uint16_t version)
{
    switch (version) {
    case 0x0002:
        return "SSL 2.0";
    case 0x0300:
        return "SSL 3.0";
    case 0x0301:
        return "TLS 1.0";
    case 0x0302:
        return "TLS 1.1";
    case 0x0303:
        return "TLS 1.2";
    case 0x0304:
        return "TLS 1.3";
    default:
        return "an unknown protocol version";
    }
}

/* "X25519"; NULL if nobody knows the group. Static text. */
static const char *group_words(uint16_t group)
{
    switch (group) {
#define GROUP(number, words)                                                                       \
    case number:                                                                                   \
        return words;
#include "tls/offered_groups.def"
#undef GROUP
    default:
        return NULL;
    }
}

struct words words_begin(struct tls_failure_reason *reason, enum tls_failure kind)
{
    reason->kind = kind;
    reason->text[0] = '\0';
    return (struct words){.out = reason->text, .size = sizeof reason->text};
}

void words_add(struct words *words, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(words->out + words->used, words->size - words->used, format, args);
    va_end(args);
    if (length > 0 && (size_t)length < words->size - words->used) {
        words->used += (size_t)length;
    } else if (length > 0) {
        words->used = words->size - 1;
        memcpy(words->out + words->used - 3, "...", 3);
    }
}

void words_add_policy(struct words *words, const struct tls_offer *offer)
{
    size_t length = strlen(offer->place);
    const char *tail = length > PLACE_MAX ? offer->place + length - (PLACE_MAX - 3) : offer->place;
    words_add(words, "this peer's policy (%s", length > PLACE_MAX ? "..." : "");
    words_add_bytes(words, (const uint8_t *)tail, strlen(tail));
    words_add(words, ")");
}

void words_add_list(struct words *words, const char *const *items, size_t count, const char *joint,
                    size_t most)
{
    size_t shown = count > most ? most : count;
    for (size_t i = 0; i < shown; i++) {
        bool last = i + 1 == count;
        words_add(words, "%s%s%s%s",
                  i == 0 ? ""
                  : last ? " "
                         : ", ",
                  i > 0 && last ? joint : "", i > 0 && last ? " " : "", items[i]);
    }
    if (count > shown) {
        words_add(words, " %s %zu more", joint, count - shown);
    }
}

void words_add_bytes(struct words *words, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        words_add(words, "%c", bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?');
    }
}

void words_add_groups(struct words *words, CBS list, const char *joint)
{
    char numbers[GROUPS_SHOWN_MAX][16];
    const char *items[GROUPS_SHOWN_MAX];
    size_t count = 0;
    for (uint16_t group; count < GROUPS_SHOWN_MAX && CBS_get_u16(&list, &group);) {
        if (hello_is_grease(group)) {
            continue;
        }
        items[count] = group_words(group);
        if (items[count] == NULL) {
            snprintf(numbers[count], sizeof numbers[count], "0x%04x", (unsigned)group);
            items[count] = numbers[count];
        }
        count++;
    }
    words_add_list(words, items, count, joint, GROUPS_MOST);
}
