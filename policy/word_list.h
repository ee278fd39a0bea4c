/*
 * word_list.h: a list of words as Postfix's parameters have them, such as smtpd_forbidden_commands:
 * words (in any case), "/file/name" (a list in a file), "static:anything" (every word),
 * "regexp:/file/name" and "regexp:{{/pattern/ result} ...}" (regexp_table.h), each of which may
 * stand behind a '!'. The first element that matches decides; what none matches is not in the list.
 */
#ifndef GATEPOST_POLICY_WORD_LIST_H
#define GATEPOST_POLICY_WORD_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"

#define WORD_LIST_WORD_MAX 512 /* bytes of a word that are looked at */

struct word_list;

/*
 * Read VALUE of the parameter NAME; ORIGIN says where it comes from ("FILE, line N"). Files are
 * read now. Every mistake is reported, and any mistake makes the result NULL. An empty list matches
 * nothing. Free with word_list_free.
 */
struct word_list *word_list_load(const char *name, const char *value, const char *origin,
                                 struct diag *diag);
void word_list_free(struct word_list *list);

/* Whether WORD (LENGTH bytes without NUL) is in LIST. Opens nothing. */
bool word_list_match(const struct word_list *list, const char *word, size_t length);

#endif
