/*
 * listen_list.c: gatepost_listen becomes listeners, each with the configuration that holds for it.
 */
#include "policy/endpoint.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/endpoint_inet.h"
#include "policy/text.h"

#define MAX_LISTENERS 256

/* Parameters of the whole program: one listener cannot have its own. */
static const enum param global_params[] = {
    PARAM_gatepost_chroot_directory,
    PARAM_gatepost_control_socket,
    PARAM_gatepost_drain_time,
    PARAM_gatepost_ledger,
    PARAM_gatepost_ledger_max_age,
    PARAM_gatepost_ledger_max_peers,
    PARAM_gatepost_listen,
    PARAM_gatepost_policy_service,
    PARAM_gatepost_policy_service_maps,
    PARAM_gatepost_second_chance,
    PARAM_gatepost_second_chance_failures,
    PARAM_gatepost_second_chance_time,
    PARAM_gatepost_state_directory,
    PARAM_gatepost_user,
    PARAM_gatepost_watch_certificates,
    PARAM_gatepost_workers,
    PARAM_maillog_file,
    PARAM_plaintext_reject_code,
    PARAM_recipient_delimiter,
    PARAM_syslog_facility,
    PARAM_syslog_name,
};

/* What is known while one list is parsed. */
struct list_parser {
    const struct config *base;
    struct listen_list *list;
    struct diag *diag;
};

/* Parameters for one listener, with the strings they consist of. */
struct overrides {
    struct config_override *items;
    size_t count;
};

/* Report what is wrong with TEXT, part of an element. Always -1. */
static int report(const struct list_parser *parser, const char *text, const char *wrong)
{
    diag_error(parser->diag, "%s: gatepost_listen: \"%.100s\": %s",
               config_origin(parser->base, PARAM_gatepost_listen), text, wrong);
    return -1;
}

/* Remove the braces around TEXT, and blanks inside of them. False if TEXT is not one { ... }. */
static bool strip_braces(char *text)
{
    size_t length = strlen(text);
    unsigned level = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '{')
            level++;
        else if (text[i] == '}' && (level == 0 || (--level == 0 && i + 1 < length)))
            return false;
    }
    if (level != 0 || length < 2)
        return false;
    length -= 2;
    memmove(text, text + 1, length);
    while (length > 0 && text_is_blank(text[length - 1]))
        length--;
    text[length] = '\0';
    size_t blanks = 0;
    while (text_is_blank(text[blanks]))
        blanks++;
    memmove(text, text + blanks, length - blanks + 1);
    return true;
}

/* The value of an override was expanded with the whole list: protect it from a second time. */
static char *escape_dollars(const char *value)
{
    struct text out = {0};

    for (; *value != '\0'; value++) {
        if (*value == '$')
            text_add_char(&out, '$');
        text_add_char(&out, *value);
    }
    return text_take(&out);
}

/* Whether NAME is a parameter that one listener cannot have. */
static bool is_global(const char *name)
{
    enum param param;

    if (!config_param_find(name, &param))
        return false;
    for (size_t i = 0; i < sizeof(global_params) / sizeof(global_params[0]); i++) {
        if (global_params[i] == param)
            return true;
    }
    return false;
}

/* Take "name=value" or "{ name = value }". TEXT is changed. */
static int add_override(const struct list_parser *parser, struct overrides *overrides, char *text)
{
    if (*text == '{' && !strip_braces(text))
        return report(parser, text, "unbalanced braces");
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return report(parser, text, "specify name=value without blanks, or { name = value }");

    const char *value = equals + 1;
    while (text_is_blank(*value))
        value++;
    while (equals > text && text_is_blank(equals[-1]))
        equals--;
    *equals = '\0';
    if (is_global(text))
        return report(parser, text, "cannot be set for one listener");
    overrides->items =
        text_resize(overrides->items, overrides->count + 1, sizeof(*overrides->items));
    overrides->items[overrides->count++] =
        (struct config_override){text_copy(text), escape_dollars(value)};
    return 0;
}

/* Free the strings too. */
static void free_overrides(struct overrides *overrides)
{
    for (size_t i = 0; i < overrides->count; i++) {
        free((char *)overrides->items[i].name);
        free((char *)overrides->items[i].value);
    }
    free(overrides->items);
}

/* Whether an equal address is in the list already. */
static bool is_duplicate(const struct listen_list *list, const struct endpoint *endpoint)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct endpoint *other = &list->specs[i].endpoint;

        /* Port 0 is another port each time. */
        if (strcasecmp(other->host, endpoint->host) == 0 &&
            strcasecmp(other->port, endpoint->port) == 0 && strcmp(other->port, "0") != 0)
            return true;
    }
    return false;
}

/* Append a listener at ADDRESS with these parameters. */
static int add_listener(const struct list_parser *parser, const char *address,
                        const struct overrides *overrides)
{
    struct listen_list *list = parser->list;
    struct listen_spec spec = {.config = NULL};
    const char *plain = strncasecmp(address, "inet:", 5) == 0 ? address + 5 : address;
    const char *wrong = endpoint_parse_inet(plain, true, &spec.endpoint);
    struct text origin = {0};

    if (wrong == NULL && is_duplicate(list, &spec.endpoint))
        wrong = "is there twice";
    if (wrong == NULL && list->count == MAX_LISTENERS)
        wrong = "too many listeners: at most 256";
    if (wrong == NULL) {
        text_format(&origin, "%s: gatepost_listen: %s",
                    config_origin(parser->base, PARAM_gatepost_listen), address);
        spec.config = config_derive_from(parser->base, overrides->items, overrides->count,
                                         origin.data, parser->diag);
        text_free(&origin);
    } else {
        report(parser, address, wrong);
    }
    if (spec.config == NULL) {
        endpoint_free(&spec.endpoint);
        return -1;
    }
    spec.name = text_copy(address);
    spec.own_parameters = overrides->count > 0;
    list->specs = text_resize(list->specs, list->count + 1, sizeof(*list->specs));
    list->specs[list->count++] = spec;
    return 0;
}

/* Parse "{ address, name=value, ... }". TEXT is changed. */
static int parse_braced(const struct list_parser *parser, char *text)
{
    struct overrides overrides = {0};
    int status = 0;
    size_t length;

    if (!strip_braces(text))
        return report(parser, text, "unbalanced braces");
    const char *cursor = text;
    const char *word = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length);
    if (word == NULL)
        return report(parser, "{}", "no address: specify { host:port, name=value, ... }");
    char *address = text_copy_n(word, length);
    while ((word = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        char *copy = text_copy_n(word, length);

        if (add_override(parser, &overrides, copy) != 0)
            status = -1;
        free(copy);
    }
    if (status == 0)
        status = add_listener(parser, address, &overrides);
    free(address);
    free_overrides(&overrides);
    return status;
}

int listen_list_parse(const struct config *base, struct listen_list *list, struct diag *diag)
{
    /* cppcheck-suppress ctuuninitvar ; LIST is what is made here */
    const struct list_parser parser = {base, list, diag};
    const struct overrides none = {0};
    const char *cursor = config_str(base, PARAM_gatepost_listen);
    const char *word;
    size_t length;
    int status = 0;

    *list = (struct listen_list){0};
    while ((word = text_next(&cursor, TEXT_LIST_SEPARATORS, true, &length)) != NULL) {
        char *copy = text_copy_n(word, length);
        int result =
            *copy == '{' ? parse_braced(&parser, copy) : add_listener(&parser, copy, &none);

        if (result != 0)
            status = -1;
        free(copy);
    }
    if (status == 0 && list->count == 0)
        status = report(&parser, "", "nowhere to listen: specify host:port, [v6]:port or a port");
    if (status != 0)
        listen_list_free(list);
    return status;
}

void listen_list_free(struct listen_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        endpoint_free(&list->specs[i].endpoint);
        config_free(list->specs[i].config);
        free(list->specs[i].name);
    }
    free(list->specs);
    *list = (struct listen_list){0};
}
