/*
 * config.c: snapshots of the configuration are made, asked and freed.
 */
#include "policy/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/maincf.h"
#include "policy/params.h"
#include "policy/regular_file.h"
#include "policy/snapshot.h"
#include "policy/text.h"

#define CONFIG_FILE "gatepost.cf"

/* An override's name, as a setting's would be: not empty, no blank, no '='. */
static bool is_good_name(const char *name)
{
    size_t length = strcspn(name, "= \t\r\n\v\f");

    return length > 0 && name[length] == '\0';
}

/* Append overrides. */
static void add_overrides(struct settings *settings, const struct config_override *overrides,
                          size_t count, const char *origin, struct diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        if (is_good_name(overrides[i].name))
            settings_add(settings, overrides[i].name, overrides[i].value, origin, true);
        else
            diag_error(diag, "%s: bad parameter name: \"%.100s\": specify name=value", origin,
                       overrides[i].name);
    }
}

/* The last steps for a snapshot whose settings are all there. */
static void finish(struct config *config, struct diag *diag)
{
    settings_index(&config->settings);
    names_classify(&config->settings, diag);
    snapshot_evaluate(config, diag);
}

/* A snapshot without settings. */
static struct config *new_config(const char *directory, const char *file_name)
{
    struct config *config = text_alloc(1, sizeof(*config));

    config->directory = text_copy(directory);
    config->file_name = text_copy(file_name);
    return config;
}

/* What can be made of a file and overrides, in whatever state. */
static struct config *evaluate(const char *directory, const char *file_name, const char *text,
                               size_t length, const struct config_override *overrides,
                               size_t override_count, struct diag *diag)
{
    struct config *config = new_config(directory, file_name);
    struct maincf file;

    maincf_parse(file_name, text, length, &file, diag);
    for (size_t i = 0; i < file.count; i++) {
        struct text origin = {0};

        text_format(&origin, "%s, line %u", file_name, file.entries[i].line);
        settings_add(&config->settings, file.entries[i].name, file.entries[i].value, origin.data,
                     true);
        text_free(&origin);
    }
    maincf_free(&file);
    add_overrides(&config->settings, overrides, override_count, "-o", diag);
    finish(config, diag);
    return config;
}

/* config_parse, with the directory that the file is in. */
static struct config *parse(const char *directory, const char *file_name, const char *text,
                            size_t length, const struct config_override *overrides,
                            size_t override_count, struct diag *diag)
{
    unsigned errors = diag->errors;
    struct config *config =
        evaluate(directory, file_name, text, length, overrides, override_count, diag);

    if (diag->errors == errors)
        return config;
    config_free(config);
    return NULL;
}

struct config *config_parse(const char *file_name, const char *text, size_t length,
                            const struct config_override *overrides, size_t override_count,
                            struct diag *diag)
{
    const char *slash = strrchr(file_name, '/');
    char *directory =
        slash != NULL ? text_copy_n(file_name, (size_t)(slash - file_name)) : text_copy(".");
    struct config *config =
        parse(directory, file_name, text, length, overrides, override_count, diag);

    free(directory);
    return config;
}

/* The text of the file PATH, to be freed. NULL after reporting. */
static char *read_file(const char *path, size_t *length, struct diag *diag)
{
    struct text text = {0};

    if (regular_file_read(path, MAINCF_MAX_SIZE, &text, diag) != 0) {
        text_free(&text);
        return NULL;
    }
    *length = text.length;
    return text_take(&text);
}

struct config *config_load(const char *directory, const struct config_override *overrides,
                           size_t override_count, struct diag *diag)
{
    struct config *config = NULL;
    struct text path = {0};
    size_t length;

    text_format(&path, "%s/%s", directory, CONFIG_FILE);
    char *text = read_file(path.data, &length, diag);
    if (text != NULL)
        config = parse(directory, path.data, text, length, overrides, override_count, diag);
    free(text);
    text_free(&path);
    return config;
}

struct config *config_derive(const struct config *base, const struct config_override *overrides,
                             size_t override_count, struct diag *diag)
{
    return config_derive_from(base, overrides, override_count, "-o", diag);
}

struct config *config_derive_from(const struct config *base,
                                  const struct config_override *overrides, size_t override_count,
                                  const char *origin, struct diag *diag)
{
    struct config *config = new_config(base->directory, base->file_name);
    unsigned errors = diag->errors;

    for (size_t i = 0; i < base->settings.count; i++) {
        const struct setting *setting = &base->settings.all[i];

        settings_add(&config->settings, setting->name, setting->value, setting->origin, false);
    }
    add_overrides(&config->settings, overrides, override_count, origin, diag);
    finish(config, diag);
    if (diag->errors == errors)
        return config;
    config_free(config);
    return NULL;
}

char *config_peek(const char *directory, const struct config_override *overrides,
                  size_t override_count, enum param param)
{
    struct diag quiet = {0};
    struct text path = {0};
    size_t length = 0;

    text_format(&path, "%s/%s", directory, CONFIG_FILE);
    char *text = read_file(path.data, &length, &quiet);
    struct config *config = evaluate(directory, path.data, text != NULL ? text : "", length,
                                     overrides, override_count, &quiet);
    const char *value = config->values[param].text;
    char *copy = value != NULL ? text_copy(value) : NULL;
    config_free(config);
    free(text);
    text_free(&path);
    return copy;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < PARAM_COUNT; i++)
        free(config->values[i].text);
    free(config->host_defaults[0]);
    free(config->host_defaults[1]);
    settings_free(&config->settings);
    free(config->directory);
    free(config->file_name);
    free(config);
}

const char *config_str(const struct config *config, enum param param)
{
    assert((unsigned)param < PARAM_COUNT);
    return config->values[param].text;
}

bool config_bool(const struct config *config, enum param param)
{
    assert(param_table[param].type == PARAM_TYPE_BOOL);
    return config->values[param].number != 0;
}

long config_int(const struct config *config, enum param param)
{
    assert(param_table[param].type == PARAM_TYPE_INT ||
           param_table[param].type == PARAM_TYPE_AUTO ||
           param_table[param].type == PARAM_TYPE_LOGLEVEL);
    return config->values[param].number;
}

long config_time(const struct config *config, enum param param)
{
    assert(param_table[param].type == PARAM_TYPE_TIME);
    return config->values[param].number;
}

bool config_is_set(const struct config *config, enum param param)
{
    return config->values[param].setting != NULL;
}

const char *config_origin(const struct config *config, enum param param)
{
    const struct setting *setting = config->values[param].setting;

    return setting != NULL ? setting->origin : "default value";
}
