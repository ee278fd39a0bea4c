/*
 * commands_config.c: the commands about the configuration, and the way to one.
 */
#include "proxy/commands.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <sysexits.h>

#include "policy/import.h"

#include "proxy/check.h"
#include "proxy/dane_options.h"
#include "proxy/setup_options.h"

int command_check(struct command_line *line, int argc, char **argv)
{
    struct dane_options dane;
    unsigned violated = 0;

    const char *wrong = dane_options_check(argc, argv, &dane);
    if (wrong != NULL) {
        dane_options_free(&dane);
        return command_line_wrong(line, wrong);
    }
    struct config *config = command_line_load(line);
    if (config != NULL) {
        violated = check_run(config, dane.profile, &line->diag);
        dane_options_run(config, &dane, &line->diag);
        config_free(config);
    }
    dane_options_free(&dane);
    printf("%u errors, %u warnings\n", line->diag.errors, line->diag.warnings);
    return line->diag.errors > 0 || violated > 0 ? 1 : 0;
}

int command_config(struct command_line *line, int argc, char **argv)
{
    enum config_listing listing = CONFIG_ALL;
    int option;

    optind = 0;
    while ((option = getopt(argc, argv, "+nd")) != -1) {
        if (option == '?')
            return command_line_wrong(line, "config takes -n or -d");
        listing = option == 'n' ? CONFIG_NON_DEFAULT : CONFIG_DEFAULTS;
    }
    /* Defaults are what they are, whatever the file says or whether there is one. */
    struct config *config = listing == CONFIG_DEFAULTS
                                ? config_parse("defaults", "", 0, NULL, 0, &line->diag)
                                : command_line_load(line);
    if (config == NULL)
        return EX_CONFIG;
    unsigned warnings = line->diag.warnings;
    config_print(config, listing, (const char *const *)argv + optind, (size_t)(argc - optind),
                 stdout, &line->diag);
    config_free(config);
    return line->diag.warnings > warnings ? 1 : 0;
}

int command_import(struct command_line *line, int argc, char **argv)
{
    if (argc != 2)
        return command_line_wrong(line, "import wants one directory");
    return import_postfix(argv[1], stdout, &line->diag) == 0 ? 0 : 1;
}

int command_setup(struct command_line *line, int argc, char **argv)
{
    struct setup_request request = {.directory = line->directory,
                                    .overrides = line->overrides,
                                    .override_count = line->override_count};
    const char *wrong = setup_options_parse(argc, argv, &request);

    if (wrong != NULL)
        return command_line_wrong(line, wrong);
    return setup_command(&request, stdout, &line->diag);
}
