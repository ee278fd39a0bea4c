/*
 * known.h: names of Postfix's parameters that are not gatepost's.
 */
#ifndef GATEPOST_POLICY_KNOWN_H
#define GATEPOST_POLICY_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"

struct known_note {
    const char *name;
    enum diag_severity severity;
    const char *harmless; /* values that need no word, "-" for the empty one */
    const char *text;     /* what is the case instead */
};

/* Parameters that are worth a word (noted.def); known_notes[known_note_count]. */
extern const struct known_note known_notes[];
extern const size_t known_note_count;

/* Parameters that are not (foreign.def), sorted; known_foreign[known_foreign_count]. */
extern const char *const known_foreign[];
extern const size_t known_foreign_count;

/* The note on NAME, or NULL. */
const struct known_note *known_note_find(const char *name);

/* Whether VALUE of a noted parameter needs no word. */
bool known_note_harmless(const struct known_note *note, const char *value);

/* Whether NAME (LENGTH bytes) is a parameter of Postfix: listed in foreign.def, or made of a
 * transport's name and a known end. Noted ones are not included. */
bool known_is_foreign(const char *name, size_t length);

#endif
