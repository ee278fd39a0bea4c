#include "policy/match_list.h"

#include <stdlib.h>
#include <string.h>

#include "policy/line_source.h"
#include "policy/text.h"

#define MAX_DEPTH 16 /* of files that name files */
#define MAX_FILES 1000
#define MAX_ERRORS 100 /* reported before the reader gives up */
#define SHOWN 60       /* bytes of an element in messages */

static match_list_taker read_elements;

void match_list_refuse(const struct match_list *list, const char *where, const char *text,
                       size_t length, const char *what)
{
    diag_error(list->diag, "%s: \"%.*s%s\": %s", where, (int)(length < SHOWN ? length : SHOWN),
               text, length > SHOWN ? "..." : "", what);
}

/* Whether so much is wrong that nobody would read on. */
static bool is_hopeless(const struct match_list *list)
{
    return list->stopped || list->diag->errors - list->errors_before >= MAX_ERRORS;
}

void match_list_read_file(struct match_list *list, const char *where, const char *path,
                          bool negated, match_list_taker *line)
{
    const char *text;
    size_t length;
    unsigned number;

    if (list->depth == MAX_DEPTH || list->files++ == MAX_FILES) {
        match_list_refuse(list, where, path, strlen(path), "too many files that name files");
        list->stopped = true;
        return;
    }
    struct line_source *source = line_source_open(path, list->diag);
    list->depth++;
    while (source != NULL && !is_hopeless(list) &&
           (text = line_source_next(source, &length, &number)) != NULL) {
        struct text inside = {0};
        char *copy = text_copy_n(text, length);

        text_format(&inside, "%s, line %u", path, number);
        line(list, inside.data, copy, length, negated);
        free(copy);
        text_free(&inside);
    }
    list->depth--;
    line_source_close(source);
}

/* One element, without its '!'. */
static void read_element(struct match_list *list, const char *where, char *text, bool negated)
{
    if (*text == '\0')
        match_list_refuse(list, where, "!", 1, "nothing follows");
    else if (*text == '/')
        match_list_read_file(list, where, text, negated, read_elements);
    else
        list->element(list, where, text, strlen(text), negated);
}

/* The elements of TEXT; NEGATED: it stands behind a '!'. */
static void read_elements(struct match_list *list, const char *where, char *text, size_t size,
                          bool negated)
{
    const char *cursor = text;
    const char *element;
    size_t length;

    (void)size;
    while (!is_hopeless(list) &&
           (element = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        bool no = negated;

        for (; length > 0 && *element == '!'; length--, element++)
            no = !no;
        char *copy = text_copy_n(element, length);
        read_element(list, where, copy, no);
        free(copy);
    }
}

void match_list_read(struct match_list *list, const char *where, const char *value)
{
    char *copy = text_copy(value);

    list->errors_before = list->diag->errors;
    read_elements(list, where, copy, strlen(copy), false);
    free(copy);
}
