/*
 * The command line: gatepost [-c config_dir] [-o name=value]... command
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tls/context.h"

#include "proxy/commands.h"
#include "proxy/version.h"

#define DEFAULT_DIRECTORY "/etc/gatepost"

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

/* What can be asked for. */
static const struct {
    const char *name;
    command_function *run;
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
    struct command_line line = {.directory = DEFAULT_DIRECTORY,
                                .usage = usage_text,
                                .diag = {.sink = command_line_finding}};
    int option;

    while ((option = getopt_long(argc, argv, "+c:o:", long_options, NULL)) != -1) {
        switch (option) {
        case 'c':
            line.directory = optarg;
            break;
        case 'o':
            if (!command_line_override(&line, optarg))
                return command_line_wrong(&line, "-o wants name=value");
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
        return command_line_wrong(&line, "a command is missing");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[optind], commands[i].name) == 0)
            return commands[i].run(&line, argc - optind, argv + optind);
    return command_line_wrong(&line, "unknown command");
}
