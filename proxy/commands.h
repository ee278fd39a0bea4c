/*
 * commands.h: what can be asked for on the command line. Each reads its own options, of which
 * ARGV[0] is its name, does what they say and returns the exit status.
 */
#ifndef GATEPOST_PROXY_COMMANDS_H
#define GATEPOST_PROXY_COMMANDS_H

#include "proxy/command_line.h"

typedef int command_function(struct command_line *line, int argc, char **argv);

/* commands_daemon.c */
command_function command_run;
command_function command_top;
command_function command_ask; /* status, reload and stop */

/* commands_config.c */
command_function command_check;
command_function command_config;
command_function command_import;
command_function command_setup;

/* commands_certificates.c */
command_function command_tlsa;
command_function command_selfsigned;

/* commands_peers.c */
command_function command_policy;
command_function command_simulate;
command_function command_suggest;
command_function command_report;

#endif
