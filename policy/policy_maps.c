/*
 * policy_maps.c: the value of smtpd_tls_policy_maps, or of another such list, is taken apart.
 */
#include "policy/policy_maps.h"

#include <stdlib.h>
#include <string.h>

#include "policy/line_source.h"
#include "policy/text.h"

#define NAME_SHOWN 48 /* bytes of an inline map in its name */

/* What is known while maps are read. */
struct maps {
    const char *origin;
    const struct policy_maps_reader *reader;
    struct diag *diag;
    bool stopped; /* by the reader */
    int status;
};

/* Report what is wrong with a map. */
static void refuse(struct maps *maps, const char *map, const char *what)
{
    diag_error(maps->diag, "%s: %s: \"%.*s%s\": %s", maps->origin, maps->reader->form->param,
               NAME_SHOWN, map, strlen(map) > NAME_SHOWN ? "..." : "", what);
    maps->status = -1;
}

/* The same, with what is allowed. */
static void refuse_form(struct maps *maps, const char *map, const char *what)
{
    const struct policy_maps_form *form = maps->reader->form;
    struct text text = {0};

    text_format(&text, "%s: specify %s:/path or inline:{ %s, ... }", what, form->kind, form->rule);
    refuse(maps, map, text.data);
    text_free(&text);
}

/* The same, with the form of a rule. */
static void refuse_rule(struct maps *maps, const char *map, const char *what)
{
    struct text text = {0};

    text_format(&text, "%s %s", what, maps->reader->form->rule);
    refuse(maps, map, text.data);
    text_free(&text);
}

/* What is inside { }, or NULL if TEXT is not one balanced pair. The caller frees. */
static char *inside_braces(const char *text, size_t length)
{
    size_t level = 0;

    if (length < 2 || *text != '{')
        return NULL;
    for (size_t i = 0; i < length; i++) {
        level += text[i] == '{';
        level -= text[i] == '}';
        if (level == 0)
            return i + 1 == length ? text_copy_n(text + 1, length - 2) : NULL;
    }
    return NULL;
}

/* Read the rules of an inline map. */
static void read_rules(struct maps *maps, const char *map, const char *rules)
{
    const char *cursor = rules;
    const char *element;
    size_t length;
    unsigned number = 0;

    while (!maps->stopped &&
           (element = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        char *rule = inside_braces(element, length);

        if (rule == NULL) {
            refuse_rule(maps, map, "each rule must be in braces of its own:");
            return;
        }
        maps->stopped = !maps->reader->line(maps->reader->ctx, rule, strlen(rule), ++number);
        free(rule);
    }
    if (number == 0)
        refuse_rule(maps, map, "no rule: specify at least one");
}

/* Read an inline map; BODY begins with the outer brace. */
static void read_inline(struct maps *maps, const char *map, const char *body)
{
    char *rules = inside_braces(body, strlen(body));
    struct text name = {0};
    struct text origin = {0};

    if (rules == NULL) {
        refuse_form(maps, map, "braces must be balanced, with nothing behind");
        return;
    }
    text_format(&name, "%.*s%s", NAME_SHOWN, map, strlen(map) > NAME_SHOWN ? "..." : "");
    text_format(&origin, "%s: ", maps->origin);
    maps->reader->map(maps->reader->ctx,
                      &(struct policy_map_name){.file = name.data, .origin = origin.data});
    read_rules(maps, map, rules);
    text_free(&origin);
    text_free(&name);
    free(rules);
}

/* Read a file. */
static void read_file(struct maps *maps, const char *path)
{
    struct line_source *source = line_source_open(path, maps->diag);
    const char *line;
    size_t length;
    unsigned number;

    if (source == NULL) {
        maps->status = -1;
        return;
    }
    maps->reader->map(maps->reader->ctx, &(struct policy_map_name){.file = path, .origin = ""});
    while (!maps->stopped && (line = line_source_next(source, &length, &number)) != NULL)
        maps->stopped = !maps->reader->line(maps->reader->ctx, line, length, number);
    if (line_source_failed(source))
        maps->status = -1;
    line_source_close(source);
}

/* Read one map, "kind:name". */
static void read_map(struct maps *maps, const char *map)
{
    const char *colon = strchr(map, ':');
    size_t kind = colon != NULL ? (size_t)(colon - map) : 0;
    const char *file_kind = maps->reader->form->kind;
    bool is_file = kind == strlen(file_kind) && strncmp(map, file_kind, kind) == 0;
    bool is_inline = kind == strlen("inline") && strncmp(map, "inline", kind) == 0;

    if (colon == NULL)
        refuse_form(maps, map, "no kind of map");
    else if (!is_file && !is_inline)
        refuse_form(maps, map, "unknown kind of map");
    else if (colon[1] == '{')
        read_inline(maps, map, colon + 1);
    else if (is_inline)
        refuse_form(maps, map, "the rules must follow at once, in braces");
    else if (colon[1] != '/')
        refuse_form(maps, map, "not an absolute path");
    else
        read_file(maps, colon + 1);
}

int policy_maps_read(const char *value, const char *origin, const struct policy_maps_reader *reader,
                     struct diag *diag)
{
    struct maps maps = {.origin = origin, .reader = reader, .diag = diag};
    const char *cursor = value;
    const char *element;
    size_t length;
    size_t count = 0;
    char *seen[POLICY_MAPS_MAX];

    while (!maps.stopped &&
           (element = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        char *map = text_copy_n(element, length);
        size_t same = 0;

        while (same < count && strcmp(seen[same], map) != 0)
            same++;
        if (same < count)
            refuse(&maps, map, "the same map is named twice");
        else if (count == POLICY_MAPS_MAX)
            refuse(&maps, map, "too many maps: at most 1000 are read");
        else
            read_map(&maps, map);
        if (same < count || count == POLICY_MAPS_MAX) {
            free(map);
            break;
        }
        seen[count++] = map;
    }
    while (count > 0)
        free(seen[--count]);
    return maps.status;
}
