/*
 * cipher_findings.h: the words of a cipher string that BoringSSL does not understand, collected so
 * that each is reported once, with its worst consequence.
 */
#ifndef GATEPOST_TLS_CIPHER_FINDINGS_H
#define GATEPOST_TLS_CIPHER_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"

enum cipher_consequence {
    CIPHER_NOTHING_LOST, /* excluded, or selects nothing anyway: an information */
    CIPHER_SUITES_LOST,  /* clients may miss what it selects: a warning */
    CIPHER_NO_SUCH_WORD, /* probably misspelt: a warning */
};

struct cipher_findings {
    struct cipher_finding *items; /* owned */
    size_t count;
};

/* Remember WORD (copied). False: out of memory. */
bool cipher_findings_add(struct cipher_findings *findings, const char *word,
                         enum cipher_consequence consequence);

/* One line for each consequence that occurred. */
void cipher_findings_report(const struct cipher_findings *findings, struct diag *diag);

void cipher_findings_free(struct cipher_findings *findings);

#endif
