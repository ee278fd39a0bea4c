/*
 * settings.c: a list of settings with an index by name.
 */
#include "policy/settings.h"

#include <stdlib.h>
#include <string.h>

#include "policy/params.h"
#include "policy/text.h"

void settings_add(struct settings *settings, const char *name, const char *value,
                  const char *origin, bool fresh)
{
    /* Capacity is the next power of two, from 64: grow when the count reaches it. */
    if (settings->count == 0 ||
        (settings->count >= 64 && (settings->count & (settings->count - 1)) == 0))
        settings->all = text_resize(settings->all, settings->count == 0 ? 64 : settings->count * 2,
                                    sizeof(*settings->all));
    settings->all[settings->count++] = (struct setting){
        .name = text_copy(name),
        .value = text_copy(value),
        .origin = text_copy(origin),
        .fresh = fresh,
    };
}

/* Order by name, then by place. */
static int compare(const void *left, const void *right)
{
    const struct setting *a = *(const struct setting *const *)left;
    const struct setting *b = *(const struct setting *const *)right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : (a > b) - (a < b);
}

void settings_index(struct settings *settings)
{
    struct setting **index = text_alloc(settings->count, sizeof(struct setting *));
    size_t kept = 0;

    for (size_t i = 0; i < settings->count; i++)
        index[i] = &settings->all[i];
    qsort(index, settings->count, sizeof(struct setting *), compare);
    for (size_t i = 0; i < settings->count; i++) {
        if (i + 1 == settings->count || strcmp(index[i]->name, index[i + 1]->name) != 0)
            index[kept++] = index[i];
    }
    free(settings->effective);
    settings->effective = index;
    settings->effective_count = kept;
}

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        free(settings->all[i].name);
        free(settings->all[i].value);
        free(settings->all[i].origin);
    }
    free(settings->all);
    free(settings->effective);
    *settings = (struct settings){0};
}

const struct setting *settings_find(const struct settings *settings, const char *name,
                                    size_t length)
{
    size_t low = 0;
    size_t high = settings->effective_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = param_compare(settings->effective[middle]->name, name, length);

        if (order == 0)
            return settings->effective[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
