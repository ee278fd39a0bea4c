/*
 * import_listen.c: which services of master.cf face other hosts, and where gatepost listens
 * instead.
 */
#include "policy/import_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/params.h"

#define PORT_FIRST 10025 /* of backends */
#define PORT_COUNT 1000

/* Where the port of an inet service's name begins. */
static const char *port_of(const struct master_service *service)
{
    const char *colon = strrchr(service->name, ':');

    return colon != NULL ? colon + 1 : service->name;
}

/* Whether an inet service is for this host alone. */
static bool is_loopback(const struct master_service *service)
{
    static const char *const hosts[] = {"127.", "[127.", "localhost:", "[::1]:", "::1:"};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        if (strncasecmp(service->name, hosts[i], strlen(hosts[i])) == 0)
            return true;
    }
    return false;
}

/* Whether it is an smtpd(8) or postscreen(8) on TCP. */
static bool is_smtp_server(const struct master_service *service)
{
    return strcmp(service->type, "inet") == 0 &&
           (strcmp(service->command, "smtpd") == 0 || strcmp(service->command, "postscreen") == 0);
}

bool import_is_public(const struct master_service *service)
{
    return is_smtp_server(service) && !is_loopback(service);
}

/* How well a service fits the part of the one on port 25; 0: not at all. */
static int rank(const struct master_service *service)
{
    const char *port = port_of(service);

    if (!is_smtp_server(service) || (strcmp(port, "25") != 0 && strcasecmp(port, "smtp") != 0))
        return 0;
    if (is_loopback(service))
        return 1;
    return port == service->name ? 3 : 2;
}

/* Find what listens on port 25, and the smtpd behind it. */
static void find_front(struct import *import)
{
    int best = 0;

    for (size_t i = 0; i < import->master.count; i++) {
        if (rank(&import->master.services[i]) > best) {
            import->front = &import->master.services[i];
            best = rank(import->front);
        }
    }
    import->postscreen = import->front != NULL && strcmp(import->front->command, "postscreen") == 0;
    import->handler =
        import->postscreen ? master_cf_find(&import->master, "smtpd", "pass") : import->front;
}

/* Mark the numbers in TEXT that could be ports of backends. */
static void mark_ports(bool *used, const char *text)
{
    while (*text != '\0') {
        unsigned number = 0;

        if (!text_is_digit(*text)) {
            text++;
            continue;
        }
        for (; text_is_digit(*text); text++)
            number = number < 100000 ? number * 10 + (unsigned)(*text - '0') : number;
        if (number >= PORT_FIRST && number < PORT_FIRST + PORT_COUNT)
            used[number - PORT_FIRST] = true;
    }
}

/* Mark all numbers in both files: content filters are told about in many ways. */
static void mark_all(const struct import *import, bool *used)
{
    for (size_t i = 0; i < import->main.count; i++)
        mark_ports(used, import->main.entries[i].value);
    for (size_t i = 0; i < import->master.count; i++) {
        const struct master_service *service = &import->master.services[i];

        mark_ports(used, service->name);
        mark_ports(used, service->others);
        for (size_t k = 0; k < service->option_count; k++)
            mark_ports(used, service->options[k].value);
    }
}

/* Take the next free port, or 0. */
static unsigned take_port(bool *used)
{
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        if (!used[i]) {
            used[i] = true;
            return PORT_FIRST + i;
        }
    }
    return 0;
}

/* Whether one of the words of an expanded main.cf value is WORD, in any case. */
static bool has_word(struct import *import, const char *name, const char *word)
{
    const char *written = import_main_value(import, name);
    char *value = import_full_value(import, name, written != NULL ? written : "all");
    const char *cursor = value;
    const char *element;
    size_t length;
    bool found = false;

    while (!found && (element = text_next(&cursor, TEXT_LIST_SEPARATORS, false, &length)) != NULL)
        found = length == strlen(word) && strncasecmp(element, word, length) == 0;
    free(value);
    return found;
}

/* Whether Postfix uses IPv4, or IPv6. */
static bool uses_family(struct import *import, const char *family)
{
    return has_word(import, "inet_protocols", "all") || has_word(import, "inet_protocols", family);
}

void import_find_services(struct import *import)
{
    bool used[PORT_COUNT] = {false};

    find_front(import);
    mark_all(import, used);
    import->backend_port = take_port(used);
    import->ports = text_alloc(import->master.count + 1, sizeof(*import->ports));
    for (size_t i = 0; i < import->master.count; i++) {
        const struct master_service *service = &import->master.services[i];

        if (service != import->front && import_is_public(service))
            import->ports[i] = take_port(used);
    }
}

void import_choose_backend(struct import *import)
{
    /* Without IPv4, master(8) does not open a listener at 127.0.0.1. */
    import->backend_host = uses_family(import, "ipv4") ? "127.0.0.1" : "[::1]";
}

/* Append one address of inet_interfaces. */
static void add_address(struct text *out, const char *address, size_t length, const char *port)
{
    bool bare_v6 = memchr(address, ':', length) != NULL && *address != '[';

    text_format(out, "%s%s%.*s%s:%s", out->length > 0 ? " " : "", bare_v6 ? "[" : "", (int)length,
                address, bare_v6 ? "]" : "", port);
}

/* Append where a service without an address listens: inet_interfaces and inet_protocols say so. */
static void add_interfaces(struct import *import, const char *port, struct text *out)
{
    bool v4 = uses_family(import, "ipv4");
    bool v6 = uses_family(import, "ipv6");
    const char *word;
    size_t length;

    if (has_word(import, "inet_interfaces", "all")) {
        text_format(out, "%s%s", v4 && v6 ? "" : v6 ? "[::]:" : "0.0.0.0:", port);
        return;
    }
    if (has_word(import, "inet_interfaces", "loopback-only")) {
        if (v4)
            add_address(out, "127.0.0.1", strlen("127.0.0.1"), port);
        if (v6)
            add_address(out, "::1", strlen("::1"), port);
        return;
    }
    const char *written = import_main_value(import, "inet_interfaces");
    char *value = import_full_value(import, "inet_interfaces", written != NULL ? written : "");
    const char *cursor = value;
    while ((word = text_next(&cursor, TEXT_LIST_SEPARATORS, false, &length)) != NULL) {
        if (length < 256)
            add_address(out, word, length, port);
    }
    free(value);
}

/* Append the elements of gatepost_listen that stand for a service, without options. */
static void add_endpoints(struct import *import, const struct master_service *service,
                          struct text *out)
{
    const char *port = port_of(service);

    if (strcasecmp(port, "smtp") == 0)
        port = "25";
    if (port_of(service) == service->name)
        add_interfaces(import, port, out);
    else
        text_format(out, "%.*s%s", (int)(port_of(service) - service->name), service->name, port);
}

/* Whether a parameter may stand in a listener's braces and says something about its TLS. */
static bool is_listener_option(const char *name)
{
    return import_is_param(name, strlen(name)) &&
           (strncmp(name, "smtpd_", 6) == 0 || strncmp(name, "tls_", 4) == 0);
}

/* Append ", name=value". */
static void add_option(struct import *import, const char *name, const char *value, struct text *out)
{
    struct text reasons = {0};
    char *portable = import_portable_value(import, name, value, &reasons);

    if (strpbrk(portable, TEXT_LIST_SEPARATORS "{}") != NULL)
        text_format(out, ", { %s = %s }", name, portable);
    else
        text_format(out, ", %s=%s", name, portable);
    free(portable);
    text_free(&reasons);
}

/* What holds for a parameter on the other services: main.cf's value, or the default. */
static const char *common_value(const struct import *import, const char *name)
{
    const char *value = import_main_value(import, name);

    if (value != NULL)
        return value;
    if (strcmp(name, "smtpd_tls_security_level") == 0)
        return "none";
    return param_row_find(name, strlen(name))->default_text;
}

/* Append the options of one listener: the service's own, and main.cf's where the service on port 25
 * has others. */
static void add_options(struct import *import, const struct master_service *service,
                        struct text *out)
{
    const struct master_service *handler = import->handler;

    for (size_t i = 0; i < service->option_count; i++) {
        const struct master_option *option = &service->options[i];

        if (is_listener_option(option->name) &&
            master_service_option(service, option->name) == option->value)
            add_option(import, option->name, option->value, out);
    }
    for (size_t i = 0; handler != NULL && i < handler->option_count; i++) {
        const struct master_option *option = &handler->options[i];

        if (is_listener_option(option->name) &&
            master_service_option(handler, option->name) == option->value &&
            master_service_option(service, option->name) == NULL)
            add_option(import, option->name, common_value(import, option->name), out);
    }
}

/* Append the listeners that would stand for one service, one in a line. */
static void add_listeners(struct import *import, size_t index, struct text *out)
{
    const struct master_service *service = &import->master.services[index];
    struct text endpoints = {0};
    size_t length;
    const char *word;

    add_endpoints(import, service, &endpoints);
    const char *cursor = endpoints.data != NULL ? endpoints.data : "";
    while ((word = text_next(&cursor, " ", false, &length)) != NULL) {
        text_format(out, "#    { %.*s, gatepost_backend=inet:%s:%u", (int)length, word,
                    import->backend_host, import->ports[index]);
        add_options(import, service, out);
        text_add_string(out, " }\n");
    }
    text_free(&endpoints);
}

/* Write what gatepost_listen would be if gatepost stood before the other services too. */
static void write_others(struct import *import, const char *listen, FILE *out)
{
    struct text names = {0};
    struct text listeners = {0};

    for (size_t i = 0; i < import->master.count; i++) {
        if (import->ports[i] == 0)
            continue;
        text_format(&names, "%s%s/inet (line %u)", names.length > 0 ? ", " : "",
                    import->master.services[i].name, import->master.services[i].line);
        add_listeners(import, i, &listeners);
    }
    if (names.length > 0) {
        import_comment(
            out,
            "These services of master.cf stay as they are, with Postfix's own TLS: %s. "
            "Instead, gatepost can stand before them too, with this and the commands for "
            "them at the end:",
            names.data);
        fprintf(out, "#gatepost_listen = %s\n%s", listen, listeners.data);
    }
    text_free(&names);
    text_free(&listeners);
}

void import_write_listen(struct import *import, FILE *out)
{
    struct text listen = {0};

    if (import->front == NULL) {
        import_comment(out, "master.cf has no smtpd(8) or postscreen(8) on port 25.");
    } else {
        add_endpoints(import, import->front, &listen);
        import_comment(out, "Where %s/inet of master.cf (line %u) listened, %s.",
                       import->front->name, import->front->line,
                       port_of(import->front) == import->front->name
                           ? "with inet_interfaces and inet_protocols"
                           : "at its own address");
    }
    if (listen.length == 0)
        text_add_string(&listen, "25");
    fprintf(out, "gatepost_listen = %s\n", listen.data);
    write_others(import, listen.data, out);
    fputc('\n', out);
    if (import->backend_port != PORT_FIRST)
        import_comment(out, "Port %d is spoken for in main.cf or master.cf.", PORT_FIRST);
    fprintf(out, "gatepost_backend = inet:%s:%u\n", import->backend_host, import->backend_port);
    text_free(&listen);
}
