#include "proxy/top_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/text.h"

#define VALUE_MAX 1e18 /* a number beyond that counts nothing */

/* One line, without its end: a sample, or not. */
static void parse_line(struct top_data *data, const char *line, size_t length)
{
    const char *blank = memrchr(line, ' ', length);
    char number[64];
    char *end;

    if (length == 0 || line[0] == '#' || blank == NULL || blank == line ||
        data->count == TOP_SERIES_MAX)
        return;
    size_t key = (size_t)(blank - line);
    size_t digits = length - key - 1;
    if (key >= TOP_KEY_MAX || digits == 0 || digits >= sizeof(number))
        return;
    memcpy(number, blank + 1, digits);
    number[digits] = '\0';
    double value = strtod(number, &end);
    if (*end != '\0' || !(value > -VALUE_MAX && value < VALUE_MAX))
        return;
    data->series[data->count].key = text_copy_n(line, key);
    data->series[data->count++].value = value;
}

void top_data_parse(struct top_data *data, const char *text, size_t length)
{
    const char *end = text + length;

    *data = (struct top_data){.series = text_alloc(TOP_SERIES_MAX, sizeof(*data->series))};
    while (text < end) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        const char *stop = lf != NULL ? lf : end;
        parse_line(data, text, (size_t)(stop - text));
        text = stop + 1;
    }
}

void top_data_free(struct top_data *data)
{
    for (size_t i = 0; i < data->count; i++)
        free(data->series[i].key);
    free(data->series);
    *data = (struct top_data){0};
}

double top_data_get(const struct top_data *data, const char *key)
{
    for (size_t i = 0; i < data->count; i++)
        if (strcmp(data->series[i].key, key) == 0)
            return data->series[i].value;
    return 0.;
}

bool top_data_is(const char *key, const char *name)
{
    size_t length = strlen(name);

    return strncmp(key, name, length) == 0 && (key[length] == '{' || key[length] == '\0');
}

/* The quoted text at AT into VALUE (NULL: nowhere). Returns what is behind it; NULL: it does not
 * end. */
static const char *take_value(const char *at, char *value)
{
    size_t length = 0;

    for (; *at != '"'; at++) {
        if (*at == '\\')
            at++;
        if (*at == '\0')
            return NULL;
        if (value != NULL && length < TOP_LABEL_MAX - 1)
            value[length++] = (char)(*at >= 0x20 && *at < 0x7f ? *at : '?');
    }
    if (value != NULL)
        value[length] = '\0';
    return at + 1;
}

bool top_data_label(const char *key, const char *label, char *value)
{
    const char *at = strchr(key, '{');
    size_t length = strlen(label);

    while (at != NULL && (*at == '{' || *at == ',')) {
        const char *quote = strstr(++at, "=\"");
        if (quote == NULL)
            return false;
        bool found = (size_t)(quote - at) == length && strncmp(at, label, length) == 0;
        at = take_value(quote + 2, found ? value : NULL);
        if (found)
            return at != NULL;
    }
    return false;
}

double top_data_sum(const struct top_data *data, const char *name, const char *label,
                    const char *value)
{
    char found[TOP_LABEL_MAX];
    double sum = 0.;

    for (size_t i = 0; i < data->count; i++) {
        const struct top_series *one = &data->series[i];
        if (top_data_is(one->key, name) &&
            (label == NULL ||
             (top_data_label(one->key, label, found) && strcmp(found, value) == 0)))
            sum += one->value;
    }
    return sum;
}
