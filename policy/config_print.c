/*
 * config_print.c: the listing of gatepost config, as postconf(1) prints it.
 */
#include "policy/config.h"

#include <stdlib.h>
#include <string.h>

#include "policy/known.h"
#include "policy/params.h"
#include "policy/snapshot.h"
#include "policy/text.h"

/* One line to be printed. */
struct line {
    const char *name;
    const char *value;
};

/* Order by name. */
static int compare(const void *left, const void *right)
{
    return strcmp(((const struct line *)left)->name, ((const struct line *)right)->name);
}

/* Print one line. */
static void print_line(const struct line *line, FILE *out)
{
    fprintf(out, "%s = %s\n", line->name, line->value);
}

/* The line of a parameter. False if the listing leaves it out. */
static bool parameter_line(const struct config *config, enum config_listing listing,
                           enum param param, struct line *line)
{
    const struct setting *setting = config->values[param].setting;

    line->name = param_table[param].name;
    line->value = setting != NULL && listing != CONFIG_DEFAULTS ? setting->value
                                                                : snapshot_default(config, param);
    return setting != NULL || listing != CONFIG_NON_DEFAULT;
}

/* The line of an operator's own name; Postfix's names count as such if a value refers to them. */
static bool user_line(const struct setting *setting, enum config_listing listing, struct line *line)
{
    line->name = setting->name;
    line->value = setting->value;
    return setting->role == SETTING_USER && listing != CONFIG_DEFAULTS;
}

/* Print everything in the listing, sorted. */
static void print_all(const struct config *config, enum config_listing listing, FILE *out)
{
    const struct settings *settings = &config->settings;
    struct line *lines = text_alloc(PARAM_COUNT + settings->effective_count, sizeof(*lines));
    size_t count = 0;

    for (size_t i = 0; i < PARAM_COUNT; i++)
        count += parameter_line(config, listing, (enum param)i, &lines[count]);
    for (size_t i = 0; i < settings->effective_count; i++)
        count += user_line(settings->effective[i], listing, &lines[count]);
    qsort(lines, count, sizeof(*lines), compare);
    for (size_t i = 0; i < count; i++)
        print_line(&lines[i], out);
    free(lines);
}

/* Print one name that was asked for. */
static void print_name(const struct config *config, enum config_listing listing, const char *name,
                       FILE *out, struct diag *diag)
{
    const struct setting *setting = settings_find(&config->settings, name, strlen(name));
    struct line line;
    enum param param;

    if (config_param_find(name, &param)) {
        if (parameter_line(config, listing, param, &line))
            print_line(&line, out);
    } else if (setting != NULL && setting->role == SETTING_USER) {
        if (user_line(setting, listing, &line))
            print_line(&line, out);
    } else if (known_note_find(name) != NULL || known_is_foreign(name, strlen(name))) {
        diag_warning(diag, "%s: a parameter of Postfix that gatepost does not need", name);
    } else {
        const char *nearest = config_nearest_name(name);

        if (nearest != NULL)
            diag_warning(diag, "%.100s: unknown parameter; did you mean \"%s\"?", name, nearest);
        else
            diag_warning(diag, "%.100s: unknown parameter", name);
    }
}

void config_print(const struct config *config, enum config_listing listing,
                  const char *const *names, size_t name_count, FILE *out, struct diag *diag)
{
    if (name_count == 0)
        print_all(config, listing, out);
    for (size_t i = 0; i < name_count; i++)
        print_name(config, listing, names[i], out, diag);
}
