#include "proxy/metrics_listen.h"

#include <stdlib.h>

#include "policy/text.h"

#include "proxy/endpoint_listen.h"

/* Add the address TEXT. */
static int add(struct metrics_listen *list, const char *text, const char *name, struct diag *diag)
{
    struct endpoint endpoint;

    if (endpoint_parse(text, name, &endpoint, diag) != 0)
        return -1;
    list->endpoints = text_resize(list->endpoints, list->count + 1, sizeof(*list->endpoints));
    list->endpoints[list->count++] = endpoint;
    return 0;
}

int metrics_listen_parse(const struct config *config, struct metrics_listen *list,
                         struct diag *diag)
{
    const enum param param = PARAM_gatepost_metrics_listen;
    const char *cursor = config_str(config, param);
    const char *element;
    size_t length;
    int status = 0;

    *list = (struct metrics_listen){0};
    while ((element = text_next(&cursor, TEXT_LIST_SEPARATORS, false, &length)) != NULL) {
        char *text = text_copy_n(element, length);
        if (add(list, text, config_param_name(param), diag) != 0)
            status = -1;
        free(text);
    }
    if (status != 0)
        metrics_listen_free(list);
    return status;
}

void metrics_listen_free(struct metrics_listen *list)
{
    for (size_t i = 0; i < list->count; i++)
        endpoint_free(&list->endpoints[i]);
    free(list->endpoints);
    *list = (struct metrics_listen){0};
}

int metrics_listen_open(const struct metrics_listen *list, const struct listener_sockets *previous,
                        struct listener_sockets *sockets, struct diag *diag)
{
    *sockets = (struct listener_sockets){0};
    for (size_t i = 0; i < list->count; i++) {
        if (endpoint_listen(&list->endpoints[i], "gatepost_metrics_listen",
                            "whoever does so can read how much mail comes and how", previous,
                            sockets, diag) == 0)
            continue;
        listener_close(sockets);
        return -1;
    }
    return 0;
}
