#include "proxy/suggest_lines.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#include "proxy/policy_text.h"

#define NO_PARENT SIZE_MAX
#define HELLOS_MAX 64 /* different ones that are looked at for a line; more: it is needed */

struct suggest_line {
    struct policy_match match; /* its strings live as long as the table */
    struct prefix prefix;
    size_t parent;   /* the line that would hold without this one; NO_PARENT: none */
    int64_t last;    /* when somebody came that it applies to; 0: nobody did */
    bool cleartext;  /* somebody did without TLS, after the cutoff */
    bool too_many;   /* to be judged */
    int64_t *hellos; /* that got through after the cutoff; owned */
    size_t hello_count;
};

struct suggest_lines {
    struct stages *stages;
    struct stage *stage; /* of the main part */
    int64_t cutoff;
    struct suggest_line *list; /* by file and line until they are printed */
    size_t count, capacity;
};

static int compare_places(const void *left_pointer, const void *right_pointer)
{
    const struct suggest_line *left = left_pointer, *right = right_pointer;
    int order = strcmp(left->match.file, right->match.file);

    if (order != 0)
        return order;
    return left->match.line < right->match.line ? -1 : left->match.line > right->match.line;
}

static int compare_addresses(const struct prefix *left, const struct prefix *right)
{
    if (left->ipv6 != right->ipv6)
        return left->ipv6 ? 1 : -1;
    if (left->address.high != right->address.high)
        return left->address.high < right->address.high ? -1 : 1;
    if (left->address.low != right->address.low)
        return left->address.low < right->address.low ? -1 : 1;
    return 0;
}

/* A network before what is in it. */
static int compare_prefixes(const void *left_pointer, const void *right_pointer)
{
    const struct suggest_line *const *left = left_pointer;
    const struct suggest_line *const *right = right_pointer;
    int order = compare_addresses(&(*left)->prefix, &(*right)->prefix);

    return order != 0 ? order : (int)(*left)->prefix.length - (int)(*right)->prefix.length;
}

static bool contains(const struct prefix *outer, const struct prefix *inner)
{
    return outer->ipv6 == inner->ipv6 && outer->length < inner->length &&
           prefix_common(outer->address, inner->address) >= outer->length;
}

static void add_line(void *ctx, const struct policy_match *match, bool expired)
{
    struct suggest_lines *lines = ctx;
    char error[256];

    if (expired)
        return;
    if (lines->count == lines->capacity) {
        lines->capacity = 2 * lines->capacity + 64;
        lines->list = text_resize(lines->list, lines->capacity, sizeof(*lines->list));
    }
    struct suggest_line *line = &lines->list[lines->count];
    *line = (struct suggest_line){.match = *match, .parent = NO_PARENT};
    if (prefix_parse(match->prefix, strlen(match->prefix), &line->prefix, error, sizeof(error)) ==
        0)
        lines->count++;
}

/* In the order of addresses, what a prefix is in stands on a stack. */
static void find_parents(struct suggest_lines *lines)
{
    struct suggest_line **order = text_alloc(lines->count + 1, sizeof(struct suggest_line *));
    struct suggest_line **stack = text_alloc(lines->count + 1, sizeof(struct suggest_line *));
    size_t depth = 0;

    for (size_t i = 0; i < lines->count; i++)
        order[i] = &lines->list[i];
    qsort(order, lines->count, sizeof(struct suggest_line *), compare_prefixes);
    for (size_t i = 0; i < lines->count; i++) {
        while (depth > 0 && !contains(&stack[depth - 1]->prefix, &order[i]->prefix))
            depth--;
        if (depth > 0)
            order[i]->parent = (size_t)(stack[depth - 1] - lines->list);
        stack[depth++] = order[i];
    }
    free(order);
    free(stack);
}

struct suggest_lines *suggest_lines_new(struct stages *stages, int64_t cutoff)
{
    struct stage *stage = &stages->main;
    struct suggest_lines *lines = text_alloc(1, sizeof(*lines));

    lines->stages = stages;
    lines->stage = stage;
    lines->cutoff = cutoff;
    policy_table_each(stage->service->table, add_line, lines);
    if (lines->count > 0)
        qsort(lines->list, lines->count, sizeof(*lines->list), compare_places);
    find_parents(lines);
    return lines;
}

void suggest_lines_free(struct suggest_lines *lines)
{
    if (lines == NULL)
        return;
    for (size_t i = 0; i < lines->count; i++)
        free(lines->list[i].hellos);
    free(lines->list);
    free(lines);
}

/* A hello that LINE let through. */
static void note_hello(struct suggest_line *line, int64_t hello)
{
    for (size_t i = 0; i < line->hello_count; i++)
        if (line->hellos[i] == hello)
            return;
    line->too_many = line->too_many || line->hello_count == HELLOS_MAX;
    if (line->too_many)
        return;
    line->hellos = text_resize(line->hellos, line->hello_count + 1, sizeof(*line->hellos));
    line->hellos[line->hello_count++] = hello;
}

void suggest_lines_note(struct suggest_lines *lines, const struct policy_match *match,
                        const struct walked_peer *peer)
{
    const struct suggest_line key = {.match = *match};
    struct suggest_line *line = lines->count == 0 ? NULL
                                                  : bsearch(&key, lines->list, lines->count,
                                                            sizeof(*lines->list), compare_places);
    const char *name;

    if (line == NULL)
        return;
    line->last = peer->last > line->last ? peer->last : line->last;
    if (peer->last < lines->cutoff)
        return;
    line->cleartext = line->cleartext || peer->cleartext_sessions > 0;
    for (size_t i = 0; i < peer->hello_count; i++) {
        if (peer->hellos[i].established == 0 || peer->hellos[i].last < lines->cutoff)
            continue;
        note_hello(line, peer->hellos[i].id);
        if (stages_find(lines->stages, peer->hellos[i].listener, &name) != lines->stage)
            line->too_many = true;
    }
}

/* The rule that would hold without LINE. */
static const struct tls_rule *rule_without(const struct suggest_lines *lines,
                                           const struct suggest_line *line)
{
    const struct service *service = lines->stage->service;

    return line->parent == NO_PARENT ? &service->main
                                     : &service->rules[lines->list[line->parent].match.settings];
}

/* Does LINE demand more than RULE, or something else? Then it is no exception. */
static bool demands_more(const struct policy_settings *settings, const struct tls_rule *rule)
{
    static const enum policy_level levels[] = {[TLS_LEVEL_NONE] = POLICY_LEVEL_NONE,
                                               [TLS_LEVEL_MAY] = POLICY_LEVEL_MAY,
                                               [TLS_LEVEL_ENCRYPT] = POLICY_LEVEL_ENCRYPT};

    return settings->level == POLICY_LEVEL_REJECT || settings->match != NULL ||
           settings->ccert == POLICY_CCERT_REQUIRE ||
           (!rule->reject && settings->level > levels[rule->policy->level]);
}

/* Does everybody who came get through under RULE as well? */
static bool all_pass(const struct suggest_lines *lines, const struct suggest_line *line,
                     const struct tls_rule *rule)
{
    const struct walked_peer nobody = {0};
    const struct fate cleartext = stage_cleartext(lines->stage, rule);

    if (line->too_many || (line->cleartext && !fate_delivers(&cleartext)))
        return false;
    for (size_t i = 0; i < line->hello_count; i++) {
        const struct fate fate = stage_hello(lines->stage, rule, &nobody, line->hellos[i]);
        if (!fate_delivers(&fate))
            return false;
    }
    return true;
}

static void print_place(const struct suggest_line *line, FILE *out)
{
    fprintf(out, "# %s, line %u: %s: ", line->match.file, line->match.line, line->match.prefix);
}

/* A tighter line in its place, if there is one. Returns whether there is. */
static bool print_tighter(struct suggest_lines *lines, const struct suggest_line *line,
                          struct suggest_search *search, FILE *out)
{
    const struct tls_rule *without = rule_without(lines, line);
    const struct tls_rule *own = &lines->stage->service->rules[line->match.settings];
    struct policy_settings settings = suggest_settings_of(lines->stage, own);

    if (line->too_many || line->hello_count == 0 || without->tls == NULL || own->tls == NULL)
        return false;
    struct suggestion better =
        suggest_search_find(search, without, line->hellos, line->hello_count);
    if (!better.found || better.hopeless > 0 || better.min_version < own->policy->min_version ||
        (better.min_version == own->policy->min_version &&
         better.attributes >= suggest_attributes_of(&settings)))
        return false;
    better.settings.level = settings.level;
    print_place(line, out);
    fprintf(out, "could be tighter:\n#   ");
    suggest_write(line->match.prefix, &better.settings, out);
    fputc('\n', out);
    return true;
}

/* Whatever is to be said about LINE. Returns whether there is something. */
static bool print_line(struct suggest_lines *lines, const struct suggest_line *line,
                       struct suggest_search *search, FILE *out)
{
    const struct tls_rule *without = rule_without(lines, line);
    char date[POLICY_DATE_MAX];

    if (demands_more(policy_table_settings(lines->stage->service->table, line->match.settings),
                     without))
        return false;
    if (line->last < lines->cutoff) {
        print_place(line, out);
        if (line->last == 0)
            fprintf(out, "nobody has come that it applies to\n");
        else
            fprintf(out, "nobody has come since %s that it applies to\n",
                    policy_date_text(line->last, date));
        return true;
    }
    if (all_pass(lines, line, without)) {
        print_place(line, out);
        fprintf(out, "not needed any more: those who come get through without it\n");
        return true;
    }
    return print_tighter(lines, line, search, out);
}

size_t suggest_lines_print(struct suggest_lines *lines, struct suggest_search *search, FILE *out)
{
    size_t printed = 0;

    for (size_t i = 0; i < lines->count; i++)
        printed += print_line(lines, &lines->list[i], search, out) ? 1 : 0;
    return printed;
}
