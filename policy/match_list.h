/*
 * match_list.h: reading Postfix's lists of patterns (the manual of each parameter, "pattern list";
 * match_list(3)): elements between blanks and commas, '!' before an element negates it, and
 * "/file/name" stands for what that file lists. What an element means is its reader's to say.
 */
#ifndef GATEPOST_POLICY_MATCH_LIST_H
#define GATEPOST_POLICY_MATCH_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/diag.h"

struct match_list;

/* Take TEXT, LENGTH bytes (and a NUL) of its own to be changed, an element without its '!', and no
 * file; or a line of a file. WHERE it stands: "FILE, line N", or the parameter's origin and name.
 */
typedef void match_list_taker(struct match_list *list, const char *where, char *text, size_t length,
                              bool negated);

struct match_list {
    match_list_taker *element;
    struct diag *diag;
    void *ctx;    /* the reader's */
    bool stopped; /* set it to read no more */
    /* private */
    unsigned errors_before;
    unsigned files;
    unsigned depth;
};

/* Read VALUE, which stands at WHERE; what is wrong goes to DIAG, up to a number of errors at which
 * nobody would read on. Files that name files are bounded. */
void match_list_read(struct match_list *list, const char *where, const char *value);

/* Give each logical line of the file PATH, which WHERE names, to LINE. */
void match_list_read_file(struct match_list *list, const char *where, const char *path,
                          bool negated, match_list_taker *line);

/* Report what is wrong with the element at TEXT. */
void match_list_refuse(const struct match_list *list, const char *where, const char *text,
                       size_t length, const char *what);

#endif
