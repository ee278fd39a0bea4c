/*
 * commands_peers.c: the commands about those who come: what holds for them, and what they did.
 */
#include "proxy/commands.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "policy/decimal.h"

#include "proxy/policy_command.h"
#include "proxy/report_command.h"
#include "proxy/simulate.h"
#include "proxy/suggest.h"

int command_policy(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = {{"sni", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    struct policy_question question = {0};
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return command_line_wrong(line, "policy takes --sni NAME and --json");
        if (option == 's')
            question.sni = optarg;
        else
            question.json = true;
    }
    if (optind != argc - 1)
        return command_line_wrong(line, "policy wants one address");
    question.address = argv[optind];
    struct config *config = command_line_load(line);
    if (config == NULL)
        return EX_CONFIG;
    int status = policy_command(config, &question, stdout, &line->diag);
    config_free(config);
    return status;
}

/* The configuration that "simulate" is asked about: DIRECTORY and OVERRIDES given behind the
 * command; without a directory the present one, with its overrides. */
static struct config *load_proposal(struct command_line *line, struct command_line *proposal)
{
    if (proposal->directory != NULL)
        return command_line_load(proposal);
    proposal->directory = line->directory;
    if (line->override_count + proposal->override_count > COMMAND_LINE_OVERRIDES_MAX) {
        diag_error(&proposal->diag, "too many -o");
        return NULL;
    }
    memmove(proposal->overrides + line->override_count, proposal->overrides,
            proposal->override_count * sizeof(proposal->overrides[0]));
    memcpy(proposal->overrides, line->overrides, line->override_count * sizeof(line->overrides[0]));
    proposal->override_count += line->override_count;
    return command_line_load(proposal);
}

int command_simulate(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"all", no_argument, NULL, 'a'}, {NULL, 0, NULL, 0}};
    struct command_line proposal = {.usage = line->usage, .diag = {.sink = command_line_finding}};
    struct simulate_question question = {0};
    int status = EX_CONFIG;
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "c:o:", options, NULL)) != -1) {
        if (option == '?')
            return command_line_wrong(line,
                                      "simulate takes -c DIR, -o name=value, --all and --json");
        if (option == 'o' && !command_line_override(&proposal, optarg))
            return command_line_wrong(line, "-o wants name=value");
        if (option == 'c')
            proposal.directory = optarg;
        question.json = question.json || option == 'j';
        question.all = question.all || option == 'a';
    }
    if (optind != argc || (proposal.directory == NULL && proposal.override_count == 0))
        return command_line_wrong(
            line, "simulate wants the proposed configuration: -c DIR or -o name=value");
    struct config *present = command_line_load(line);
    struct config *proposed = load_proposal(line, &proposal);
    question.present = present;
    question.proposed = proposed;
    if (present != NULL && proposed != NULL)
        status = simulate_command(&question, stdout, &line->diag);
    config_free(present);
    config_free(proposed);
    return status;
}

/* A number of 0 to a million; false: it is none. */
static bool read_count(const char *text, long *number)
{
    uint64_t value;

    if (!decimal_read(text, 1000000, &value))
        return false;
    *number = (long)value;
    return true;
}

int command_suggest(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = {{"min-sessions", required_argument, NULL, 'm'},
                                            {"unused-days", required_argument, NULL, 'u'},
                                            {NULL, 0, NULL, 0}};
    struct suggest_question question = {.min_sessions = 3, .unused_days = 90};
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (option == '?' ||
            !read_count(optarg, option == 'm' ? &question.min_sessions : &question.unused_days))
            return command_line_wrong(line, "suggest takes --min-sessions N and --unused-days N");
    if (optind != argc)
        return command_line_wrong(
            line, "suggest takes no arguments but --min-sessions and --unused-days");
    struct config *config = command_line_load(line);
    if (config == NULL)
        return EX_CONFIG;
    int status = suggest_command(config, &question, stdout, &line->diag);
    config_free(config);
    return status;
}

int command_report(struct command_line *line, int argc, char **argv)
{
    struct report_options options;
    char error[256];

    const char *wrong =
        report_options_parse(argc, argv, time(NULL), &options, error, sizeof(error));
    if (wrong != NULL)
        return command_line_wrong(line, wrong);
    struct config *config = command_line_load(line);
    if (config == NULL)
        return EX_CONFIG;
    int status = report_command(config, &options, stdout, &line->diag);
    config_free(config);
    return status;
}
