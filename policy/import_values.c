/*
 * import_values.c: values that refer to what gatepost.cf will not have, or whose file names are
 * relative to Postfix's queue directory, are rewritten.
 *
 * A value is rewritten by Postfix's own expansion (expand.h) with a lookup that gives a name which
 * stays meaningful back as a reference to itself.
 */
#include "policy/import_internal.h"

#include <stdlib.h>
#include <string.h>

#include "policy/expand.h"
#include "policy/known.h"
#include "policy/params.h"

#define MAX_DEPTH 100  /* references of references */
#define MAX_WORK 10000 /* references looked at for one value */

/* Postfix's defaults that values refer to, as compiled for Linux systems. */
static const char *const postfix_defaults[][2] = {
    {"command_directory", "/usr/sbin"},
    {"daemon_directory", "/usr/lib/postfix/sbin"},
    {"data_directory", "/var/lib/postfix"},
    {"inet_interfaces", "all"},
    {"inet_protocols", "all"},
    {"mail_owner", "postfix"},
    {"process_name", "smtpd"},
    {"queue_directory", "/var/spool/postfix"},
    {"service_name", "smtp"},
    {"setgid_group", "postdrop"},
};

/* What an expansion needs to know. */
struct context {
    struct import *import;
    bool keep_references;
    char **strings; /* what lookups returned, to be freed */
    size_t count;
    struct text missing; /* names that have no value, separated by blanks */
};

/* Take the next name that VALUE refers to: $name, ${name, $(name. NULL at the end. */
static const char *next_reference(const char **cursor, size_t *length)
{
    const char *p = *cursor;

    while ((p = strchr(p, '$')) != NULL) {
        p++;
        if (*p == '$') {
            p++;
            continue;
        }
        while (*p == '{' || *p == '(' || text_is_blank(*p))
            p++;
        *length = 0;
        while (text_is_name(p[*length]))
            ++*length;
        *cursor = p + *length;
        if (*length > 0)
            return p;
    }
    return NULL;
}

/* Keep a string until the expansion is over. */
static const char *remember(struct context *context, char *string)
{
    context->strings = text_resize(context->strings, context->count + 1, sizeof(*context->strings));
    context->strings[context->count++] = string;
    return string;
}

/* TEXT so that it is still right after one more expansion. */
static char *protect(const char *text)
{
    struct text out = {0};

    for (; *text != '\0'; text++) {
        if (text[0] == '$' && text[1] == '$') {
            text_add_string(&out, "$$$$");
            text++;
        } else {
            text_add_char(&out, *text);
        }
    }
    return text_take(&out);
}

/* The default that Postfix has for a name, or NULL. */
static const char *find_default(const struct import *import, const char *name, size_t length)
{
    const struct param_row *row = param_row_find(name, length);

    if (row != NULL)
        return row->default_text;
    if (param_compare("config_directory", name, length) == 0)
        return import->directory;
    for (size_t i = 0; i < sizeof(postfix_defaults) / sizeof(postfix_defaults[0]); i++) {
        if (param_compare(postfix_defaults[i][0], name, length) == 0)
            return postfix_defaults[i][1];
    }
    return NULL;
}

/* An expand_lookup. */
static const char *look_up(void *ctx, const char *name, size_t length, bool test)
{
    struct context *context = ctx;
    const struct import_line *line = import_find(context->import, name, length);
    const char *value = line != NULL ? line->written : find_default(context->import, name, length);

    if (!test && context->keep_references && import_is_param(name, length)) {
        struct text reference = {0};

        text_format(&reference, "$${%.*s}", (int)length, name);
        return remember(context, text_take(&reference));
    }
    if (value == NULL && !test)
        text_format(&context->missing, "%s$%.*s", context->missing.length > 0 ? " " : "",
                    length > 80 ? 80 : (int)length, name);
    if (value == NULL || test)
        return value;
    return remember(context, protect(value));
}

/* Expand; NULL with a message in ERROR if that cannot be done. */
static char *expand(struct context *context, const char *name, const char *value, char *error,
                    size_t error_size)
{
    char *protected_value = protect(value);
    char *result = expand_value(name, protected_value, look_up, context, error, error_size);

    free(protected_value);
    for (size_t i = 0; i < context->count; i++)
        free(context->strings[i]);
    free(context->strings);
    context->strings = NULL;
    context->count = 0;
    return result;
}

char *import_full_value(struct import *import, const char *name, const char *value)
{
    struct context context = {.import = import};
    char error[256];
    char *result = expand(&context, name, value, error, sizeof(error));

    text_free(&context.missing);
    return result != NULL ? result : text_copy(value);
}

/* Whether a name that main.cf does not set means something to Postfix. */
static bool is_postfix_only(const struct import *import, const char *name, size_t length)
{
    return find_default(import, name, length) != NULL || known_is_foreign(name, length);
}

/* Whether gatepost.cf will know everything that VALUE refers to, near and far. */
static bool is_portable(struct import *import, const char *value, unsigned depth, size_t *work)
{
    size_t length;
    const char *name;

    while ((name = next_reference(&value, &length)) != NULL) {
        const struct import_line *line = import_find(import, name, length);

        /* Who refers so deep or so often is expanded, which has limits and reports them. */
        if (depth == MAX_DEPTH || ++*work > MAX_WORK)
            return false;
        if (import_is_param(name, length))
            continue;
        if (line == NULL ? is_postfix_only(import, name, length)
                         : line->role != SETTING_USER ||
                               !is_portable(import, line->written, depth + 1, work))
            return false;
    }
    return true;
}

/* Keep the operator's own names that VALUE refers to. */
static void keep_references(struct import *import, const char *value, unsigned depth)
{
    size_t length;
    const char *name;

    while ((name = next_reference(&value, &length)) != NULL) {
        struct import_line *line = import_find(import, name, length);

        if (line == NULL || line->role != SETTING_USER || line->fate == IMPORT_KEEP)
            continue;
        line->fate = IMPORT_KEEP;
        if (depth < MAX_DEPTH)
            keep_references(import, line->written, depth + 1);
    }
}

/* A comparison looks at what its references are, so all of them must be replaced. */
static bool has_comparison(struct import *import, const char *value, unsigned depth, size_t *work)
{
    size_t length;
    const char *name;

    if (strstr(value, "${{") != NULL || strstr(value, "$({") != NULL || depth == MAX_DEPTH)
        return true;
    while ((name = next_reference(&value, &length)) != NULL) {
        const struct import_line *line = import_find(import, name, length);

        if (++*work > MAX_WORK || (line != NULL && line->role == SETTING_USER &&
                                   has_comparison(import, line->written, depth + 1, work)))
            return true;
    }
    return false;
}

char *import_portable_value(struct import *import, const char *name, const char *value,
                            struct text *reasons)
{
    struct context context = {.import = import};
    char error[256];
    size_t work = 0;

    if (is_portable(import, value, 0, &work)) {
        keep_references(import, value, 0);
        return text_copy(value);
    }
    work = 0;
    context.keep_references = !has_comparison(import, value, 0, &work);
    char *result = expand(&context, name, value, error, sizeof(error));
    if (result == NULL) {
        diag_error(import->diag, "%s = %.100s: %s", name, value, error);
        text_format(reasons, "Cannot be expanded: %s.\n", error);
        keep_references(import, value, 0);
    } else {
        text_format(reasons, "Was \"%s\", which refers to what only Postfix knows.\n", value);
    }
    if (context.missing.length > 0)
        text_format(reasons, "Without a value in main.cf, and left out: %s.\n",
                    context.missing.data);
    text_free(&context.missing);
    return result != NULL ? result : text_copy(value);
}

/* Whether a file name is relative to the directory that a daemon is in. */
static bool is_relative(const char *word, size_t length)
{
    return length > 0 && strchr("/$", *word) == NULL &&
           !(length == 4 && memcmp(word, "none", 4) == 0);
}

/* Put DIRECTORY before every relative file name in a list. */
static char *make_absolute(const char *directory, const char *list)
{
    struct text out = {0};
    const char *word;
    size_t length;

    while ((word = text_next(&list, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        bool relative = is_relative(word, length);

        text_format(&out, "%s%s%s", out.length > 0 ? " " : "", relative ? directory : "",
                    relative ? "/" : "");
        text_add(&out, word, length);
    }
    return text_take(&out);
}

/* Whether a list has a relative file name. */
static bool has_relative(const char *list)
{
    size_t length;
    const char *word;

    while ((word = text_next(&list, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        if (is_relative(word, length))
            return true;
    }
    return false;
}

/* Postfix's daemons live in the queue directory; gatepost takes absolute names only. */
static void rewrite_path(struct import *import, struct import_line *line)
{
    const struct param_row *row = param_row_find(line->name, strlen(line->name));
    bool list = row->type == PARAM_TYPE_PATHS;

    if (strncmp(line->name, "smtpd_tls_", 10) != 0 ||
        (row->type != PARAM_TYPE_PATH && row->type != PARAM_TYPE_CERTPATH && !list))
        return;
    if (!(list ? has_relative(line->value) : is_relative(line->value, strlen(line->value))))
        return;
    char *directory = import_full_value(import, NULL, "$queue_directory");
    struct text path = {0};
    text_format(&path, "%s/%s", directory, line->value);
    char *absolute = list ? make_absolute(directory, line->value) : text_copy(path.data);
    import_reason(line, "Was \"%s\", relative to Postfix's queue_directory.", line->written);
    free(line->value);
    line->value = absolute;
    text_free(&path);
    free(directory);
}

void import_rewrite_values(struct import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        struct import_line *line = &import->lines[i];

        if (!line->effective || line->role != SETTING_PARAM || line->fate != IMPORT_KEEP)
            continue;
        char *value = import_portable_value(import, line->name, line->value, &line->reasons);
        free(line->value);
        line->value = value;
        rewrite_path(import, line);
    }
}
