/*
 * tls_options.c: OpenSSL's option bits, and what they come to with BoringSSL.
 */
#include "policy/tls_options.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/text.h"

enum effect {
    NOTHING, /* so with BoringSSL anyway, for clients only, or masked off by Postfix as well */
    TICKETS, /* NO_TICKET */
    CHACHA,  /* PRIORITIZE_CHACHA */
    LOST     /* cannot be had */
};

/* Bits of OpenSSL 3. Those without a name cannot be named in Postfix either. */
static const struct {
    const char *name;
    uint64_t bits;
    enum effect effect;
} known_options[] = {
    {"NO_TICKET", 0x4000, TICKETS},
    {"NO_RENEGOTIATION", 0x40000000, NOTHING},
    {"NO_COMPRESSION", 0x20000, NOTHING},
    {"NO_SESSION_RESUMPTION_ON_RENEGOTIATION", 0x10000, NOTHING},
    {"LEGACY_SERVER_CONNECT", 0x4, NOTHING},
    {"ENABLE_MIDDLEBOX_COMPAT", 0x100000, NOTHING},
    {"PRIORITIZE_CHACHA", 0x200000, CHACHA},
    {NULL, 0x1, LOST},           /* NO_EXTENDED_MASTER_SECRET */
    {NULL, 0x80000, NOTHING},    /* NO_ENCRYPT_THEN_MAC: BoringSSL has no encrypt-then-MAC */
    {NULL, 0x80000850, NOTHING}, /* ALL */
    {NULL, 0x80, NOTHING},       /* IGNORE_UNEXPECTED_EOF */
    {NULL, 0x400000, NOTHING},   /* CIPHER_SERVER_PREFERENCE: tls_preempt_cipherlist counts */
    {NULL, 0x02000000, NOTHING}, /* NO_SSLv3; the protocol lists count for it and for the next */
    {NULL, 0x3c000000, NOTHING}, /* NO_TLSv1 to NO_TLSv1_3 */
};
#define OPTION_COUNT (sizeof(known_options) / sizeof(known_options[0]))

/* What the options seen so far come to. */
struct result {
    bool tickets;
    bool chacha;
    bool lost;
};

/* Note the effect of one option. */
static void note(struct result *result, enum effect effect)
{
    result->tickets = result->tickets || effect == TICKETS;
    result->chacha = result->chacha || effect == CHACHA;
    result->lost = result->lost || effect == LOST;
}

/* A hexadecimal number. False if it has bits that OpenSSL's options do not have. */
static bool parse_number(const char *text, struct result *result)
{
    char *end;
    uint64_t bits = strtoull(text + 2, &end, 16);
    uint64_t known = 0;

    if (strlen(text) > 18 || end == text + 2 || *end != '\0' || text[2] == '-' || text[2] == '+')
        return false;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        known |= known_options[i].bits;
        if ((bits & known_options[i].bits) != 0)
            note(result, known_options[i].effect);
    }
    return (bits & ~known) == 0;
}

/* One word of the list. False if it means nothing. */
static bool parse_word(const char *word, struct result *result)
{
    if (strncasecmp(word, "0x", 2) == 0)
        return parse_number(word, result);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (known_options[i].name != NULL && strcasecmp(known_options[i].name, word) == 0) {
            note(result, known_options[i].effect);
            return true;
        }
    }
    return false;
}

void tls_options_parse(const char *list, const char *where, struct tls_options *options,
                       struct diag *diag)
{
    const char *cursor = list;
    const char *word;
    size_t length;

    *options = (struct tls_options){false, false};
    while ((word = text_next(&cursor, TEXT_LIST_SEPARATORS ":", false, &length)) != NULL) {
        struct result result = {false, false, false};
        char copy[64];

        snprintf(copy, sizeof(copy), "%.*s", length < sizeof(copy) ? (int)length : 0, word);
        if (!parse_word(copy, &result))
            diag_warning(diag, "%s: \"%.*s\" has no meaning here and is ignored", where,
                         length > 60 ? 60 : (int)length, word);
        else if (result.lost)
            diag_warning(diag, "%s: \"%s\" cannot be had with BoringSSL and is ignored", where,
                         copy);
        options->no_tickets = options->no_tickets || result.tickets;
        options->prioritize_chacha = options->prioritize_chacha || result.chacha;
    }
}
