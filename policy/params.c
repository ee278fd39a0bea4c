/*
 * params.c: the table of parameters.
 */
#include "policy/params.h"

#include <string.h>

/* A type in params.def becomes the two members type and words. */
#define TYPE_BOOL PARAM_TYPE_BOOL, NULL
#define TYPE_INT PARAM_TYPE_INT, NULL
#define TYPE_AUTO PARAM_TYPE_AUTO, NULL
#define TYPE_TIME PARAM_TYPE_TIME, NULL
#define TYPE_STR PARAM_TYPE_STR, NULL
#define TYPE_LIST PARAM_TYPE_LIST, NULL
#define TYPE_PATH PARAM_TYPE_PATH, NULL
#define TYPE_CERTPATH PARAM_TYPE_CERTPATH, NULL
#define TYPE_PATHS PARAM_TYPE_PATHS, NULL
#define TYPE_HOST PARAM_TYPE_HOST, NULL
#define TYPE_LOGLEVEL PARAM_TYPE_LOGLEVEL, NULL
#define TYPE_WORD(words) PARAM_TYPE_WORD, words

const struct param_row param_table[PARAM_COUNT] = {
#define PARAM(name, type, default_text, min, max, help)                                            \
    [PARAM_##name] = {#name, TYPE_##type, default_text, min, max, help},
#include "policy/params.def"
#undef PARAM
};

int param_compare(const char *name, const char *bytes, size_t length)
{
    int order = strncmp(name, bytes, length);

    if (order != 0)
        return order;
    return name[length] != '\0';
}

const struct param_row *param_row_find(const char *name, size_t length)
{
    size_t low = 0;
    size_t high = PARAM_COUNT;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = param_compare(param_table[middle].name, name, length);

        if (order == 0)
            return &param_table[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const char *config_param_name(enum param param)
{
    return param_table[param].name;
}

bool config_param_find(const char *name, enum param *param)
{
    const struct param_row *row = param_row_find(name, strlen(name));

    if (row == NULL)
        return false;
    *param = (enum param)(row - param_table);
    return true;
}
