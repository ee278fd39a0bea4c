/*
 * commands_daemon.c: the commands that are the daemon, or that ask it.
 */
#include "proxy/commands.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "policy/diag_record.h"

#include "proxy/control.h"
#include "proxy/master.h"
#include "proxy/top.h"

int command_run(struct command_line *line, int argc, char **argv)
{
    const struct master_source source = {.directory = line->directory,
                                         .overrides = line->overrides,
                                         .override_count = line->override_count};
    struct diag_record findings;
    int status = EX_CONFIG;

    (void)argv;
    if (argc > 1)
        return command_line_wrong(line, "run takes no arguments");
    diag_record_begin(&findings);
    struct config *config =
        config_load(line->directory, line->overrides, line->override_count, &findings.diag);
    if (config != NULL)
        status = master_run(config, &source, &findings);
    diag_record_replay(&findings, command_line_finding, NULL);
    return status;
}

/* Where the daemon listens for commands, to be freed; NULL after saying why that is not known. */
static char *control_path(struct command_line *line)
{
    char *path = config_peek(line->directory, line->overrides, line->override_count,
                             PARAM_gatepost_control_socket);

    if (path == NULL)
        diag_error(&line->diag, "gatepost_control_socket: cannot be read from %s/gatepost.cf",
                   line->directory);
    return path;
}

int command_top(struct command_line *line, int argc, char **argv)
{
    struct top_options options;
    const char *wrong = top_options_parse(&options, argc, argv);

    if (wrong != NULL)
        return command_line_wrong(line, wrong);
    char *path = control_path(line);
    if (path == NULL)
        return EX_CONFIG;
    int status = top_run(path, &options);
    free(path);
    return status;
}

int command_ask(struct command_line *line, int argc, char **argv)
{
    const bool status = strcmp(argv[0], "status") == 0;
    const bool json = argc == 2 && status && strcmp(argv[1], "--json") == 0;
    const bool metrics = argc == 2 && status && strcmp(argv[1], "--metrics") == 0;

    if (argc > 1 && !json && !metrics)
        return command_line_wrong(
            line, "status takes --json or --metrics; reload and stop take no arguments");
    char *path = control_path(line);

    if (path == NULL)
        return EX_CONFIG;
    int result = control_ask(path,
                             json      ? "status --json"
                             : metrics ? "status --metrics"
                                       : argv[0],
                             stdout, stderr);
    free(path);
    return result;
}
