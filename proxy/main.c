/*
 * The command line: gatepost [-c config_dir] [-o name=value]... command
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "policy/config.h"
#include "policy/diag.h"
#include "policy/import.h"

#include "tls/context.h"
#include "tls/selfsigned.h"

#include "proxy/check.h"
#include "proxy/control.h"
#include "proxy/dane_options.h"
#include "proxy/master.h"
#include "proxy/policy_command.h"
#include "proxy/report_command.h"
#include "proxy/setup.h"
#include "proxy/simulate.h"
#include "proxy/suggest.h"
#include "proxy/tlsa_command.h"
#include "proxy/top.h"
#include "proxy/version.h"

#define DEFAULT_DIRECTORY "/etc/gatepost"
#define OVERRIDES_MAX 256

/* What was given before the command. */
struct command_line {
    const char *directory;
    struct config_override overrides[OVERRIDES_MAX];
    size_t override_count;
    struct diag diag;
};

static const char usage_text[] =
    "usage: gatepost [-c config_dir] [-o name=value]... command\n"
    "commands:\n"
    "  run                     serve in the foreground\n"
    "  check [--profile NAME] [--dane NAME[:PORT]]... [--next FILE]... [--resolver IPV4[:PORT]]\n"
    "                          read everything, ask the backend (and DNS), report what is wrong\n"
    "  config [-n|-d] [name]   show parameters: all, those that are set (-n), defaults (-d)\n"
    "  policy ADDRESS [--sni NAME] [--json]\n"
    "                          what TLS holds for a peer, and which line says so\n"
    "  simulate [-c DIR] [-o name=value]... [--all] [--json]\n"
    "                          whom another configuration would cost, by what the ledger knows\n"
    "  suggest [--min-sessions N] [--unused-days N]\n"
    "                          lines for the policy table, by what the ledger knows\n"
    "  import DIR              turn a Postfix configuration into a gatepost.cf, on standard "
    "output\n"
    "  setup [--dry-run|--undo] [--yes] [--postfix DIR] [--to ADDRESS]\n"
    "        [--start COMMAND --stop COMMAND]\n"
    "                          put gatepost in front of a Postfix that works, or back\n"
    "  tlsa [--next FILE]... [--port N]... [NAME]...\n"
    "                          the DNS records for DANE, of the present and coming certificates\n"
    "  selfsigned [--name NAME] [--rsa|--ecdsa|--both] FILE\n"
    "                          make a key and a certificate signed by itself\n"
    "  report [--since DATE|Nd] [--peer CIDR] [--failing] [--protocol P] [--limit N]\n"
    "         [--json|--csv|--html FILE]\n"
    "                          who comes, what they use, who fails and why\n"
    "  status [--json|--metrics]\n"
    "                          ask the running daemon how it is; --metrics: as Prometheus is told\n"
    "  top [-d SECONDS] [--once]\n"
    "                          the same, live\n"
    "  reload                  read everything anew; no session notices\n"
    "  stop                    stop the running daemon\n"
    "options:\n"
    "  -c config_dir           where gatepost.cf is (default: " DEFAULT_DIRECTORY ")\n"
    "  -o name=value           override a parameter\n"
    "  --version, --help\n";

/* Findings go to standard error, one a line. */
static void print_finding(void *ctx, enum diag_severity severity, const char *text)
{
    static const char *const prefixes[] = {
        [DIAG_INFO] = "info: ", [DIAG_WARNING] = "warning: ", [DIAG_ERROR] = "error: "};

    (void)ctx;
    fprintf(stderr, "gatepost: %s%s\n", prefixes[severity], text);
}

static int usage_error(const char *what)
{
    fprintf(stderr, "gatepost: %s\n%s", what, usage_text);
    return EX_USAGE;
}

/* "-o name=value": split in place. Returns false if there is no name or no "=". */
static bool add_override(struct command_line *line, char *text)
{
    char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || line->override_count == OVERRIDES_MAX)
        return false;
    char *end = equals;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    const char *value = equals + 1 + strspn(equals + 1, " \t");
    line->overrides[line->override_count++] =
        (struct config_override){.name = text, .value = value};
    return *text != '\0';
}

/* Load the configuration, or report and return NULL. */
static struct config *load(struct command_line *line)
{
    return config_load(line->directory, line->overrides, line->override_count, &line->diag);
}

static int command_run(struct command_line *line, int argc, char **argv)
{
    const struct master_source source = {.directory = line->directory,
                                         .overrides = line->overrides,
                                         .override_count = line->override_count};
    struct diag_record findings;
    int status = EX_CONFIG;

    (void)argv;
    if (argc > 1)
        return usage_error("run takes no arguments");
    diag_record_begin(&findings);
    struct config *config =
        config_load(line->directory, line->overrides, line->override_count, &findings.diag);
    if (config != NULL)
        status = master_run(config, &source, &findings);
    diag_record_replay(&findings, print_finding, NULL);
    return status;
}

static int command_check(struct command_line *line, int argc, char **argv)
{
    struct dane_options dane;
    unsigned violated = 0;

    const char *wrong = dane_options_check(argc, argv, &dane);
    if (wrong != NULL) {
        dane_options_free(&dane);
        return usage_error(wrong);
    }
    struct config *config = load(line);
    if (config != NULL) {
        violated = check_run(config, dane.profile, &line->diag);
        dane_options_run(config, &dane, &line->diag);
        config_free(config);
    }
    dane_options_free(&dane);
    printf("%u errors, %u warnings\n", line->diag.errors, line->diag.warnings);
    return line->diag.errors > 0 || violated > 0 ? 1 : 0;
}

static int command_config(struct command_line *line, int argc, char **argv)
{
    enum config_listing listing = CONFIG_ALL;
    int option;

    optind = 0;
    while ((option = getopt(argc, argv, "+nd")) != -1) {
        if (option == '?')
            return usage_error("config takes -n or -d");
        listing = option == 'n' ? CONFIG_NON_DEFAULT : CONFIG_DEFAULTS;
    }
    /* Defaults are what they are, whatever the file says or whether there is one. */
    struct config *config = listing == CONFIG_DEFAULTS
                                ? config_parse("defaults", "", 0, NULL, 0, &line->diag)
                                : load(line);
    if (config == NULL)
        return EX_CONFIG;
    unsigned warnings = line->diag.warnings;
    config_print(config, listing, (const char *const *)argv + optind, (size_t)(argc - optind),
                 stdout, &line->diag);
    config_free(config);
    return line->diag.warnings > warnings ? 1 : 0;
}

static int command_policy(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = {{"sni", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    struct policy_question question = {0};
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return usage_error("policy takes --sni NAME and --json");
        if (option == 's')
            question.sni = optarg;
        else
            question.json = true;
    }
    if (optind != argc - 1)
        return usage_error("policy wants one address");
    question.address = argv[optind];
    struct config *config = load(line);
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
        return load(proposal);
    proposal->directory = line->directory;
    if (line->override_count + proposal->override_count > OVERRIDES_MAX) {
        diag_error(&proposal->diag, "too many -o");
        return NULL;
    }
    memmove(proposal->overrides + line->override_count, proposal->overrides,
            proposal->override_count * sizeof(proposal->overrides[0]));
    memcpy(proposal->overrides, line->overrides, line->override_count * sizeof(line->overrides[0]));
    proposal->override_count += line->override_count;
    return load(proposal);
}

static int command_simulate(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"all", no_argument, NULL, 'a'}, {NULL, 0, NULL, 0}};
    struct command_line proposal = {.diag = {.sink = print_finding}};
    struct simulate_question question = {0};
    int status = EX_CONFIG;
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "c:o:", options, NULL)) != -1) {
        if (option == '?')
            return usage_error("simulate takes -c DIR, -o name=value, --all and --json");
        if (option == 'o' && !add_override(&proposal, optarg))
            return usage_error("-o wants name=value");
        if (option == 'c')
            proposal.directory = optarg;
        question.json = question.json || option == 'j';
        question.all = question.all || option == 'a';
    }
    if (optind != argc || (proposal.directory == NULL && proposal.override_count == 0))
        return usage_error("simulate wants the proposed configuration: -c DIR or -o name=value");
    struct config *present = load(line);
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
    char *end;

    *number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *number <= 1000000;
}

static int command_suggest(struct command_line *line, int argc, char **argv)
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
            return usage_error("suggest takes --min-sessions N and --unused-days N");
    if (optind != argc)
        return usage_error("suggest takes no arguments but --min-sessions and --unused-days");
    struct config *config = load(line);
    if (config == NULL)
        return EX_CONFIG;
    int status = suggest_command(config, &question, stdout, &line->diag);
    config_free(config);
    return status;
}

static int command_import(struct command_line *line, int argc, char **argv)
{
    if (argc != 2)
        return usage_error("import wants one directory");
    return import_postfix(argv[1], stdout, &line->diag) == 0 ? 0 : 1;
}

static int command_setup(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = {
        {"dry-run", no_argument, NULL, 'd'},    {"undo", no_argument, NULL, 'u'},
        {"yes", no_argument, NULL, 'y'},        {"postfix", required_argument, NULL, 'p'},
        {"to", required_argument, NULL, 't'},   {"start", required_argument, NULL, 's'},
        {"stop", required_argument, NULL, 'e'}, {NULL, 0, NULL, 0}};
    struct setup_request request = {.directory = line->directory,
                                    .overrides = line->overrides,
                                    .override_count = line->override_count,
                                    .postfix = "/etc/postfix",
                                    .recipient = "postmaster"};
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return usage_error("setup takes --dry-run, --undo, --yes, --postfix DIR, --to ADDRESS, "
                               "--start COMMAND and --stop COMMAND");
        request.dry_run = request.dry_run || option == 'd';
        request.undo = request.undo || option == 'u';
        request.yes = request.yes || option == 'y';
        if (option == 'p')
            request.postfix = optarg;
        else if (option == 't')
            request.recipient = optarg;
        else if (option == 's')
            request.start = optarg;
        else if (option == 'e')
            request.stop = optarg;
    }
    if (optind != argc || (request.start == NULL) != (request.stop == NULL))
        return usage_error("setup takes no arguments; --start and --stop go together");
    return setup_command(&request, stdout, &line->diag);
}

static int command_tlsa(struct command_line *line, int argc, char **argv)
{
    struct dane_options dane;
    int status = EX_CONFIG;

    const char *wrong = dane_options_tlsa(argc, argv, &dane);
    if (wrong != NULL) {
        dane_options_free(&dane);
        return usage_error(wrong);
    }
    struct config *config = load(line);
    if (config != NULL)
        status = tlsa_command(config, &dane.questions[0], dane.next, dane.next_count, stdout,
                              &line->diag);
    config_free(config);
    dane_options_free(&dane);
    return status;
}

static int command_selfsigned(struct command_line *line, int argc, char **argv)
{
    static const struct option options[] = {{"name", required_argument, NULL, 'n'},
                                            {"rsa", no_argument, NULL, 'r'},
                                            {"ecdsa", no_argument, NULL, 'e'},
                                            {"both", no_argument, NULL, 'b'},
                                            {NULL, 0, NULL, 0}};
    static const enum tls_key_kind kinds[] = {TLS_KEY_ECDSA_P256, TLS_KEY_RSA_2048};
    const char *name = NULL;
    size_t first = 0;
    size_t count = 1;
    int option;

    optind = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return usage_error("selfsigned takes --name NAME, --rsa, --ecdsa and --both");
        if (option == 'n') {
            name = optarg;
            continue;
        }
        first = option == 'r' ? 1 : 0;
        count = option == 'b' ? 2 : 1;
    }
    if (optind != argc - 1)
        return usage_error("selfsigned wants the file to write");
    struct config *config = name == NULL ? load(line) : NULL;
    if (name == NULL && config == NULL)
        return EX_CONFIG;
    if (name == NULL)
        name = config_str(config, PARAM_myhostname);
    int status = tls_selfsigned_write(argv[optind], name, 3650, kinds + first, count, &line->diag);
    config_free(config);
    return status == 0 ? 0 : 1;
}

static int command_report(struct command_line *line, int argc, char **argv)
{
    struct report_options options;
    char error[256];

    const char *wrong =
        report_options_parse(argc, argv, time(NULL), &options, error, sizeof(error));
    if (wrong != NULL)
        return usage_error(wrong);
    struct config *config = load(line);
    if (config == NULL)
        return EX_CONFIG;
    int status = report_command(config, &options, stdout, &line->diag);
    config_free(config);
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

/* top: the daemon is asked again and again. */
static int command_top(struct command_line *line, int argc, char **argv)
{
    struct top_options options;
    const char *wrong = top_options_parse(&options, argc, argv);

    if (wrong != NULL)
        return usage_error(wrong);
    char *path = control_path(line);
    if (path == NULL)
        return EX_CONFIG;
    int status = top_run(path, &options);
    free(path);
    return status;
}

/* status, reload and stop: the daemon answers. */
static int command_ask(struct command_line *line, int argc, char **argv)
{
    const bool status = strcmp(argv[0], "status") == 0;
    const bool json = argc == 2 && status && strcmp(argv[1], "--json") == 0;
    const bool metrics = argc == 2 && status && strcmp(argv[1], "--metrics") == 0;

    if (argc > 1 && !json && !metrics)
        return usage_error("status takes --json or --metrics; reload and stop take no arguments");
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

static const struct {
    const char *name;
    int (*run)(struct command_line *line, int argc, char **argv);
} commands[] = {
    {"run", command_run},           {"check", command_check},
    {"config", command_config},     {"policy", command_policy},
    {"simulate", command_simulate}, {"suggest", command_suggest},
    {"import", command_import},     {"selfsigned", command_selfsigned},
    {"setup", command_setup},       {"report", command_report},
    {"status", command_ask},        {"top", command_top},
    {"reload", command_ask},        {"stop", command_ask},
    {"tlsa", command_tlsa},
};

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
    struct command_line line = {.directory = DEFAULT_DIRECTORY, .diag = {.sink = print_finding}};
    int option;

    while ((option = getopt_long(argc, argv, "+c:o:", long_options, NULL)) != -1) {
        switch (option) {
        case 'c':
            line.directory = optarg;
            break;
        case 'o':
            if (!add_override(&line, optarg))
                return usage_error("-o wants name=value");
            break;
        case 'h':
            fputs(usage_text, stdout);
            return EX_OK;
        case 'V':
            printf("gatepost %s, %s\n", GATEPOST_VERSION, tls_library_version());
            return EX_OK;
        default:
            fputs(usage_text, stderr);
            return EX_USAGE;
        }
    }
    if (optind == argc)
        return usage_error("a command is missing");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[optind], commands[i].name) == 0)
            return commands[i].run(&line, argc - optind, argv + optind);
    return usage_error("unknown command");
}
