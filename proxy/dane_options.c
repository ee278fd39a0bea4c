#include "proxy/dane_options.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decimal.h"
#include "policy/text.h"

#include "proxy/dane_check.h"

static const char too_many[] = "too many arguments of one kind: at most 32";

/* "NUMBER" of a port. */
static bool read_port(const char *text, uint16_t *port)
{
    uint64_t number;

    if (!decimal_read(text, UINT16_MAX, &number) || number == 0)
        return false;
    *port = (uint16_t)number;
    return true;
}

static const char *add_next(struct dane_options *options, const char *file)
{
    if (options->next_count == DANE_OPTIONS_MAX)
        return too_many;
    options->next[options->next_count++] = file;
    return NULL;
}

static const char *add_port(struct dane_options *options, const char *text)
{
    if (options->port_count == DANE_OPTIONS_MAX)
        return too_many;
    return read_port(text, &options->ports[options->port_count++]) ? NULL
                                                                   : "a port is a number to 65535";
}

static const char *add_name(struct dane_options *options, const char *text)
{
    if (options->name_count == DANE_OPTIONS_MAX)
        return too_many;
    char *name = dane_name(text);
    if (name == NULL)
        return "a name for DANE is a host name, in ASCII";
    options->names[options->name_count++] = name;
    return NULL;
}

/* --dane NAME[:PORT]: a question of its own. */
static const char *add_question(struct dane_options *options, const char *text)
{
    size_t length = strcspn(text, ":");
    char *copy = text_copy_n(text, length);
    const char *wrong = add_name(options, copy);

    free(copy);
    if (wrong != NULL)
        return wrong;
    size_t ports = options->port_count;
    if (text[length] == ':' && (wrong = add_port(options, text + length + 1)) != NULL)
        return wrong;
    options->questions[options->question_count++] =
        (struct dane_question){.names = &options->names[options->name_count - 1],
                               .name_count = 1,
                               .ports = &options->ports[ports],
                               .port_count = options->port_count - ports};
    return NULL;
}

const char *dane_options_check(int argc, char **argv, struct dane_options *options)
{
    static const char usage[] = "check takes --profile NAME, --dane NAME[:PORT], --next FILE and "
                                "--resolver IPV4[:PORT], and no arguments";
    static const struct option known[] = {{"profile", required_argument, NULL, 'p'},
                                          {"dane", required_argument, NULL, 'd'},
                                          {"next", required_argument, NULL, 'n'},
                                          {"resolver", required_argument, NULL, 'r'},
                                          {NULL, 0, NULL, 0}};
    const char *wrong = NULL;
    int option;

    *options = (struct dane_options){0};
    optind = 0;
    while (wrong == NULL && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'p')
            options->profile = optarg;
        else if (option == 'd')
            wrong = add_question(options, optarg);
        else if (option == 'n')
            wrong = add_next(options, optarg);
        else if (option != 'r' || !dns_resolver_parse(optarg, &options->resolver))
            wrong = usage;
    }
    if (wrong == NULL && optind != argc)
        wrong = usage;
    if (wrong == NULL && options->question_count == 0 &&
        (options->next_count > 0 || options->resolver.given))
        wrong = "--next and --resolver are for --dane NAME";
    return wrong;
}

const char *dane_options_tlsa(int argc, char **argv, struct dane_options *options)
{
    static const struct option known[] = {{"next", required_argument, NULL, 'n'},
                                          {"port", required_argument, NULL, 'p'},
                                          {NULL, 0, NULL, 0}};
    const char *wrong = NULL;
    int option;

    *options = (struct dane_options){.question_count = 1};
    optind = 0;
    while (wrong == NULL && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'n')
            wrong = add_next(options, optarg);
        else if (option == 'p')
            wrong = add_port(options, optarg);
        else
            wrong = "tlsa takes --next FILE, --port N and names";
    }
    for (int i = optind; wrong == NULL && i < argc; i++)
        wrong = add_name(options, argv[i]);
    options->questions[0] = (struct dane_question){.names = options->names,
                                                   .name_count = options->name_count,
                                                   .ports = options->ports,
                                                   .port_count = options->port_count};
    return wrong;
}

void dane_options_free(struct dane_options *options)
{
    for (size_t i = 0; i < options->name_count; i++)
        free(options->names[i]);
    options->name_count = 0;
}

void dane_options_run(const struct config *config, const struct dane_options *options,
                      struct diag *diag)
{
    for (size_t i = 0; i < options->question_count; i++)
        dane_check(config, &options->questions[i], options->next, options->next_count,
                   &options->resolver, diag);
}
