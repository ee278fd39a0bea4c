/*
 * policy_words.h: the words of a line of a table: what stands between blanks and commas; a '#' at
 * the start of a word begins a comment, up to the end of the physical line. Inline, since a table
 * may have a million lines.
 */
#ifndef GATEPOST_POLICY_POLICY_WORDS_H
#define GATEPOST_POLICY_POLICY_WORDS_H

#include <stdbool.h>
#include <string.h>

#include "policy/policy_attribute.h"

/* What is left of the line. */
struct policy_words {
    const char *next;
    const char *end;
};

/* What separates words. */
static inline bool policy_is_separator(char c)
{
    return policy_is_blank(c) || c == ',';
}

/* Go to the next word. False at the end. */
static inline bool policy_words_skip(struct policy_words *words)
{
    while (words->next < words->end) {
        if (policy_is_separator(*words->next)) {
            words->next++;
        } else if (*words->next == '#') {
            const char *newline = memchr(words->next, '\n', (size_t)(words->end - words->next));

            words->next = newline != NULL ? newline : words->end;
        } else {
            return true;
        }
    }
    return false;
}

/* Take a word up to the next separator. */
static inline struct policy_span policy_words_take(struct policy_words *words)
{
    const char *start = words->next;

    while (words->next < words->end && !policy_is_separator(*words->next))
        words->next++;
    return (struct policy_span){start, (size_t)(words->next - start)};
}

#endif
