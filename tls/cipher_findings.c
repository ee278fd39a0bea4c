/* cipher_findings.c: see cipher_findings.h. */
#include "tls/cipher_findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cipher_finding {
    char *word;
    enum cipher_consequence consequence;
};

bool cipher_findings_add(struct cipher_findings *findings, const char *word,
                         enum cipher_consequence consequence)
{
    for (size_t i = 0; i < findings->count; i++) {
        struct cipher_finding *known = &findings->items[i];
        if (strcmp(known->word, word) == 0) {
            known->consequence =
                consequence > known->consequence ? consequence : known->consequence;
            return true;
        }
    }
    struct cipher_finding *items =
        realloc(findings->items, (findings->count + 1) * sizeof *findings->items);
    if (items == NULL) {
        return false;
    }
    findings->items = items;
    items[findings->count] = (struct cipher_finding){strdup(word), consequence};
    return items[findings->count].word != NULL && ++findings->count > 0;
}

/* Write the words with CONSEQUENCE, ", " between them; false if there are none. */
static bool list_words(const struct cipher_findings *findings, enum cipher_consequence consequence,
                       char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (size_t i = 0; i < findings->count; i++) {
        const struct cipher_finding *finding = &findings->items[i];
        if (finding->consequence == consequence && used + strlen(finding->word) + 3 <= size) {
            used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     finding->word);
        }
    }
    return used > 0;
}

void cipher_findings_report(const struct cipher_findings *findings, struct diag *diag)
{
    char words[2048];
    if (list_words(findings, CIPHER_NOTHING_LOST, words, sizeof words)) {
        diag_info(diag, "cipher list: BoringSSL has no such suites, nothing is lost: %s", words);
    }
    if (list_words(findings, CIPHER_SUITES_LOST, words, sizeof words)) {
        diag_warning(diag, "cipher list: BoringSSL lacks %s: clients that need it have no TLS",
                     words);
    }
    if (list_words(findings, CIPHER_NO_SUCH_WORD, words, sizeof words)) {
        diag_warning(diag, "cipher list: no such keyword or suite, ignored: %s", words);
    }
}

void cipher_findings_free(struct cipher_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->items[i].word);
    }
    free(findings->items);
    *findings = (struct cipher_findings){0};
}
