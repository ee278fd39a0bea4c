#include "proxy/setup_options.h"

#include <getopt.h>
#include <stddef.h>

const char *setup_options_parse(int argc, char **argv, struct setup_request *request)
{
    static const struct option known[] = {
        {"dry-run", no_argument, NULL, 'd'},    {"undo", no_argument, NULL, 'u'},
        {"yes", no_argument, NULL, 'y'},        {"postfix", required_argument, NULL, 'p'},
        {"to", required_argument, NULL, 't'},   {"start", required_argument, NULL, 's'},
        {"stop", required_argument, NULL, 'e'}, {NULL, 0, NULL, 0}};
    int option;

    request->postfix = "/etc/postfix";
    request->recipient = "postmaster";
    request->start = request->stop = NULL;
    request->dry_run = request->undo = request->yes = false;
    optind = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == '?')
            return "setup takes --dry-run, --undo, --yes, --postfix DIR, --to ADDRESS, "
                   "--start COMMAND and --stop COMMAND";
        request->dry_run = request->dry_run || option == 'd';
        request->undo = request->undo || option == 'u';
        request->yes = request->yes || option == 'y';
        if (option == 'p')
            request->postfix = optarg;
        else if (option == 't')
            request->recipient = optarg;
        else if (option == 's')
            request->start = optarg;
        else if (option == 'e')
            request->stop = optarg;
    }
    if (optind != argc || (request->start == NULL) != (request->stop == NULL))
        return "setup takes no arguments; --start and --stop go together";
    return NULL;
}
