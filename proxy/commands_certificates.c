/*
 * commands_certificates.c: the commands about keys and certificates.
 */
#include "proxy/commands.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#include "tls/selfsigned.h"

#include "proxy/dane_options.h"
#include "proxy/tlsa_command.h"

int command_tlsa(struct command_line *line, int argc, char **argv)
{
    struct dane_options dane;
    int status = EX_CONFIG;

    const char *wrong = dane_options_tlsa(argc, argv, &dane);
    if (wrong != NULL) {
        dane_options_free(&dane);
        return command_line_wrong(line, wrong);
    }
    struct config *config = command_line_load(line);
    if (config != NULL)
        status = tlsa_command(config, &dane.questions[0], dane.next, dane.next_count, stdout,
                              &line->diag);
    config_free(config);
    dane_options_free(&dane);
    return status;
}

int command_selfsigned(struct command_line *line, int argc, char **argv)
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
            return command_line_wrong(line,
                                      "selfsigned takes --name NAME, --rsa, --ecdsa and --both");
        if (option == 'n') {
            name = optarg;
            continue;
        }
        first = option == 'r' ? 1 : 0;
        count = option == 'b' ? 2 : 1;
    }
    if (optind != argc - 1)
        return command_line_wrong(line, "selfsigned wants the file to write");
    struct config *config = name == NULL ? command_line_load(line) : NULL;
    if (name == NULL && config == NULL)
        return EX_CONFIG;
    if (name == NULL)
        name = config_str(config, PARAM_myhostname);
    int status = tls_selfsigned_write(argv[optind], name, 3650, kinds + first, count, &line->diag);
    config_free(config);
    return status == 0 ? 0 : 1;
}
