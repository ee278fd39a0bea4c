/*
 * text.h: strings that grow, for code that reads configuration. Not for data from the network.
 *
 * Memory is assumed to be there: everything built here is bounded by the limits of its callers
 * (maincf.h, expand.h), and a process that cannot get a few megabytes while it reads its
 * configuration aborts with a message.
 */
#ifndef GATEPOST_POLICY_TEXT_H
#define GATEPOST_POLICY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A growing string. {0} is an empty one. DATA is NULL until something was added, and ends in NUL
 * from then on. */
struct text {
    char *data;
    size_t length;
    size_t capacity;
};

void text_add(struct text *text, const char *bytes, size_t length);
void text_add_string(struct text *text, const char *string);
void text_add_char(struct text *text, char c);
void text_format(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));

/* The string, owned by the caller and never NULL; TEXT is empty again. */
char *text_take(struct text *text);
void text_free(struct text *text);

/* malloc(3) and friends that abort instead of giving NULL. */
void *text_alloc(size_t count, size_t size);                 /* zeroed */
void *text_resize(void *pointer, size_t count, size_t size); /* overflow-checked */
char *text_copy(const char *string);
char *text_copy_n(const char *bytes, size_t length);

/* Blanks as main.cf knows them: space, TAB, LF, VT, FF, CR; the same in every locale. */
bool text_is_blank(char c);
bool text_is_digit(char c);
bool text_is_name(char c); /* A-Z a-z 0-9 _ */
char text_lower(char c);   /* ASCII only */

/*
 * The next element of a list: skips bytes of SEPARATORS (NUL is none), then takes everything up to
 * the next separator; with BRACES, separators inside balanced { } do not separate. Returns the
 * element and its *LENGTH and advances *CURSOR, or NULL at the end. Unbalanced braces take the
 * rest.
 */
const char *text_next(const char **cursor, const char *separators, bool braces, size_t *length);

/* What separates list elements in main.cf: blanks and commas. */
#define TEXT_LIST_SEPARATORS ", \t\r\n"

#endif
