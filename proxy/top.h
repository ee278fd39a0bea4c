/*
 * top.h: "gatepost top": the running daemon's numbers, live, as top(1) shows processes.
 */
#ifndef GATEPOST_PROXY_TOP_H
#define GATEPOST_PROXY_TOP_H

#include <stdbool.h>

struct top_options {
    double seconds; /* between two looks */
    bool once;      /* one plain text, after two looks a second apart */
};

/* Options of the command line (argv[0] is "top") into OPTIONS. NULL, or what is wrong. */
const char *top_options_parse(struct top_options *options, int argc, char **argv);

/* Show what the daemon at the control socket SOCKET says until the user has enough. Returns the
 * exit status: 0, or 1 after saying on standard error what is wrong. */
int top_run(const char *socket, const struct top_options *options);

#endif
