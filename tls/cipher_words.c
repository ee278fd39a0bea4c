/* cipher_words.c: see cipher_words.h. Expressions are words joined by "+", all of which must hold.
 */
#include "tls/cipher_words.h"

#include <stdio.h>
#include <string.h>

/* OpenSSL's TLSv1 and SSLv3 are suites by the version that brought them; BoringSSL means all suites
 * with a SHA-1 MAC by either, which is more when included. */
static const char *const translations[][2] = {
    {"TLSv1", "ECDHE+SHA1"}, {"TLSv1.0", "ECDHE+SHA1"}, {"SSLv3", "kRSA+SHA1"},
    {"DEFAULT", "ALL"},      {"CBC", "SHA1"},
};

static const char *const empty_words[] = {"MEDIUM",   "LOW",      "EXP", "EXPORT", "EXPORT40",
                                          "EXPORT56", "SSLv2",    "RC2", "RC5",    "kFZA",
                                          "aFZA",     "FORTEZZA", "FZA", "kKRB5",  "aKRB5"};

static const char *const lacking_words[] = {"COMPLEMENTOFALL",
                                            "COMPLEMENTOFDEFAULT",
                                            "aNULL",
                                            "eNULL",
                                            "NULL",
                                            "ADH",
                                            "AECDH",
                                            "DH",
                                            "EDH",
                                            "kEDH",
                                            "DHE",
                                            "kDHE",
                                            "kDH",
                                            "kDHr",
                                            "kDHd",
                                            "aDH",
                                            "kECDH",
                                            "kECDHe",
                                            "kECDHr",
                                            "aECDH",
                                            "aDSS",
                                            "DSS",
                                            "RC4",
                                            "MD5",
                                            "DES",
                                            "SEED",
                                            "IDEA",
                                            "CAMELLIA",
                                            "CAMELLIA128",
                                            "CAMELLIA256",
                                            "ARIA",
                                            "ARIA128",
                                            "ARIA256",
                                            "ARIAGCM",
                                            "AESCCM",
                                            "AESCCM8",
                                            "SRP",
                                            "kSRP",
                                            "aSRP",
                                            "kDHEPSK",
                                            "DHEPSK",
                                            "kRSAPSK",
                                            "RSAPSK",
                                            "kECDHEPSK",
                                            "ECDHEPSK",
                                            "GOST94",
                                            "GOST89MAC",
                                            "GOST12",
                                            "kGOST",
                                            "kGOST18",
                                            "aGOST",
                                            "aGOST01",
                                            "aGOST12",
                                            "SHA256",
                                            "SHA384"};

/* Is one of NAMES the LENGTH bytes at WORD? Returns its index or COUNT. */
static size_t find(const char *const *names, size_t count, const char *word, size_t length)
{
    size_t i = 0;
    while (i < count && (strlen(names[i]) != length || memcmp(names[i], word, length) != 0)) {
        i++;
    }
    return i;
}

/* Is WORD in the table NAMES (COUNT)? */
static bool contains(const char *const *names, size_t count, const char *word, size_t length)
{
    return find(names, count, word, length) < count;
}

/* What one word is. Anything with a hyphen or an underscore is taken for the name of a suite. */
static enum cipher_word_kind word_kind(const char *word, size_t length)
{
    if (contains(empty_words, sizeof empty_words / sizeof empty_words[0], word, length)) {
        return CIPHER_WORD_EMPTY;
    }
    if (contains(lacking_words, sizeof lacking_words / sizeof lacking_words[0], word, length) ||
        memchr(word, '-', length) != NULL || memchr(word, '_', length) != NULL) {
        return CIPHER_WORD_LACKING;
    }
    return CIPHER_WORD_UNKNOWN;
}

/* Words that BoringSSL has itself; beside them another word decides what the expression is. */
static bool is_library_word(const char *word, size_t length)
{
    static const char *const words[] = {
        "ALL",   "HIGH",  "FIPS",    "kRSA",   "aRSA",    "RSA",      "kECDHE", "kEECDH",
        "ECDHE", "EECDH", "ECDH",    "aECDSA", "ECDSA",   "kPSK",     "aPSK",   "PSK",
        "3DES",  "AES",   "AES128",  "AES256", "AESGCM",  "CHACHA20", "SHA",    "SHA1",
        "SSLv3", "TLSv1", "TLSv1.0", "CBC",    "TLSv1.2", "DEFAULT"};
    return contains(words, sizeof words / sizeof words[0], word, length);
}

enum cipher_word_kind tls_cipher_word_kind(const char *expression)
{
    enum cipher_word_kind kind = CIPHER_WORD_EMPTY;
    bool joined = strchr(expression, '+') != NULL;
    for (const char *word = expression;; word++) {
        size_t length = strcspn(word, "+");
        if (!joined || !is_library_word(word, length)) {
            enum cipher_word_kind this_kind = word_kind(word, length);
            kind = this_kind > kind ? this_kind : kind;
        }
        word += length;
        if (*word == '\0') {
            return kind;
        }
    }
}

bool tls_cipher_words_translate(const char *expression, char *out, size_t size)
{
    size_t used = 0;
    for (const char *word = expression;; word++) {
        size_t length = strcspn(word, "+");
        const char *text = word;
        size_t text_length = length;
        for (size_t i = 0; i < sizeof translations / sizeof translations[0]; i++) {
            if (find(&translations[i][0], 1, word, length) == 0) {
                text = translations[i][1];
                text_length = strlen(text);
            }
        }
        int count = snprintf(out + used, size - used, "%s%.*s", used > 0 ? "+" : "",
                             (int)text_length, text);
        if (count < 0 || (size_t)count >= size - used) {
            return false;
        }
        used += (size_t)count;
        word += length;
        if (*word == '\0') {
            return true;
        }
    }
}

bool tls_cipher_words_name_3des(const char *expression)
{
    return strstr(expression, "3DES") != NULL || strstr(expression, "DES-CBC3") != NULL;
}
