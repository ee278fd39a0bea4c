#include "proxy/ledger_names.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS (2 * LEDGER_NAMES_MAX) /* a power of two */

struct name {
    char *text; /* owned */
    int64_t id;
    uint32_t next; /* in its bucket: a number + 1 */
};

struct ledger_names {
    struct siphash_key key;
    uint32_t count;
    uint32_t buckets[BUCKETS]; /* number + 1; 0: empty */
    struct name names[LEDGER_NAMES_MAX];
};

static uint32_t *bucket_of(struct ledger_names *names, const char *text, size_t length)
{
    return &names->buckets[siphash(&names->key, text, length) & (BUCKETS - 1)];
}

/* A word that is not there yet. */
static uint32_t add(struct ledger_names *names, const char *text, size_t length)
{
    uint32_t *bucket = bucket_of(names, text, length);
    char *copy = names->count < LEDGER_NAMES_MAX ? strndup(text, length) : NULL;

    if (copy == NULL)
        return LEDGER_NAME_OTHER;
    uint32_t number = names->count++;
    names->names[number] = (struct name){.text = copy, .next = *bucket};
    *bucket = number + 1;
    return number;
}

struct ledger_names *ledger_names_new(const struct siphash_key *key)
{
    static const char other[] = "(other)";
    struct ledger_names *names = calloc(1, sizeof(*names));

    if (names == NULL)
        return NULL;
    names->key = *key;
    add(names, other, sizeof(other) - 1);
    if (names->count == 1)
        return names;
    free(names);
    return NULL;
}

void ledger_names_free(struct ledger_names *names)
{
    if (names == NULL)
        return;
    for (uint32_t i = 0; i < names->count; i++)
        free(names->names[i].text);
    free(names);
}

uint32_t ledger_names_find(struct ledger_names *names, struct observation_text text)
{
    char word[LEDGER_NAME_MAX + 1];
    size_t length = 0;

    for (; length < text.length && length < LEDGER_NAME_MAX; length++) {
        unsigned char byte = (unsigned char)text.bytes[length];
        word[length] = byte >= ' ' && byte < 127 ? text.bytes[length] : '?';
    }
    word[length] = '\0';
    for (uint32_t at = *bucket_of(names, word, length); at != 0; at = names->names[at - 1].next)
        if (strcmp(names->names[at - 1].text, word) == 0)
            return at - 1;
    return add(names, word, length);
}

const char *ledger_names_text(const struct ledger_names *names, uint32_t number)
{
    return names->names[number].text;
}

int64_t *ledger_names_id(struct ledger_names *names, uint32_t number)
{
    return &names->names[number].id;
}

void ledger_names_forget_ids(struct ledger_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        names->names[i].id = 0;
}
