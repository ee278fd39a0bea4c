/*
 * snapshot.c: settings become values.
 */
#include "policy/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/expand.h"
#include "policy/known.h"
#include "policy/params.h"
#include "policy/text.h"
#include "policy/value.h"

#define MESSAGE_SIZE 512
#define HOST_NAME_SIZE 256

/* What lookups need to know while one value is expanded. */
struct lookup_context {
    const struct config *config;
    const char *missing; /* a parameter of Postfix that is referred to but has no value here */
    size_t missing_length;
};

const char *snapshot_default(const struct config *config, enum param param)
{
    if (param == PARAM_myhostname)
        return config->host_defaults[0];
    if (param == PARAM_mydomain)
        return config->host_defaults[1];
    return param_table[param].default_text;
}

/* Values of names: what was set, else the default, else nothing. An expand_lookup. */
static const char *find_value(void *ctx, const char *name, size_t length, bool test)
{
    struct lookup_context *context = ctx;
    const struct setting *setting = settings_find(&context->config->settings, name, length);

    if (setting != NULL)
        return setting->value;
    const struct param_row *row = param_row_find(name, length);
    if (row != NULL)
        return snapshot_default(context->config, (enum param)(row - param_table));
    if (param_compare("config_directory", name, length) == 0)
        return context->config->directory;
    if (!test && known_is_foreign(name, length)) {
        context->missing = name;
        context->missing_length = length;
    }
    return NULL;
}

/* Expand VALUE of parameter NAME; reports. NULL on error. */
static char *expand(const struct config *config, const char *name, const char *value,
                    const struct setting *setting, struct diag *diag)
{
    struct lookup_context context = {.config = config};
    char error[MESSAGE_SIZE];
    const char *origin = setting != NULL ? setting->origin : "default value";
    char *text = expand_value(name, value, find_value, &context, error, sizeof(error));

    if (text == NULL)
        diag_error(diag, "%s: %s = %.100s: %s", origin, name, value, error);
    else if (context.missing != NULL && setting != NULL && setting->fresh)
        diag_warning(diag, "%s: %s = %.100s: $%.*s has no value here and counts as empty", origin,
                     name, value, context.missing_length > 80 ? 80 : (int)context.missing_length,
                     context.missing);
    return text;
}

/* Postfix's default of myhostname: the system's name, made a full one with $mydomain. */
static void find_host_name(struct config *config, struct diag *diag)
{
    const struct setting *domain = settings_find(&config->settings, "mydomain", 8);
    char system[HOST_NAME_SIZE];
    struct text name = {0};

    if (gethostname(system, sizeof(system)) != 0 || system[0] == '\0')
        snprintf(system, sizeof(system), "localhost");
    system[sizeof(system) - 1] = '\0';
    text_add_string(&name, system);
    if (strchr(system, '.') == NULL) {
        char *expanded =
            domain != NULL ? expand(config, "mydomain", domain->value, domain, diag) : NULL;

        text_format(&name, ".%s", expanded != NULL && *expanded != '\0' ? expanded : "localdomain");
        free(expanded);
    }
    config->host_defaults[0] = text_take(&name);
}

/* Postfix's default of mydomain: what follows the first dot of myhostname. */
static void find_domain_name(struct config *config, struct diag *diag)
{
    const struct setting *host = settings_find(&config->settings, "myhostname", 10);
    char *expanded = host != NULL ? expand(config, "myhostname", host->value, host, diag)
                                  : text_copy(config->host_defaults[0]);
    const char *dot = expanded != NULL ? strchr(expanded, '.') : NULL;

    config->host_defaults[1] = text_copy(dot != NULL ? dot + 1 : "localdomain");
    free(expanded);
}

/*
 * Find both defaults. Findings about the settings they are made of are dropped: they are reported
 * when those parameters themselves are evaluated.
 */
static void find_host_defaults(struct config *config)
{
    struct diag ignored = {0};

    find_host_name(config, &ignored);
    find_domain_name(config, &ignored);
}

/* The unit of a time that is written without one. */
static char time_unit(const struct config *config, enum param param)
{
    struct diag ignored = {0};
    char *text = NULL;

    if (param_table[param].type == PARAM_TYPE_TIME)
        text = expand(config, param_table[param].name, param_table[param].default_text, NULL,
                      &ignored);
    char unit = value_default_unit(text != NULL ? text : "");
    free(text);
    return unit;
}

/* Expand and check one parameter. */
static int evaluate(struct config *config, enum param param, struct diag *diag)
{
    const struct param_row *row = &param_table[param];
    struct config_value *value = &config->values[param];
    const struct setting *setting = settings_find(&config->settings, row->name, strlen(row->name));
    const char *written = setting != NULL ? setting->value : snapshot_default(config, param);
    const char *origin = setting != NULL ? setting->origin : "default value";
    char message[MESSAGE_SIZE];

    value->setting = setting;
    value->text = expand(config, row->name, written, setting, diag);
    if (value->text == NULL)
        return -1;
    int status = value_check(row, value->text, time_unit(config, param), &value->number, message,
                             sizeof(message));
    if (status != 0)
        diag_error(diag, "%s: %s = %.100s: %s", origin, row->name, value->text, message);
    else if (message[0] != '\0' && setting != NULL && setting->fresh)
        diag_warning(diag, "%s: %s = %.100s: %s", origin, row->name, value->text, message);
    return status;
}

int snapshot_evaluate(struct config *config, struct diag *diag)
{
    int status = 0;

    find_host_defaults(config);
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        if (evaluate(config, (enum param)i, diag) != 0)
            status = -1;
    }
    return status;
}
